import numpy as np
import pytest
import torch
from PIL import Image

from inkbloom.core.errors import RequestError
from inkbloom.training.starter.atlas import ATLAS_PATH, CELL, FONT_PATH, MARGIN, build_atlas, sprite
from inkbloom.training.starter.catalogue import OBJECT_NAMES


@pytest.fixture(scope="module")
def sprites() -> torch.Tensor:
    return torch.stack([sprite(index) for index in range(len(OBJECT_NAMES))])


def test_a_sprite_for_every_object(sprites):
    assert sprites.shape == (len(OBJECT_NAMES), 4, CELL, CELL)
    assert sprites.min() == 0
    assert sprites.max() == 1
    covered = (sprites[:, 3] > 0.5).float().mean(dim=(1, 2))
    for name, share in zip(OBJECT_NAMES, covered, strict=True):
        assert share > 0.1, name


def test_sprites_differ(sprites):
    flat = torch.nn.functional.avg_pool2d(sprites, 8).flatten(1)
    distances = torch.cdist(flat, flat, p=1) / flat.shape[1] + 9 * torch.eye(len(flat))
    closest = distances.min(dim=1)
    for index, distance in enumerate(closest.values):
        assert distance > 0.03, (OBJECT_NAMES[index], OBJECT_NAMES[closest.indices[index]])


def test_the_cells_are_in_the_catalogues_order(sprites):
    red, green, blue = range(3)
    expected = {"frog": green, "strawberry": red, "car": red, "umbrella": blue, "dolphin": blue, "lemon": red}
    for name, channel in expected.items():
        rgba = sprites[OBJECT_NAMES.index(name)]
        mean = (rgba[:3] * rgba[3]).sum(dim=(1, 2))
        assert mean.argmax() == channel, name


def test_sprites_stand_on_the_ground_line_inside_the_margin(sprites):
    solid = sprites[:, 3] > 0.03  # what compression leaves at an edge is fainter
    assert not solid[:, -MARGIN:].any()
    assert solid[:, -MARGIN - 4 : -MARGIN].flatten(1).any(dim=1).all()
    for edge in (solid[:, :MARGIN], solid[:, :, :MARGIN], solid[:, :, -MARGIN:]):
        assert not edge.any()


@pytest.mark.skipif(not FONT_PATH.exists(), reason="needs Debian's fonts-noto-color-emoji")
def test_the_shipped_atlas_is_what_the_font_gives():
    with Image.open(ATLAS_PATH) as shipped:
        assert shipped.mode == "RGBA"
        assert ATLAS_PATH.stat().st_size < 4_000_000
        both = [np.asarray(atlas, dtype=np.float32) for atlas in (shipped, build_atlas())]
    # Under no alpha there is no colour to compare.
    difference = np.abs(np.subtract(*(rgba * rgba[..., 3:] / 255 for rgba in both)))
    # Other versions of the font may redraw a few glyphs; a wrong order or scale would differ by far more.
    assert difference.mean() < 5


def test_a_missing_font_is_named(tmp_path):
    with pytest.raises(RequestError, match=r'^Cannot open the emoji font ".*none.ttf": .*\.$'):
        build_atlas(tmp_path / "none.ttf")


def test_a_sprite_is_the_callers_own():
    sprite(0).zero_()
    assert torch.count_nonzero(sprite(0)) > 0
