import hashlib

import numpy as np
import pytest
from PIL import Image as PILImage

from inkbloom import GenerationRequest
from inkbloom.families.sd1 import SD1
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.metadata.a1111 import infotext, parse_infotext, read_infotext

PICTURE = PILImage.fromarray(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3))
MASK = PILImage.new("L", (64, 64), 255)
SOURCES = {"init_image": PictureSource.of(PICTURE), "mask_image": PictureSource.of(MASK)}

# Key, value and field as A1111 writes them
WHOLE = {
    "Variation seed": ("9", {"variation_seed": 9}),
    "Variation seed strength": ("0.25", {"variation_strength": 0.25}),
    "Seed resize from": ("512x768", {"seed_width": 512, "seed_height": 768}),
    "Tiling": ("True", {"tiling": "both"}),
    "Denoising strength": ("0.4", {"strength": 0.4}),
    "Image CFG scale": ("2", {"image_guidance_scale": 2.0}),
    "Extra noise": ("0.1", {"extra_noise": 0.1}),
    "Noise multiplier": ("0.9", {"noise_multiplier": 0.9}),
    "Mask blur": ("7", {"mask_blur": 7.0}),
    "Mask mode": ("Inpaint not masked", {"mask_invert": True}),
    "Inpaint area": ("Only masked", {"inpaint_area": "masked"}),
    "Masked area padding": ("16", {"inpaint_padding": 16}),
    "Masked content": ("latent noise", {"masked_content": "noise"}),
    "Conditional mask weight": ("0.5", {"mask_strength": 0.5}),
}
FIELDS = {name: value for _, fields in WHOLE.values() for name, value in fields.items()}


def test_an_edit_is_written_as_a1111_does_and_read_back() -> None:
    request = GenerationRequest(prompt="a dog", seed=3, **SOURCES, **FIELDS).resolved(SD1)
    text = infotext(request)
    pairs = parse_infotext(text).pairs
    assert {key: pairs[key] for key in WHOLE} == {key: value for key, (value, _) in WHOLE.items()}
    assert pairs["Init image hash"] == hashlib.md5(PICTURE.tobytes()).hexdigest()
    found = read_infotext(text)
    assert found is not None
    assert found.request is not None
    assert {name: getattr(found.request, name) for name in FIELDS} == FIELDS
    assert found.warnings == [
        "It was painted from another picture, which it does not hold; give that as init_image.",
        "A part of it was repainted by a mask, which it does not hold; give that as mask_image.",
    ]


def test_what_is_as_usual_is_not_written() -> None:
    plain = parse_infotext(infotext(GenerationRequest(prompt="", seed=1).resolved(SD1))).pairs
    assert not WHOLE.keys() & plain.keys()
    edited = GenerationRequest(prompt="", seed=1, init_image=SOURCES["init_image"]).resolved(SD1)
    pairs = parse_infotext(infotext(edited)).pairs
    assert WHOLE.keys() & pairs.keys() == {"Denoising strength"}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("Seed resize from: 500x768", "seed_width '500': must be a whole number from 64 to 8192 divisible by 8."),
        ("Masked content: glue", "masked_content 'glue': must be fill or original or noise or nothing."),
        ("Tiling: maybe", "tiling 'maybe': must be none or x or y or both."),
        ("Denoising strength: 3", "strength '3': must be a number from 0 to 1."),
    ],
)
def test_what_cannot_be_used_is_told(pair: str, message: str) -> None:
    found = read_infotext(f"a dog\nSteps: 20, Sampler: Euler, Seed: 1, {pair}")
    assert found is not None
    assert found.request is not None
    assert any(line.startswith(message) for line in found.warnings)
