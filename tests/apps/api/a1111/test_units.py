import pytest

from inkbloom.apps.api.a1111.units import controls, resolution, thresholds
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.control.unit import ControlUnit


def made(*units, init_image=None, hires=False):
    scripts = {"ControlNet": {"args": list(units)}}
    found = controls(scripts, init_image, lambda text: f"upload:{text}", hires=hires)
    return [ControlUnit(**one) for one in found]


def test_all_fields():
    unit = {
        "image": "a",
        "mask": "m",
        "module": "canny",
        "model": "control_canny [abcd1234]",
        "weight": 0.8,
        "guidance_end": 0.5,
        "control_mode": "ControlNet is more important",
        "resize_mode": 2,
        "processor_res": 512,
        "threshold_a": 50,
        "threshold_b": -1,
    }
    (one,) = made(unit, {"enabled": False, "image": "b"})
    assert (one.image.path, one.preprocessor, one.model) == ("upload:a", "canny", "control_canny")
    assert one.mask is not None
    assert (one.mask.path, one.resolution, one.threshold_a, one.threshold_b) == ("upload:m", 512, 50, None)
    assert (one.weight, one.start, one.end, one.mode, one.resize_mode) == (0.8, 0.0, 0.5, "control", "fill")


def test_null_is_what_is_left_out():
    names = ("mask", "module", "weight", "control_mode", "resize_mode", "processor_res", "threshold_a", "enabled")
    assert made({"image": "a", "model": "m"} | dict.fromkeys(names)) == made({"image": "a", "model": "m"})
    assert controls({"controlnet": {"args": None}}, None, str) == []
    assert controls({"seed": {}}, None, str) == []


def test_a_picture_with_its_mask_as_the_extensions_page_sends_it():
    (one,) = made({"image": {"image": "a", "mask": "m"}, "model": "m"})
    assert one.mask is not None
    assert (one.image.path, one.mask.path) == ("upload:a", "upload:m")


def test_a_unit_without_a_picture_takes_the_one_to_start_from():
    unit = {"image": "", "module": "reference_only", "pixel_perfect": True, "processor_res": 512}
    (one,) = made(unit, init_image="upload:a")
    assert (one.image.path, one.model, one.preprocessor) == ("upload:a", "reference_only", "none")
    assert one.resolution is None


def test_numbers_out_of_range_are_the_preprocessors_own():
    assert thresholds("canny", 64, 5000) == [64, None]
    assert thresholds("recolor_luminance", 64, 64) == [None]
    assert thresholds("invert", 64, 64) == []
    assert (resolution(64), resolution(-1), resolution(4096), resolution(None)) == (64, None, None, None)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ([{}], "controlnet unit 0: give it an image, base64."),
        ("x", "controlnet: args must be a list of units, each an object."),
        ([{"image": "a", "module": "cany"}], 'Unknown preprocessor "cany". Did you mean "canny"?'),
        ([{"image": "a", "control_mode": "balance"}], 'control_mode "balance" is unknown. Did you mean "balanced"'),
        ([{"image": "a", "resize_mode": 3}], 'resize_mode "3" is unknown'),
        ([{"image": "a", "advanced_weighting": [1.0] * 13}], "unit 0: advanced_weighting is not there; leave it out."),
        ([{"image": "a", "hr_option": "Low res only"}], 'hr_option "Low res only": a unit acts in both passes'),
    ],
)
def test_what_a_unit_cannot_do(units, message):
    with pytest.raises(RequestError) as caught:
        controls({"controlnet": {"args": units}}, None, str, hires=True)
    assert message in str(caught.value)
