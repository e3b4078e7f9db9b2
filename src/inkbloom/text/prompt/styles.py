"""A1111's styles: named texts that are put around a prompt, kept in `styles.csv`.

The file: a header `name,prompt,negative_prompt` (an old one says `text` for `prompt`), UTF-8, a byte order mark allowed
and written; a row whose name begins with "#" is a comment. `{prompt}` in a style stands for the prompt; a style without
it is appended with ", ".
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from inkbloom.core.errors import OutputError, RequestError, nearest
from inkbloom.text.prompt.unknown import OnUnknown, refuse

_PLACE = "{prompt}"
_COLUMNS = ("name", "prompt", "negative_prompt")


@dataclass(frozen=True)
class Style:
    name: str
    prompt: str = ""
    negative_prompt: str = ""


def read_styles(paths: Iterable[Path]) -> dict[str, Style]:
    """The styles by name, in the files' order; of several with one name the last holds.

    `RequestError` for a file that cannot be read, is not UTF-8, lacks a column, or has a row with too many fields.
    """
    return {style.name: style for path in paths for style in _read(path)}


def write_styles(path: Path, styles: Iterable[Style]) -> None:
    """Write the file anew, as one step; what was there before is kept beside it as NAME.bak, comments with it.

    `OutputError` where that cannot be done; the old file is then still there.
    """
    fresh = path.with_name(path.name + ".tmp")
    try:
        if path.exists():
            shutil.copy(path, path.with_name(path.name + ".bak"))
        with fresh.open("w", encoding="utf-8-sig", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(_COLUMNS)
            rows.writerows(map(astuple, styles))
        os.replace(fresh, path)
    except OSError as error:
        raise OutputError(f'The styles cannot be written to "{path}": {error.strerror}.') from error


def apply_styles(
    prompt: str,
    negative_prompt: str,
    names: Sequence[str],
    styles: Mapping[str, Style],
    on_unknown: OnUnknown = refuse,
) -> tuple[str, str]:
    """(prompt, negative prompt) with the styles of these names around them, in this order."""
    for name in names:
        if name not in styles:
            on_unknown(f'Unknown style "{name}".' + (nearest(name, styles) if styles else " There are none."))
            continue
        prompt = _wrap(styles[name].prompt, prompt)
        negative_prompt = _wrap(styles[name].negative_prompt, negative_prompt)
    return prompt, negative_prompt


def remove_styles(prompt: str, negative_prompt: str, styles: Iterable[Style]) -> tuple[list[str], str, str]:
    """The styles that were applied to a pasted prompt, in their order, and both texts as they were before.

    The outermost style is looked for first, the first of `styles` that fits; each is found once at most. It fits where
    both of its texts are around the prompts.
    """
    left = [style for style in styles if style.prompt or style.negative_prompt]
    names: list[str] = []
    while True:
        for style in left:
            inner = _unwrap(style.prompt, prompt)
            negative_inner = _unwrap(style.negative_prompt, negative_prompt)
            if inner is not None and negative_inner is not None:
                prompt, negative_prompt = inner, negative_inner
                names.insert(0, style.name)
                left.remove(style)
                break
        else:
            return names, prompt, negative_prompt


def _read(path: Path) -> list[Style]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, skipinitialspace=True)
            header = next(rows, [])
            columns = _find_columns(path, header)
            return [
                Style(*(row[column] if column is not None and column < len(row) else "" for column in columns))
                for row in rows
                if row and not row[0].startswith("#") and _fits(path, row, header, rows.line_num)
            ]
    except OSError as error:
        raise RequestError(f'The styles in "{path}" cannot be read: {error.strerror}.') from None
    except UnicodeDecodeError:
        raise RequestError(f'The styles in "{path}" are not UTF-8 text; save the file as UTF-8.') from None
    except csv.Error as error:
        raise RequestError(f'The styles in "{path}" are not a table of comma-separated values: {error}.') from None


def _find_columns(path: Path, header: list[str]) -> list[int | None]:
    """Where the name, the prompt and the negative prompt stand; the last may be missing."""
    if "prompt" not in header and "text" in header:
        header = ["prompt" if column == "text" else column for column in header]
    for column in _COLUMNS[:2]:
        if column not in header:
            raise RequestError(
                f'The styles in "{path}" have no column "{column}"; the first line must be name,prompt,...'
            )
    return [header.index(column) if column in header else None for column in _COLUMNS]


def _fits(path: Path, row: list[str], header: list[str], line: int) -> bool:
    if len(row) > len(header):
        raise RequestError(
            f'Line {line} of "{path}" has {len(row)} fields, the first line {len(header)}; '
            "a text with commas must stand in quotation marks."
        )
    return True


def _wrap(style: str, text: str) -> str:
    if _PLACE in style:
        return style.replace(_PLACE, text)
    return ", ".join(part for part in (text.strip(), style.strip()) if part)


def _unwrap(style: str, text: str) -> str | None:
    """What `_wrap` was given, but for white space at its ends; None where the style is not around the text."""
    style, text = style.strip(), text.strip()
    before, place, after = style.partition(_PLACE)
    if place:
        fits = len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)
        return text[len(before) : len(text) - len(after)] if fits else None
    return text.removesuffix(style).removesuffix(", ") if text.endswith(style) else None
