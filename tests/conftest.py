"""A tiny model with random weights in the shape of Stable Diffusion 1, in memory and on disk, for all tests."""

from pathlib import Path

import hypothesis
import pytest
import torch

from inkbloom.checkpoints import LoadedModel, save_diffusers, save_ldm
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.models.clip_text import ClipText, ClipTextSpec
from inkbloom.models.unet import UNet, UNetLevel, UNetSpec
from inkbloom.sampling.schedules import NoiseScheduleSpec
from inkbloom.text.tokenizer import Tokenizer

# No time is asserted: a busy machine would fail what is right.
hypothesis.settings.register_profile("inkbloom", deadline=None)
hypothesis.settings.load_profile("inkbloom")

TINY = ModelSpec(
    family="sd1",
    unet=UNetSpec(
        levels=(
            UNetLevel(channels=32, num_blocks=1, transformer_depth=1, num_heads=8),
            UNetLevel(channels=64, num_blocks=1, transformer_depth=0, num_heads=8),
        ),
        context_dim=64,
    ),
    autoencoder=AutoencoderSpec(level_channels=(32, 32, 32, 32), num_blocks=1),
    text=ClipTextSpec(width=64, num_layers=2, num_heads=1),
    latent_scale=0.18215,
    prediction="epsilon",
    noise_schedule=NoiseScheduleSpec(beta_start=0.00085, beta_end=0.012),
    default_size=64,
    default_sampler="DDIM",
    default_schedule="leading",
    default_steps=4,
    default_guidance_scale=7.5,
)


@pytest.fixture(scope="session")
def tiny_model() -> LoadedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet, autoencoder, text = UNet(TINY.unet), AutoencoderKL(TINY.autoencoder), ClipText(TINY.text)
        # Outputs as strong as a trained network's, so that comparisons have something to see.
        with torch.no_grad():
            context = torch.randn(4, 77, 64)
            noise = unet(torch.randn(4, 4, 8, 8), torch.full((4,), 500.0), context)
            unet.conv_out.weight /= noise.std()
            picture = autoencoder.decode(torch.randn(2, 4, 8, 8) * 5)
            autoencoder.decoder.conv_out.weight *= 0.5 / picture.std()
    return LoadedModel(
        spec=TINY,
        tokenizer=Tokenizer.clip(),
        text=text.eval(),
        unet=unet.eval(),
        autoencoder=autoencoder.eval(),
        name="tiny",
        path=Path("tiny.safetensors"),
    )


@pytest.fixture(scope="session")
def tiny_file(tiny_model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as one file in the LDM layout."""
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_ldm(path, tiny_model)
    return path


@pytest.fixture(scope="session")
def tiny_folder(tiny_model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as a diffusers folder."""
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_diffusers(path, tiny_model)
    return path
