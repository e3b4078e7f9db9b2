import numpy as np
import pytest
from PIL import Image as PILImage

from inkbloom.pipelines.editing.resizing import pad_to_multiple, resize

WIDE = PILImage.fromarray(np.arange(40 * 20, dtype=np.uint16).reshape(20, 40).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize("mode", ["stretch", "crop", "fill"])
@pytest.mark.parametrize("size", [(16, 16), (64, 32), (7, 50)])
def test_every_mode_gives_the_size(mode, size: tuple[int, int]) -> None:
    assert resize(WIDE, *size, mode).size == size
    assert resize(WIDE, *WIDE.size, mode) is WIDE


def test_crop_cuts_the_middle_and_fill_draws_the_edges_out() -> None:
    halves = PILImage.new("RGB", (40, 20), "white")
    halves.paste("black", (0, 0, 10, 20))
    halves.paste("black", (30, 0, 40, 20))
    assert np.asarray(resize(halves, 20, 20, "crop"))[:, 1:-1].min() > 250
    filled = np.asarray(resize(WIDE, 40, 40, "fill"))
    assert (filled[10:30] == np.asarray(WIDE)).all()
    assert (filled[:10] == filled[10]).all()
    assert (filled[30:] == filled[29]).all()


def test_padding_leaves_the_picture_in_its_corner() -> None:
    padded = pad_to_multiple(WIDE.crop((0, 0, 37, 20)), 8, 64)
    assert padded.size == (64, 64)
    assert (np.asarray(padded)[:20, :37] == np.asarray(WIDE)[:, :37]).all()
    assert pad_to_multiple(padded, 8, 64) is padded
