"""A plot as one picture: columns and rows with their labels, a grid for each z under the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PILImage
from PIL import ImageDraw

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.lettering import Font, find_font, line_height, wrapped
from inkbloom.pipelines.batches.plan import AxisRecord, Plan
from inkbloom.pipelines.metadata.a1111 import infotext
from inkbloom.pipelines.request import ResolvedRequest

LARGEST = 200_000_000
"""Pixels of a drawn plot at most, as in A1111."""

_GAP = 6
_INK, _PAPER, _EMPTY = "black", "white", "#d0d0d0"
_NUMBERS = re.compile(r"[-+\d.x×, ]+|true|false", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    picture: PILImage.Image
    missing: str
    """Characters that no font of this machine has; they are drawn as boxes."""


def check_size(cell: tuple[int, int], axes: Mapping[str, AxisRecord], margin: int = 0) -> None:
    """`RequestError` where a plot of cells of this size would be larger than `LARGEST`, to be told before painting."""
    counts = [len(axes[name].labels) for name in ("x", "y", "z")]
    width, height = (cell[0] + margin) * counts[0], (cell[1] + margin) * counts[1] * counts[2]
    if width * height > LARGEST:
        raise RequestError(
            f"The plot would have {width} x {height} pixels; at most {LARGEST // 10**6} million are drawn. "
            "Plot fewer values, or draw none with --no-drawing."
        )


def draw_plot(
    cells: Mapping[tuple[int, ...], PILImage.Image],
    axes: Mapping[str, AxisRecord],
    *,
    legend: bool = True,
    margin: int = 0,
    font_file: Path | None = None,
) -> Drawing:
    """The cells by their places (x, y, z), `margin` pixels apart; a place without a picture stays grey.

    Cells of different sizes stand in the middle of a place as large as the largest. Numbers are labelled with the name
    of their axis. Raises as `lettering.find_font`.
    """
    x_labels, y_labels, z_labels = ([_label(axes[name], i) for i in range(len(axes[name].labels))] for name in "xyz")
    width, height = (max(picture.size[side] for picture in cells.values()) for side in (0, 1))
    font, missing = find_font("".join([*x_labels, *y_labels, *z_labels]), max(11, (width + height) // 25), font_file)
    line = line_height(font)
    left = top = title = 0
    columns, rows = [], []
    if legend:
        columns = [wrapped(label, font, width) for label in x_labels]
        rows = [wrapped(label, font, width) for label in y_labels]
        if any(x_labels):
            top = line * max(map(len, columns)) + 2 * _GAP
        if any(y_labels):
            left = 2 * _GAP + int(max(font.getlength(part) for row in rows for part in row))
        if any(z_labels):
            title = line + 2 * _GAP
    grid_width = left + len(x_labels) * (width + margin) - margin
    grid_height = title + top + len(y_labels) * (height + margin) - margin
    sheet = PILImage.new("RGB", (grid_width, len(z_labels) * (grid_height + margin) - margin), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for z, z_label in enumerate(z_labels):
        start = z * (grid_height + margin)
        if title:
            _write(pen, font, [z_label], left + (grid_width - left) // 2, start + title // 2)
        for x in range(len(x_labels)):
            if top:
                _write(pen, font, columns[x], left + x * (width + margin) + width // 2, start + title + top // 2)
        for y in range(len(y_labels)):
            if left:
                _write(pen, font, rows[y], left // 2, start + title + top + y * (height + margin) + height // 2)
            for x in range(len(x_labels)):
                corner = left + x * (width + margin), start + title + top + y * (height + margin)
                picture = cells.get((x, y, z), PILImage.new("RGB", (width, height), _EMPTY))
                sheet.paste(
                    picture, (corner[0] + (width - picture.width) // 2, corner[1] + (height - picture.height) // 2)
                )
    return Drawing(picture=sheet, missing=missing)


def plot_infotext(plan: Plan) -> str:
    """A1111's text of the first cell, with the keys of its own X/Y/Z plots."""
    axes = {name.upper(): axis for name, axis in plan.axes.items() if axis.name != "Nothing"}
    more = {"Script": "X/Y/Z plot"}
    for name, axis in axes.items():
        more |= {f"{name} Type": axis.name, f"{name} Values": ", ".join(axis.labels)}
    return infotext(ResolvedRequest(**plan.entries[0].request), more=more)


def _label(axis: AxisRecord, i: int) -> str:
    label = axis.labels[i]
    return f"{axis.name}: {label}" if label and _NUMBERS.fullmatch(label) else label


def _write(pen: ImageDraw.ImageDraw, font: Font, lines: list[str], x: int, y: int) -> None:
    """Lines of text around a middle point."""
    line = line_height(font)
    for i, text in enumerate(lines):
        pen.text((x, y + line * (i - (len(lines) - 1) / 2)), text, fill=_INK, font=font, anchor="mm")
