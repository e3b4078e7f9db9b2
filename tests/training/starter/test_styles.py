import dataclasses

import pytest
import torch

from inkbloom.training.starter.catalogue import OBJECT_NAMES, PLACE_NAMES, STYLE_NAMES
from inkbloom.training.starter.scenes import Placement, Scene, render
from inkbloom.training.starter.styles import apply_style

DOG = OBJECT_NAMES.index("dog")


def _scenes(style: str | None) -> list[Scene]:
    """A dog at every place."""
    return [Scene(p, "blue" if p == "plain" else None, (Placement(DOG),), 1, style) for p in PLACE_NAMES]


@pytest.fixture(scope="module")
def rendered() -> dict[str | None, torch.Tensor]:
    return {style: render(_scenes(style)).float() / 255 for style in (None, *STYLE_NAMES)}


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_a_style_shows_at_every_place_even_without_objects(style):
    for scene in _scenes(style):
        empty = dataclasses.replace(scene, placements=())
        plain, styled = render([dataclasses.replace(empty, style=None), empty]).float() / 255
        assert (plain - styled).abs().mean() > 0.02, scene.place


def test_styles_differ_from_each_other_at_every_place(rendered):
    pictures = torch.stack(list(rendered.values()))
    for place in range(len(PLACE_NAMES)):
        for index in range(1, len(pictures)):
            distance = (pictures[:index, place] - pictures[index, place]).abs().mean(dim=(1, 2, 3))
            assert distance.min() > 0.02, (list(rendered)[index], PLACE_NAMES[place])


def test_what_makes_a_style(rendered):
    blue, red = 2, 0
    sepia, line, neon, ink = (rendered[style] for style in ("sepia", "line", "neon", "ink"))
    assert (sepia[:, red] >= sepia[:, blue]).all()
    assert (line.amax(dim=1) - line.amin(dim=1)).max() < 0.01  # grey
    assert line.mean() > 0.7
    assert neon.mean() < 0.3
    assert neon.max() > 0.95
    seal = ink[:, :, 116:120, 8:12]
    assert (seal[:, red] - seal[:, blue]).min() > 0.5


def test_pixel_art_is_squares(rendered):
    squares = rendered["pixel"].unflatten(-2, (32, 4)).unflatten(-1, (32, 4))  # b c rows 4 columns 4
    assert torch.equal(squares, squares[:, :, :, :1, :, :1].expand_as(squares))


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_twice_the_size_shows_the_same_picture(style):
    scenes = _scenes(style)
    halved = torch.nn.functional.avg_pool2d(render(scenes, 256).float() / 255, 2)
    assert (halved - render(scenes).float() / 255).abs().mean() < 0.03


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_pictures_are_new_and_in_range(style):
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = pictures.clone()
    result = apply_style(style, pictures, torch.zeros(2, 1, 32, 32))
    assert torch.equal(pictures, before)
    assert 0 <= result.min() <= result.max() <= 1
