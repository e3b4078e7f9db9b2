"""The whole pipeline against diffusers' StableDiffusionPipeline: the same weights, prompts and noise.

Tolerances: latents 1e-4 of their standard deviation, pictures a mean of one grey level. With DPM++ 2M Karras latents
are allowed 1e-2 (measured: 3.3e-3), because diffusers rounds the time steps of Karras' sigmas to whole ones before it
asks the U-Net, while k-diffusion and we interpolate.
"""

from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from inkbloom import StableDiffusion

# diffusers with numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PROMPT = "a big castle under a starry night sky"
NEGATIVE = "rain"
STEPS = 10
SEED = 7

CASES = {
    "DDIM": (
        1e-4,
        diffusers.DDIMScheduler,
        {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "timestep_spacing": "leading"},
    ),
    "Euler": (1e-4, diffusers.EulerDiscreteScheduler, {"timestep_spacing": "linspace"}),
    "DPM++ 2M Karras": (1e-2, diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
}


@pytest.fixture(scope="module")
def reference(tiny_folder: Path) -> diffusers.StableDiffusionPipeline:
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        tiny_folder, safety_checker=None, local_files_only=True, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("name", CASES)
def test_equal_latents_and_pictures(name: str, reference: diffusers.StableDiffusionPipeline, tiny_file: Path) -> None:
    tolerance, scheduler, settings = CASES[name]
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
    reference.scheduler = scheduler(**config, **settings)
    asked = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "num_inference_steps": STEPS, "guidance_scale": 7.5}
    asked |= {"width": 64, "height": 64}

    def paint(output_type: str):
        generator = torch.Generator("cpu").manual_seed(SEED)
        return reference(**asked, generator=generator, output_type=output_type).images

    latents, picture = paint("latent"), paint("pil")[0]
    model = StableDiffusion.load(tiny_file, device="cpu")
    result = model.generate(PROMPT, negative_prompt=NEGATIVE, steps=STEPS, guidance_scale=7.5, seed=SEED, sampler=name)
    error = (result.latents - latents).square().mean().sqrt() / latents.std()
    assert error < tolerance
    grey = np.abs(np.asarray(result.images[0], dtype=float) - np.asarray(picture, dtype=float)).mean()
    assert grey < 1
