"""Text on pictures: a font that has the characters, lines that fit, and what they measure."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from inkbloom.core.errors import RequestError

Font = ImageFont.FreeTypeFont

_NAMES = (
    # In this order of preference; the first have Chinese, Japanese and Korean
    *("NotoSansCJK", "NotoSansSC", "SourceHanSans", "wqy-microhei", "wqy-zenhei", "DroidSansFallback", "PingFang"),
    *(
        "Hiragino Sans GB",
        "STHeiti",
        "msyh",
        "simhei",
        "simsun",
        "Arial Unicode",
        "DejaVuSans",
        "LiberationSans",
        "Arial",
    ),
)
_ENDINGS = (".ttf", ".otf", ".ttc")
_NOWHERE = "\U0010fffd"  # a private character: no font has it, so that it shows what a missing one looks like


def find_font(text: str, size: int, file: Path | None = None) -> tuple[Font, str]:
    """A font that has all characters of the text, and those that it has not ("" where it has all).

    `file` is the font to take; else the fonts of this machine are looked through, and the one that comes with Pillow.
    `RequestError` where `file` is no font.
    """
    if file is not None:
        try:
            font = ImageFont.truetype(str(file), size)
        except OSError:
            raise RequestError(f'"{file}" is no font that can be read.') from None
        return font, _missing(font, text)
    best: tuple[Font, str] | None = None
    for font in _candidates(size):
        missing = _missing(font, text)
        if best is None or len(missing) < len(best[1]):
            best = font, missing
        if not missing:
            break
    assert best is not None  # Pillow's own is always there
    return best


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """The text in lines no wider than `width` pixels, where words (or, in a long word, characters) allow."""
    lines = [""]
    for word in _words(text):
        if font.getlength((lines[-1] + word).rstrip()) <= width:
            lines[-1] += word
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line.strip() for line in lines]


def line_height(font: Font) -> int:
    return sum(font.getmetrics()) + 1


def _words(text: str) -> Iterator[str]:
    """Words with the space behind them; where text is written without spaces, every character is one."""
    word = ""
    for letter in text:
        if letter > "\u2e7f":
            yield from filter(None, (word, letter))
            word = ""
            continue
        word += letter
        if letter == " ":
            yield word
            word = ""
    yield from filter(None, (word,))


def _candidates(size: int) -> Iterator[Font]:
    default = ImageFont.load_default(size)
    if isinstance(default, ImageFont.FreeTypeFont):
        yield default
    for path in _system_fonts():
        try:
            yield ImageFont.truetype(str(path), size)
        except OSError:  # damaged, or of a kind that FreeType does not know
            continue


@cache
def _system_fonts() -> tuple[Path, ...]:
    found = [
        Path(place, name)
        for folder in _font_folders()
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_ENDINGS)
    ]
    ranked = [
        (rank, len(path.name), path)  # the shortest name of a family is its upright, regular one
        for path in found
        for rank, name in enumerate(_NAMES)
        if path.stem.startswith(name)
    ]
    return tuple(path for _, _, path in sorted(ranked))


def _font_folders() -> Iterable[Path]:
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts"), home / "AppData/Local/Microsoft/Windows/Fonts"
    if sys.platform == "darwin":
        return Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"
    return Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts"


def _missing(font: Font, text: str) -> str:
    nothing = _shape(font, _NOWHERE)
    seen = dict.fromkeys(letter for letter in text if not letter.isspace())
    return "".join(letter for letter in seen if _shape(font, letter) == nothing)


def _shape(font: Font, letter: str) -> bytes:
    mask = PILImage.new("L", (4 * int(font.size), 4 * int(font.size)))
    ImageDraw.Draw(mask).text((0, 0), letter, fill=255, font=font)
    return mask.tobytes()
