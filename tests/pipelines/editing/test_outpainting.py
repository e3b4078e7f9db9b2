import numpy as np
import pytest

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.editing.outpainting import Margins, extend
from inkbloom.pipelines.editing.sources import PictureSource

MARGINS = Margins(left=8, top=0, right=24, bottom=16)


def test_the_picture_lies_in_its_place_and_the_rest_is_masked(picture, mask) -> None:
    extended, whole_mask = extend(picture, mask, MARGINS)
    assert extended.size == whole_mask.size == (64 + 8 + 24, 64 + 16)
    inside = np.s_[0:64, 8:72]
    assert (np.asarray(extended)[inside] == np.asarray(picture)).all()
    assert (np.asarray(whole_mask)[inside] == np.asarray(mask)).all()
    outside = np.ones((80, 96), bool)
    outside[inside] = False
    assert (np.asarray(whole_mask)[outside] == 255).all()
    # Grain over the last column
    drawn_out = np.asarray(extended)[:64, 72:, 1].astype(float) - np.asarray(picture)[:, -1:, 1]
    assert 5 < drawn_out.std() < 40
    assert extend(picture, mask, MARGINS)[0].tobytes() == extended.tobytes()


@pytest.mark.parametrize("blur", [0.0, 3.0])
def test_only_the_blur_reaches_into_the_picture(model: StableDiffusion, picture, blur: float) -> None:
    fields = {"init_image": PictureSource.of(picture), "steps": 2, "strength": 1.0, "seed": 1}
    result = model.generate("", **fields, outpaint_left=8, outpaint_right=24, outpaint_bottom=16, mask_blur=blur)
    image = result.images[0]
    assert image.size == (96, 80)
    reach = int(2.5 * blur + 0.5)
    kept = np.s_[0 : 64 - reach, 8 + reach : 72 - reach]
    same = np.s_[0 : 64 - reach, reach : 64 - reach]
    assert (np.asarray(image)[kept] == np.asarray(picture)[same]).all()


def test_an_odd_margin_and_a_mask_go_together(model: StableDiffusion, picture, mask) -> None:
    sources = {"init_image": PictureSource.of(picture), "mask_image": PictureSource.of(mask)}
    image = model.generate("", **sources, steps=1, seed=1, outpaint_top=5, mask_blur=0).images[0]
    assert image.size == (64, 69)
    changed = (np.asarray(image)[5:] != np.asarray(picture)).any(axis=-1)
    assert not changed[np.asarray(mask) == 0].any()


def test_a_picture_is_needed() -> None:
    with pytest.raises(RequestError, match="there is no picture to extend; give init_image too"):
        GenerationRequest(prompt="", outpaint_left=8)
