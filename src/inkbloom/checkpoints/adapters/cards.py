"""Embedding cards: pictures that carry an embedding, as A1111 makes them.

In a PNG's text `sd-ti-embedding`: base64 of JSON, in which a tensor is {"TORCHTENSOR": nested lists}. Else in the
pixels: at the left and right border stand two blocks between which a column is black in its low four bits. The low
four bits of the left block's pixels are the lower halves of bytes, those of the right block's the upper halves, both
scrambled by exclusive or with the low four bits of a linear congruential sequence; the bytes are zlib of the same JSON.
"""

from __future__ import annotations

import base64
import json
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from inkbloom.core.errors import CheckpointError

TEXT_KEY = "sd-ti-embedding"
SUFFIXES = (".png", ".webp", ".avif")
"""Endings of pictures that may be cards."""

_MULTIPLIER, _INCREMENT, _MODULUS, _TAKEN = 1664525, 1013904223, 2**32, 255
# What Pillow, base64, JSON, zlib and PyTorch say of a picture that is none, or of one that was made to mislead
_UNREADABLE = (OSError, ValueError, TypeError, RuntimeError, ArithmeticError, zlib.error, Image.DecompressionBombError)
_LONGEST = 64 * 2**20  # bytes of JSON, more than 75 vectors have by far


def read_card(path: Path) -> dict[str, Any]:
    """The dictionary in an embedding card, its tensors as tensors; `CheckpointError` where there is none."""
    try:
        with Image.open(path) as picture:
            text = picture.info.get(TEXT_KEY)
            content = base64.b64decode(text) if text else _from_pixels(np.asarray(picture.convert("RGB")))
        card = json.loads(content, object_hook=_tensor)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no picture at {path}.") from error
    except _UNREADABLE as error:
        raise CheckpointError(f"{path} is no embedding card: {' '.join(str(error).split())}.") from error
    if not isinstance(card, dict):
        raise CheckpointError(f"{path} is no embedding card: it holds a {type(card).__name__}.")
    return card


def is_card(path: Path) -> bool:
    """Whether a picture is an embedding card; remembered until the file changes."""
    state = path.stat()
    return _is_card(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _is_card(path: Path, size: int, changed: int) -> bool:
    try:
        read_card(path)
    except CheckpointError:
        return False
    return True


def _tensor(value: dict[str, Any]) -> dict[str, Any] | Tensor:
    return torch.tensor(value["TORCHTENSOR"], dtype=torch.float32) if "TORCHTENSOR" in value else value


def _from_pixels(pixels: NDArray[np.uint8]) -> bytes:
    """The JSON in the pixels (height, width, 3)."""
    shown = pixels.min(axis=2) > 0  # a black border around the whole is not part of it
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not len(rows):
        raise ValueError("it is black")
    low_bits = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] & np.uint8(15)
    black = np.flatnonzero(~low_bits.any(axis=(0, 2)))
    if len(black) < 2 or black[0] != low_bits.shape[1] - 1 - black[-1]:  # the blocks are of the same width
        raise ValueError("neither its text nor its pixels hold one")
    lower, upper = _unscrambled(low_bits[:, : black[0]]), _unscrambled(low_bits[:, black[-1] + 1 :])
    return zlib.decompressobj().decompress((upper << np.uint8(4) | lower).tobytes(), _LONGEST)


def _unscrambled(block: NDArray[np.uint8]) -> NDArray[np.uint8]:
    sequence = np.empty(block.size, np.uint8)
    state = 0
    for i in range(block.size):
        state = (_MULTIPLIER * state + _INCREMENT) % _MODULUS
        sequence[i] = state % _TAKEN & 15
    return block.flatten() ^ sequence
