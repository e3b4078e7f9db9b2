"""The blocks of a U-Net, by which merges are tuned: for Stable Diffusion 1, IN00 to IN11, M00 and OUT00 to OUT11.

BASE is all the rest: text encoder, autoencoder and the embedding of time. The last layers, behind the blocks, go with
the last OUT. This is the community's convention (SuperMerger's).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from inkbloom.checkpoints.keymap import LDM_PREFIX
from inkbloom.core.errors import RequestError, nearest

BASE, MIDDLE = "BASE", "M00"

_BLOCK = re.compile(r"(input|middle|output)_block(?:s\.(\d+))?\.")
_UNET = LDM_PREFIX["unet"]


def block_of(names: Iterable[str]) -> dict[str, str]:
    """The block of each tensor, by its name in the LDM layout."""
    found: dict[str, str] = {}
    for name in names:
        block = _BLOCK.match(name.removeprefix(_UNET)) if name.startswith(_UNET) else None
        match block and block[1]:
            case None:
                found[name] = BASE
            case "middle":
                found[name] = MIDDLE
            case kind:
                assert block is not None
                found[name] = f"{'IN' if kind == 'input' else 'OUT'}{int(block[2]):02}"
    last = max((block for block in found.values() if block.startswith("OUT")), default=BASE)
    return {name: last if name.startswith(f"{_UNET}out.") else block for name, block in found.items()}


def in_order(blocks: Iterable[str]) -> list[str]:
    """Each block once, in the order in which lists of ratios have them: BASE, IN.., M00, OUT.."""
    rank = {"B": 0, "I": 1, "M": 2, "O": 3}
    return sorted({BASE, *blocks}, key=lambda block: (rank[block[0]], block))


def read_ratios(text: str, blocks: Sequence[str]) -> dict[str, float]:
    """What a text such as "IN00=0.5,OUT=1" or "0.3,0,0,0.1,..." says of each of the `blocks` (in order, BASE first).

    In pairs a name stands for all blocks that begin with it, later pairs win, and blocks may be left out. A bare list
    has a number for each block, and may leave out BASE. `RequestError` for anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not any("=" in part for part in parts):
        if len(parts) not in (len(blocks), len(blocks) - 1):
            raise RequestError(
                f"{len(parts)} block ratios were given; this model has {len(blocks) - 1} blocks, {blocks[1]} to "
                f"{blocks[-1]}, and BASE may come first."
            )
        return dict(zip(blocks[-len(parts) :], map(_number, parts), strict=True))
    ratios: dict[str, float] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise RequestError(f'Block ratios are either all numbers or all NAME=NUMBER; "{part}" is not.')
        meant = [block for block in blocks if block.startswith(name.strip().upper())] if name.strip() else []
        if not meant:
            raise RequestError(f'This model has no block "{name.strip()}".{nearest(name.strip(), blocks)}')
        ratios |= dict.fromkeys(meant, _number(value))
    return ratios


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RequestError(f'"{text.strip()}" is no block ratio; it must be a number.')
    return value
