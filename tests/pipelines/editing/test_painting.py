"""Whole runs that start from a picture: what is kept, what every sampler does, what the models for editing take."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

from inkbloom import StableDiffusion
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.editing.conditions import inpaint_channels, purpose
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.sampling.registry import all_samplers

QUICK = {"steps": 2, "seed": 1, "guidance_scale": 1.0}


def pixels(picture: PILImage.Image) -> np.ndarray:
    return np.asarray(picture, dtype=np.int16)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(50, 90),
    height=st.integers(50, 90),
    blur=st.sampled_from([0.0, 1.5, 4.0]),
    soft=st.booleans(),
    area=st.sampled_from(["whole", "masked"]),
    content=st.sampled_from(["fill", "original", "noise", "nothing"]),
    grow=st.integers(0, 2),
    data=st.data(),
)
def test_outside_the_blurred_mask_nothing_changes(
    model: StableDiffusion, width: int, height: int, blur: float, soft: bool, area, content, grow: int, data
) -> None:
    rng = np.random.default_rng(width * height)
    picture = PILImage.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
    left, top = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
    values = np.zeros((height, width), np.uint8)
    values[top : top + 20, left : left + 25] = 90 if soft else 255
    result = model.generate(
        "",
        steps=1,
        seed=1,
        guidance_scale=1.0,
        init_image=PictureSource.of(picture),
        mask_image=PictureSource.of(PILImage.fromarray(values)),
        mask_blur=blur,
        mask_soft=soft,
        mask_grow=grow,
        inpaint_area=area,
        masked_content=content,
    ).images[0]
    assert result.size == picture.size
    reach = int(2.5 * blur + 0.5)
    blurred = np.zeros((height, width), bool)
    blurred[max(0, top - reach) : top + 20 + reach, max(0, left - reach) : left + 25 + reach] = True
    assert (pixels(result)[~blurred] == pixels(picture)[~blurred]).all()
    assert (pixels(result)[values == 255] != pixels(picture)[values == 255]).any() or soft


@pytest.mark.parametrize("with_mask", [False, True], ids=["img2img", "mask"])
@pytest.mark.parametrize("sampler", [each.name for each in all_samplers()])
def test_every_sampler_edits(model: StableDiffusion, picture, mask, sampler: str, with_mask: bool) -> None:
    masked = {"mask_image": PictureSource.of(mask), "mask_blur": 0} if with_mask else {}
    sources = {"init_image": PictureSource.of(picture)} | masked
    result = model.generate("", sampler=sampler, steps=3, seed=1, guidance_scale=2.0, strength=0.5, **sources)
    changed = (pixels(result.images[0]) != pixels(picture)).any(axis=-1)
    assert changed.any()
    if with_mask:
        assert not changed[np.asarray(mask) == 0].any()
        kept = model.autoencoder.encode(picture)
        assert torch.equal(result.latents[..., :1, :], kept[..., :1, :])


def test_strength_0_gives_the_picture_itself(model: StableDiffusion, picture) -> None:
    result = model.generate("", init_image=PictureSource.of(picture), strength=0, num_images=2)
    assert [image.tobytes() for image in result.images] == [picture.tobytes()] * 2
    odd = picture.crop((0, 0, 61, 53))
    assert model.generate("", init_image=PictureSource.of(odd), strength=0).images[0].tobytes() == odd.tobytes()


@pytest.mark.parametrize("rule", ["a1111", "exact", "diffusers"])
def test_strength_1_runs_the_whole_schedule(model: StableDiffusion, picture, rule) -> None:
    fields = {**QUICK, "init_image": PictureSource.of(picture), "strength": 1.0, "step_rule": rule}
    request = model.resolve(model.generate("", **fields).request)
    assert torch.equal(
        model.painter.sigmas(request), model.painter.sigmas(request.model_copy(update={"init_image": None}))
    )


def test_a_picture_is_the_same_alone_and_in_a_batch(model: StableDiffusion, picture, mask) -> None:
    fields = {"init_image": PictureSource.of(picture), "mask_image": PictureSource.of(mask), "masked_content": "noise"}
    together = model.generate("", **QUICK, **fields, num_images=3, batch_size=3)
    alone = model.generate(together.requests[2])
    apart = np.abs(pixels(together.images[2]) - pixels(alone.images[0]))
    assert apart.max() <= 1


@pytest.mark.parametrize("mode", ["stretch", "crop", "fill", "latent"])
def test_resize_modes_give_the_asked_size(model: StableDiffusion, picture, mask, mode) -> None:
    sources = {"init_image": PictureSource.of(picture), "mask_image": PictureSource.of(mask)}
    if mode == "latent":
        with pytest.raises(RequestError, match="resize_mode 'latent': a mask cannot follow there; choose stretch"):
            model.generate("", **QUICK, **sources, width=96, height=72, resize_mode=mode)
        del sources["mask_image"]
    assert model.generate("", **QUICK, **sources, width=96, height=72, resize_mode=mode).images[0].size == (96, 72)


def test_models_say_what_they_are_for(model: StableDiffusion, inpaint_file, instruct_file) -> None:
    assert purpose(model.spec) == "prompt"
    assert purpose(StableDiffusion.load(inpaint_file, device="cpu").spec) == "inpaint"
    instruct = StableDiffusion.load(instruct_file, device="cpu")
    assert purpose(instruct.spec) == "instruct"
    with pytest.raises(RequestError, match=r"changes a given picture by instruction; give it init_image\."):
        instruct.generate("")
    odd = dataclasses.replace(model.spec, unet=dataclasses.replace(model.spec.unet, in_channels=5))
    assert purpose(odd) is None


def test_an_inpainting_model_paints_from_a_prompt_as_in_a1111(inpaint_file) -> None:
    model = StableDiffusion.load(inpaint_file, device="cpu")
    request = model.generate("a dog", **QUICK).request
    channels = inpaint_channels(model.autoencoder, request, None)
    # A1111: a mask of ones, then the latent of a picture all grey (0.5)
    assert torch.equal(channels[:, :1], torch.ones(1, 1, 8, 8))
    assert torch.equal(channels[:, 1:], model.autoencoder.encode(torch.zeros(1, 3, 64, 64)))


def test_the_hole_that_an_inpainting_model_sees(inpaint_file, picture, mask) -> None:
    model = StableDiffusion.load(inpaint_file, device="cpu")
    sources = {"init_image": PictureSource.of(picture), "mask_image": PictureSource.of(mask), "mask_blur": 0}
    half = model.generate("", **QUICK, **sources, mask_strength=0.5)
    whole = model.generate("", **QUICK, **sources)
    assert not torch.equal(half.latents, whole.latents)


def test_mask_and_picture_must_agree(model: StableDiffusion, picture) -> None:
    small = PictureSource.of(PILImage.new("L", (32, 64), 255))
    with pytest.raises(RequestError, match=r"^The mask has 32 x 64 pixels, the picture 64 x 64; they must agree\.$"):
        model.generate("", init_image=PictureSource.of(picture), mask_image=small)
    with pytest.raises(RequestError, match="a mask needs the picture it belongs to; give init_image too"):
        model.generate("", mask_image=small)
