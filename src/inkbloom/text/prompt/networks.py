"""Extra networks in the text, A1111's `<kind:NAME:arguments>`: which are asked for, and the text without them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from inkbloom.core.errors import RequestError, nearest
from inkbloom.text.prompt.unknown import OnUnknown, refuse

KINDS = {"lora": "lora", "lyco": "lora", "hypernet": "hypernet"}
"""Each kind that may stand in a tag, and what it is."""

_TAG = re.compile(r"<(\w+):([^>]+)>")
_ARGUMENTS = {"lora": ("te", "unet", "dyn"), "hypernet": ("weight",)}


@dataclass(frozen=True, kw_only=True)
class Network:
    kind: str
    """"lora" (whatever low-rank kind the file holds) or "hypernet"."""
    name: str
    """The file's stem or alias, as written."""
    text_encoder_weight: float
    """0 for a hypernetwork, which acts in the U-Net alone."""
    unet_weight: float
    rank: int | None = None
    """Use the first so many rank rows only; None for all."""


def take_networks(
    text: str, on_unknown: OnUnknown = refuse, *, others_are_text: bool = False
) -> tuple[str, tuple[Network, ...]]:
    """The text without its tags, and the networks in the order of the tags.

    `<lora:NAME>`, `<lora:NAME:TE>`, `<lora:NAME:TE:UNET>`, `<lora:NAME:TE:UNET:DYN>`, also by name (`te=`, `unet=`,
    `dyn=`), and `<lyco:...>`, which is the same; `<hypernet:NAME:WEIGHT>`. TE is 1 where it is left out, UNET is TE. A
    tag of another kind is told to `on_unknown`, and dropped where that lets it pass, as A1111 drops it; where
    `others_are_text`, it stays. `RequestError` for arguments that are no numbers, too many, or of an unknown name.
    """
    networks = []

    def take(tag: re.Match[str]) -> str:
        kind = tag[1]
        if kind in KINDS:
            networks.append(_read(tag[0], KINDS[kind], tag[2].split(":")))
        elif others_are_text:
            return tag[0]
        else:
            on_unknown(f'Unknown kind of network "{kind}" in "{tag[0]}".{nearest(kind, KINDS)}')
        return ""

    # Without a ">" after it no tag can end: looking for one from each "<" on would take quadratic time.
    end = text.rfind(">") + 1
    return _TAG.sub(take, text[:end]) + text[end:], tuple(networks)


def _read(tag: str, kind: str, arguments: list[str]) -> Network:
    known = _ARGUMENTS[kind]
    name, *positional = [item for item in arguments if item.count("=") != 1] or [""]
    if not name.strip():
        raise RequestError(f'"{tag}" names no file; write for example <{kind}:NAME:0.8>.')
    if len(positional) > len(known):
        raise RequestError(f'"{tag}" has {len(positional)} numbers; allowed are {len(known)}: {", ".join(known)}.')
    values = dict(zip(known, positional, strict=False))
    for key, value in (item.split("=") for item in arguments if item.count("=") == 1):
        if key not in known:
            raise RequestError(f'Unknown argument "{key}" in "{tag}".{nearest(key, known)}')
        values[key] = value
    if kind == "hypernet":
        weight = _number(tag, "weight", values.get("weight", "1"))
        return Network(kind=kind, name=name, text_encoder_weight=0.0, unet_weight=weight)
    text_encoder = values.get("te", "1")
    rank = values.get("dyn")
    return Network(
        kind=kind,
        name=name,
        text_encoder_weight=_number(tag, "te", text_encoder),
        unet_weight=_number(tag, "unet", values.get("unet", text_encoder)),
        rank=None if rank is None else _rank(tag, rank),
    )


def _number(tag: str, key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RequestError(f'{key} "{text}" in "{tag}" must be a finite number, such as 0.8.')
    return number


def _rank(tag: str, text: str) -> int:
    if not re.fullmatch(r"\s*0*[1-9][0-9]{0,8}\s*", text):
        raise RequestError(f'dyn "{text}" in "{tag}" must be a whole number from 1 on.')
    return int(text)
