"""Pictures as A1111's clients send and take them: base64 in JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path

from inkbloom.apps.service.service import Service
from inkbloom.core.errors import RequestError

Store = Callable[[str], str]
"""Takes a picture, base64 or a data URL, and gives the name under which a request finds it."""


def decode(text: str) -> bytes:
    """The file in a base64 text or data URL. `RequestError` for what is neither; addresses are not fetched."""
    if text[:8].lower().startswith(("http://", "https://")):
        raise RequestError("The picture is an address; nothing is fetched from the network, so send it as base64.")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("The picture is no base64.") from None


def storing(service: Service) -> Store:
    """Takes pictures in as uploads, and gives the names under which requests find them."""
    return lambda text: service.uploads.add(decode(text), "image").name


def encode(file: Path | bytes) -> str:
    return base64.b64encode(file if isinstance(file, bytes) else file.read_bytes()).decode()
