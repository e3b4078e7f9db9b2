from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from PIL import ImageFont

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.drawing import check_size, draw_plot
from inkbloom.pipelines.batches.lettering import find_font, wrapped
from inkbloom.pipelines.batches.plan import AxisRecord

NOTHING = AxisRecord(name="Nothing", labels=[""])
STEPS = AxisRecord(name="Steps", labels=["1", "2", "3"])
SAMPLERS = AxisRecord(name="Sampler", labels=["Euler", "DDIM"])
COLOURS = ["red", "green", "blue", "yellow", "cyan", "magenta"]


def cells(colours: list[str]) -> dict[tuple[int, ...], PILImage.Image]:
    return {(i % 3, i // 3, 0): PILImage.new("RGB", (20, 10), colour) for i, colour in enumerate(colours)}


def test_without_legend_the_cells_alone_stand_at_their_places() -> None:
    sheet = draw_plot(cells(COLOURS), {"x": STEPS, "y": SAMPLERS, "z": NOTHING}, legend=False).picture
    assert sheet.size == (60, 20)
    rows = [[sheet.getpixel((10 + 20 * x, 5 + 10 * y)) for x in range(3)] for y in range(2)]
    named = {name: PILImage.new("RGB", (1, 1), name).getpixel((0, 0)) for name in COLOURS}
    assert rows == [[named[name] for name in COLOURS[:3]], [named[name] for name in COLOURS[3:]]]


def test_a_margin_and_a_missing_cell() -> None:
    sheet = draw_plot(cells(COLOURS[:5]), {"x": STEPS, "y": SAMPLERS, "z": NOTHING}, legend=False, margin=4).picture
    assert sheet.size == (68, 24)
    assert sheet.getpixel((21, 5)) == (255, 255, 255)
    assert sheet.getpixel((60, 20)) == (208, 208, 208)


def test_labels_take_room_left_and_above_and_leave_the_cells_alone() -> None:
    plain = draw_plot(cells(COLOURS), {"x": STEPS, "y": SAMPLERS, "z": NOTHING}, legend=False).picture
    sheet = draw_plot(cells(COLOURS), {"x": STEPS, "y": SAMPLERS, "z": NOTHING}).picture
    left, top = sheet.width - plain.width, sheet.height - plain.height
    assert left > 0
    assert top > 0
    assert np.array_equal(np.asarray(sheet)[top:, left:], np.asarray(plain))
    assert np.asarray(sheet)[:top].min() < 50
    assert np.asarray(sheet)[:, :left].min() < 50


def test_grids_of_z_stand_under_each_other() -> None:
    both = {(0, 0, 0): PILImage.new("RGB", (20, 10), "red"), (0, 0, 1): PILImage.new("RGB", (20, 10), "blue")}
    z = AxisRecord(name="Seed", labels=["1", "2"])
    assert draw_plot(both, {"x": NOTHING, "y": NOTHING, "z": z}, legend=False).picture.size == (20, 20)


def test_cells_of_different_sizes_stand_in_the_middle() -> None:
    two = {(0, 0, 0): PILImage.new("RGB", (20, 20), "red"), (1, 0, 0): PILImage.new("RGB", (10, 10), "blue")}
    axes = {"x": AxisRecord(name="Size", labels=["20x20", "10x10"]), "y": NOTHING, "z": NOTHING}
    sheet = draw_plot(two, axes, legend=False).picture
    assert sheet.size == (40, 20)
    assert sheet.getpixel((30, 10)) == (0, 0, 255)
    assert sheet.getpixel((21, 1)) == (255, 255, 255)


def test_a_plot_too_large_to_draw_is_told_beforehand() -> None:
    axes = {"x": AxisRecord(name="Seed", labels=[str(i) for i in range(100)]), "y": STEPS, "z": NOTHING}
    with pytest.raises(RequestError, match="would have 102400 x 3072 pixels; at most 200 million are drawn"):
        check_size((1024, 1024), axes)
    check_size((64, 64), axes)


def test_a_font_says_which_characters_it_lacks() -> None:
    font, missing = find_font("Steps: 10, ü", 14)
    assert missing == ""
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert find_font("a\U000f0000b", 14)[1] == "\U000f0000"


def test_a_font_of_ones_own_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "no.ttf").write_bytes(b"no font")
    with pytest.raises(RequestError, match=r'no\.ttf" is no font that can be read\.'):
        find_font("a", 12, tmp_path / "no.ttf")


def test_lines_are_wrapped_at_words_and_between_chinese_characters() -> None:
    font, _ = find_font("abc", 12)
    width = int(font.getlength("a long line"))
    lines = wrapped("a long line of words", font, width)
    assert " ".join(lines) == "a long line of words"
    assert len(lines) > 1
    assert all(font.getlength(line) <= width for line in lines)
    assert "".join(wrapped("星空下的大城堡", font, 30)) == "星空下的大城堡"
    assert len(wrapped("unbreakable" * 5, font, 50)) > 1
