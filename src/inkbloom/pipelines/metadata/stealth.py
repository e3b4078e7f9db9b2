"""Texts hidden in a picture's pixels: NovelAI's, and those of A1111's extension for the same.

In the lowest bits of the alpha channel, column by column from the left, or of red, green and blue, pixel by pixel in
the same order, stand 15 letters, which say what follows; its number of bits, in four bytes, the highest first; and the
text in UTF-8, plain or as gzip. Such a text outlives sites that take all other metadata out of a picture.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from inkbloom.core.errors import RequestError

_MARKS = {"A": "png", "RGB": "rgb"}
_PLAIN, _GZIP = "stealth_{}info", "stealth_{}comp"
_MARK_BYTES, _LENGTH_BYTES = 15, 4
_GZIP_WINDOW = 31  # what zlib calls gzip


def hidden_text(picture: PILImage.Image, limit: int) -> str | None:
    """The text in the pixels, of at most `limit` bytes; None where there is none.

    `RequestError` where one begins, but is cut off, damaged or longer.
    """
    for channels, mark in _MARKS.items():
        if channels == "A" and "A" not in picture.getbands():
            continue
        whole = picture.convert("RGBA")
        bits = np.stack([np.asarray(whole.getchannel(channel)) & np.uint8(1) for channel in channels], axis=-1)
        start = _MARK_BYTES + _LENGTH_BYTES
        head = _bytes_of(bits, 0, start)
        for form in (_PLAIN, _GZIP):
            if head.startswith(form.format(mark).encode()):
                length = int.from_bytes(head[_MARK_BYTES:], "big") // 8
                if length > limit or 8 * (start + length) > bits.size:
                    raise RequestError(f"the text hidden in its pixels claims {length:,} bytes, which cannot be.")
                return _decoded(_bytes_of(bits, start, length), form == _GZIP, limit)
    return None


def _bytes_of(bits: NDArray[np.uint8], start: int, length: int) -> bytes:
    """So many bytes after the first `start` ones of bits (height, width, channels), counted down each column."""
    column = bits.shape[0] * bits.shape[2]
    first, last = 8 * start // column, -(-8 * (start + length) // column)
    flat = bits[:, first:last].transpose(1, 0, 2).reshape(-1)
    offset = 8 * start - first * column
    return np.packbits(flat[offset : offset + 8 * length]).tobytes()


def _decoded(content: bytes, is_gzip: bool, limit: int) -> str:
    try:
        if is_gzip:
            unpacker = zlib.decompressobj(_GZIP_WINDOW)
            content = unpacker.decompress(content, limit)
            if not unpacker.eof:
                raise RequestError(f"the text hidden in its pixels is cut off, or longer than {limit:,} bytes.")
        return content.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise RequestError(f"the text hidden in its pixels is damaged: {error}.") from None
