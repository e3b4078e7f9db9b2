"""Editing against diffusers' pipelines: the same weights, prompts, noise, picture and mask.

Tolerance: latents 1e-4 of their standard deviation. diffusers samples the encoder's distribution where inkbloom takes
its mean, so it is handed our latents. The mask's edges lie on the latent grid and it is not grown, since diffusers
shrinks it to its nearest points; of the nine-channel model, which diffusers never holds to the kept part, our mask is
grown over everything while the model sees the real one.
"""

from pathlib import Path

import diffusers
import pytest
import torch
from PIL import Image as PILImage

from inkbloom import StableDiffusion
from inkbloom.checkpoints import LoadedModel
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.pictures import from_pictures
from tests.pipelines.editing.conftest import folder_of, with_channels

# diffusers with numpy 2
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
]

MAX_ERROR = 1e-4
SAME = {"num_inference_steps": 10, "guidance_scale": 7.5, "prompt": "a big castle", "negative_prompt": "rain"}
CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
SCHEDULERS = {
    "DDIM": diffusers.DDIMScheduler(**CONFIG, clip_sample=False, set_alpha_to_one=False, steps_offset=1),
    "Euler": diffusers.EulerDiscreteScheduler(**CONFIG, timestep_spacing="linspace"),
}


def painted_by(kind: type, folder: Path, sampler: str, **asked: object) -> torch.Tensor:
    pipeline = kind.from_pretrained(folder, safety_checker=None, requires_safety_checker=False, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = SCHEDULERS[sampler]
    return pipeline(**SAME, **asked, generator=torch.Generator("cpu").manual_seed(7), output_type="latent").images


def paint(model: StableDiffusion, picture: PILImage.Image, sampler: str, **fields: object) -> torch.Tensor:
    return model.generate(
        "a big castle",
        negative_prompt="rain",
        steps=10,
        guidance_scale=7.5,
        seed=7,
        sampler=sampler,
        init_image=PictureSource.of(picture),
        **fields,
    ).latents


def error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return ((ours - theirs).square().mean().sqrt() / theirs.std()).item()


@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize("strength", [0.3, 0.75, 1.0])
def test_img2img(model, picture, tiny_folder: Path, sampler: str, strength: float) -> None:
    ours = paint(model, picture, sampler, strength=strength, step_rule="diffusers")
    init = model.autoencoder.encode(picture)
    theirs = painted_by(diffusers.StableDiffusionImg2ImgPipeline, tiny_folder, sampler, image=init, strength=strength)
    assert error(ours, theirs) < MAX_ERROR


@pytest.mark.parametrize("sampler", SCHEDULERS)
def test_inpainting_with_an_ordinary_model(model, picture, mask, tiny_folder: Path, sampler: str) -> None:
    ours = paint(
        model,
        picture,
        sampler,
        strength=0.75,
        step_rule="diffusers",
        mask_image=PictureSource.of(mask),
        mask_grow=0,
        mask_blur=0,
    )
    init = model.autoencoder.encode(picture)
    theirs = painted_by(
        diffusers.StableDiffusionInpaintPipeline,
        tiny_folder,
        sampler,
        image=init,
        mask_image=mask,
        masked_image_latents=init,
        strength=0.75,
        height=64,
        width=64,
    )
    assert error(ours, theirs) < MAX_ERROR


@pytest.mark.parametrize("sampler", SCHEDULERS)
def test_inpainting_with_nine_channels(
    picture, mask, tiny_model: LoadedModel, inpaint_file: Path, tmp_path_factory, sampler: str
) -> None:
    model = StableDiffusion.load(inpaint_file, device="cpu")
    ours = paint(
        model,
        picture,
        sampler,
        strength=0.75,
        step_rule="diffusers",
        mask_image=PictureSource.of(mask),
        mask_grow=16,
        mask_blur=0,
    )
    hole = from_pictures([picture]) * (from_pictures([mask]) < 0)
    theirs = painted_by(
        diffusers.StableDiffusionInpaintPipeline,
        folder_of(with_channels(tiny_model, 9), tmp_path_factory),
        sampler,
        image=model.autoencoder.encode(picture),
        mask_image=mask,
        masked_image_latents=model.autoencoder.encode(hole),
        strength=0.75,
        height=64,
        width=64,
    )
    assert error(ours, theirs) < MAX_ERROR


@pytest.mark.parametrize("sampler", SCHEDULERS)
def test_editing_by_instruction(
    picture, tiny_model: LoadedModel, instruct_file: Path, tmp_path_factory, sampler: str
) -> None:
    model = StableDiffusion.load(instruct_file, device="cpu")
    ours = paint(model, picture, sampler, image_guidance_scale=1.8)
    theirs = painted_by(
        diffusers.StableDiffusionInstructPix2PixPipeline,
        folder_of(with_channels(tiny_model, 8), tmp_path_factory),
        sampler,
        image=model.autoencoder.encode(picture) / model.spec.latent_scale,
        image_guidance_scale=1.8,
    )
    assert error(ours, theirs) < MAX_ERROR
