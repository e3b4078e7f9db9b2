"""The invisible watermark of CompVis's script, as the library `invisible-watermark` reads it (its method "dwtDct").

The U channel of YUV goes through one level of Haar wavelets. Each 4 x 4 block of the low band, row by row, carries one
bit, all bits again and again: the coefficient of largest magnitude but the first becomes, in units of `SCALE`,
n + 0.25 for a 0 and n + 0.75 for a 1. A reader takes the vote of all blocks of a bit. (The name promises a cosine
transform, which that method never makes.) It survives PNG; cropping and resizing destroy it. Where a picture is all of
the purest blue, U has no room for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from inkbloom.core.errors import RequestError

MARK = b"StableDiffusionV1"
SCALE = 36.0
BLOCK = 4
FEWEST_PIXELS = 256 * 256
"""The library refuses to read smaller pictures."""

_MARGIN = 4.0
"""By so much the carrying coefficient outdoes the others, so that rounding to 8 bits does not choose another."""
_ROUNDS = 4
_U_OF_RGB = np.array([-0.299, -0.587, 0.886]) * 0.492  # U = 0.492 (B - Y)
_RGB_OF_U = np.array([0.0, -0.395, 2.032])

Plane = NDArray[np.float64]


def check_markable(width: int, height: int) -> None:
    """`RequestError` for a picture too small to carry a watermark."""
    if width * height < FEWEST_PIXELS:
        raise RequestError(
            f"watermark: a picture of {width} x {height} pixels is too small to carry one; it needs {FEWEST_PIXELS:,} "
            "pixels, such as 256 x 256."
        )


def add_watermark(picture: PILImage.Image, mark: bytes = MARK) -> PILImage.Image:
    """The RGB picture with the bytes in it. `RequestError` as in `check_markable`."""
    check_markable(*picture.size)
    rgb = np.asarray(picture.convert("RGB"), np.float64)
    u = _u(rgb)
    blocks = _blocks(_low_band(u))
    bits = np.resize(np.unpackbits(np.frombuffer(mark, np.uint8)), blocks.shape[:2])
    place, value = _carriers(blocks)
    change = np.zeros_like(blocks)
    np.put_along_axis(change, place, (_marked(blocks, place, value, bits) - value)[..., None], axis=-1)
    rows, columns = blocks.shape[:2]
    low = change.reshape(rows, columns, BLOCK, BLOCK).swapaxes(1, 2).reshape(rows * BLOCK, columns * BLOCK)
    # A change of the low band alone spreads evenly over its 2 x 2 pixels, half of it on each
    wanted = u.copy()
    wanted[: 2 * rows * BLOCK, : 2 * columns * BLOCK] += np.kron(low, np.full((2, 2), 0.5))
    _move(rgb[: u.shape[0], : u.shape[1]], wanted)
    return PILImage.fromarray(rgb.round().astype(np.uint8))


def _marked(blocks: Plane, place: NDArray[np.intp], value: Plane, bits: NDArray[np.uint8]) -> Plane:
    """The nearest value to `value` that says the bit and leaves it the largest of its block.

    The library takes no care of the second, and so writes into smooth pictures what it cannot read itself.
    """
    others = np.abs(blocks[..., 1:])
    np.put_along_axis(others, place - 1, -np.inf, axis=-1)
    least = others.max(axis=-1) + _MARGIN
    magnitude = np.abs(value)
    steps = np.round(magnitude / SCALE - 0.25 - 0.5 * bits)
    marked = (steps + 0.25 + 0.5 * bits) * SCALE
    marked += SCALE * np.maximum(0, np.ceil((least - marked) / SCALE))
    return np.copysign(marked, value)


def _move(rgb: Plane, wanted: Plane) -> None:
    """Bring U to `wanted`, in place, at the same brightness; where channels are at their ends, by the others."""
    direction = _RGB_OF_U
    for _ in range(_ROUNDS):
        lacking = (wanted - (rgb @ _U_OF_RGB + 128))[..., None]
        free = np.where(direction * lacking > 0, rgb < 255, rgb > 0) * direction
        gain = (free @ _U_OF_RGB)[..., None]
        rgb += np.divide(lacking * free, gain, out=np.zeros_like(rgb), where=gain > 0)
        np.clip(rgb, 0, 255, out=rgb)
        direction = _U_OF_RGB  # the shortest way, wherever the first did not reach


def read_watermark(picture: PILImage.Image, length: int = len(MARK)) -> bytes:
    """The `length` bytes that a watermark of that length would be; noise where there is none."""
    check_markable(*picture.size)
    blocks = _blocks(_low_band(_u(np.asarray(picture.convert("RGB"), np.float64))))
    _, value = _carriers(blocks)
    votes = (np.abs(value) % SCALE > 0.5 * SCALE).ravel()
    number = np.arange(votes.size) % (8 * length)
    share = np.bincount(number, votes, 8 * length) / np.bincount(number, minlength=8 * length)
    return np.packbits(share * 255 > 127).tobytes()  # so does the library: a draw is a 1


def _u(rgb: Plane) -> Plane:
    """U with its middle at 128, as 8 bits keep it; each side cut to a multiple of 4."""
    height, width = (side // 4 * 4 for side in rgb.shape[:2])
    return (rgb[:height, :width] @ _U_OF_RGB + 128).round()


def _low_band(plane: Plane) -> Plane:
    """The low band of one level of orthonormal Haar wavelets: half the sum of each 2 x 2 points."""
    return (plane[::2, ::2] + plane[::2, 1::2] + plane[1::2, ::2] + plane[1::2, 1::2]) / 2


def _blocks(low: Plane) -> Plane:
    """(rows, columns, 16): whole blocks only."""
    rows, columns = (side // BLOCK for side in low.shape)
    cut = low[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return cut.swapaxes(1, 2).reshape(rows, columns, BLOCK * BLOCK)


def _carriers(blocks: Plane) -> tuple[NDArray[np.intp], Plane]:
    """The place of each block's carrying coefficient, with a last axis of 1, and its value."""
    place = np.abs(blocks[..., 1:]).argmax(axis=-1, keepdims=True) + 1
    return place, np.take_along_axis(blocks, place, axis=-1)[..., 0]
