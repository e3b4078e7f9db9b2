import numpy as np
import pytest
import torch
from PIL import Image

from inkbloom.core.errors import RequestError
from inkbloom.training.starter.atlas import ATLAS_PATH, CELL, FONT_PATH, MARGIN, build_atlas, load_atlas
from inkbloom.training.starter.catalogue import OBJECT_NAMES


def test_a_sprite_for_every_object():
    sprites = load_atlas()
    assert sprites.shape == (len(OBJECT_NAMES), 4, CELL, CELL)
    assert sprites.min() == 0
    assert sprites.max() == 1
    covered = (sprites[:, 3] > 0.5).float().mean(dim=(1, 2))
    assert covered.min() > 0.15
    for index in range(1, len(sprites)):
        assert (sprites[:index] - sprites[index]).abs().mean(dim=(1, 2, 3)).min() > 0.05, OBJECT_NAMES[index]


def test_the_cells_are_in_the_catalogues_order():
    red, green, blue = range(3)
    expected = {"frog": green, "strawberry": red, "car": red, "tree": green, "umbrella": blue, "cactus": green}
    sprites = load_atlas()
    for name, channel in expected.items():
        rgba = sprites[OBJECT_NAMES.index(name)]
        mean = (rgba[:3] * rgba[3]).sum(dim=(1, 2))
        assert mean.argmax() == channel, name


def test_sprites_stand_on_the_ground_line_inside_the_margin():
    alpha = load_atlas()[:, 3]
    solid = alpha > 0
    assert not solid[:, -MARGIN:].any()
    assert solid[:, -MARGIN - 4 : -MARGIN].flatten(1).any(dim=1).all()
    for edge in (solid[:, :MARGIN], solid[:, :, :MARGIN], solid[:, :, -MARGIN:]):
        assert not edge.any()


@pytest.mark.skipif(not FONT_PATH.exists(), reason="needs Debian's fonts-noto-color-emoji")
def test_the_shipped_atlas_is_what_the_font_gives():
    with Image.open(ATLAS_PATH) as shipped:
        assert shipped.mode == "RGBA"
        built = build_atlas()
        difference = np.abs(np.asarray(shipped, dtype=np.float32) - np.asarray(built, dtype=np.float32))
    # Other versions of the font may redraw a few glyphs; a wrong order or scale would differ by far more.
    assert difference.mean() < 5


def test_a_missing_font_is_named(tmp_path):
    with pytest.raises(RequestError, match=r'^Cannot open the emoji font ".*none.ttf": .*\.$'):
        build_atlas(tmp_path / "none.ttf")


def test_loaded_sprites_are_the_callers_own():
    load_atlas().zero_()
    assert torch.count_nonzero(load_atlas()) > 0
