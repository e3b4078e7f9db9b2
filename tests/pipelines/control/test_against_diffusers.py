"""Controlled painting against diffusers' StableDiffusionControlNetPipeline: the same weights, pictures and noise.

Tolerance: latents 1e-4 of their standard deviation. In guess mode diffusers' soft weights are 10^((i - 12) / 12), ours
the paper's code's 0.825^(12 - i), so that only control of the middle, which both weigh 1, is comparable; the weights
themselves are tested in tests/sampling/test_control.py.
"""

from pathlib import Path

import diffusers
import pytest
import torch
from PIL import Image as PILImage

from inkbloom import StableDiffusion
from inkbloom.pipelines.control.unit import ControlUnit

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MAX_ERROR = 1e-4
PROMPT, NEGATIVE, STEPS, SEED = "a big castle under a starry night sky", "rain", 10, 7


@pytest.fixture(scope="module")
def model(tiny_file: Path, library: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu", library=library)


def paint_with_diffusers(tiny_folder: Path, folders: list[Path], picture: Path, **asked: object) -> torch.Tensor:
    networks = [diffusers.ControlNetModel.from_pretrained(folder, local_files_only=True) for folder in folders]
    pipeline = diffusers.StableDiffusionControlNetPipeline.from_pretrained(
        tiny_folder,
        controlnet=networks if len(networks) > 1 else networks[0],
        safety_checker=None,
        requires_safety_checker=False,
        local_files_only=True,
    )
    pipeline.set_progress_bar_config(disable=True)
    image = PILImage.open(picture).convert("RGB")
    return pipeline(
        PROMPT,
        negative_prompt=NEGATIVE,
        image=[image] * len(networks) if len(networks) > 1 else image,
        num_inference_steps=STEPS,
        guidance_scale=7.5,
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="latent",
        **asked,
    ).images


def error(model: StableDiffusion, units: list[ControlUnit], theirs: torch.Tensor) -> float:
    result = model.generate(
        PROMPT, negative_prompt=NEGATIVE, steps=STEPS, guidance_scale=7.5, seed=SEED, sampler="DDIM", controls=units
    )
    return ((result.latents - theirs).square().mean().sqrt() / theirs.std()).item()


def test_one(model: StableDiffusion, tiny_folder: Path, library: Path, hint_picture: Path) -> None:
    theirs = paint_with_diffusers(tiny_folder, [library / "one"], hint_picture, controlnet_conditioning_scale=0.8)
    unit = ControlUnit(model="one", image=hint_picture, weight=0.8)
    assert error(model, [unit], theirs) < MAX_ERROR
    assert error(model, [], theirs) > 0.05


def test_two_at_once_in_parts_of_the_run(
    model: StableDiffusion, tiny_folder: Path, library: Path, hint_picture: Path
) -> None:
    theirs = paint_with_diffusers(
        tiny_folder,
        [library / "one", library / "two"],
        hint_picture,
        controlnet_conditioning_scale=[0.7, 1.2],
        control_guidance_start=[0.0, 0.4],
        control_guidance_end=[0.5, 1.0],
    )
    units = [
        ControlUnit(model="one", image=hint_picture, weight=0.7, end=0.5),
        ControlUnit(model=str(library / "two"), image=hint_picture, weight=1.2, start=0.4),
    ]
    assert error(model, units, theirs) < MAX_ERROR


def test_pooled(model: StableDiffusion, tiny_folder: Path, library: Path, hint_picture: Path) -> None:
    theirs = paint_with_diffusers(tiny_folder, [library / "pooled"], hint_picture)
    assert error(model, [ControlUnit(model=str(library / "pooled"), image=hint_picture)], theirs) < MAX_ERROR
