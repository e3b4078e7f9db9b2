"""The tiny model with a U-Net for inpainting and one for instructions, and pictures to edit."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from inkbloom import StableDiffusion
from inkbloom.checkpoints import LoadedModel, save_diffusers, save_ldm
from inkbloom.models.unet import UNet

SIDE = 64


@pytest.fixture(scope="session")
def picture() -> PILImage.Image:
    """64 x 64 pixels, a smooth scene with an edge."""
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    pixels = np.stack([4 * x, 255 * ((x - 30) ** 2 + (y - 25) ** 2 < 300), 255 - 4 * y], axis=-1)
    return PILImage.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="session")
def mask() -> PILImage.Image:
    """White where latent points (8 pixels) are whole, so that all ways to shrink it agree."""
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[16:48, 24:56] = 255
    return PILImage.fromarray(values)


@pytest.fixture(scope="session")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


def with_channels(tiny_model: LoadedModel, in_channels: int) -> LoadedModel:
    """The tiny model, its U-Net's first convolution reading more channels."""
    assert tiny_model.unet is not None
    spec = dataclasses.replace(tiny_model.spec.unet, in_channels=in_channels)
    with torch.random.fork_rng():
        torch.manual_seed(in_channels)
        unet = UNet(spec)
    own = unet.conv_in.weight.detach().clone()
    unet.load_state_dict({**tiny_model.unet.state_dict(), "conv_in.weight": own})
    return dataclasses.replace(
        tiny_model, spec=dataclasses.replace(tiny_model.spec, unet=spec), unet=unet.eval(), name="edits"
    )


@pytest.fixture(scope="session", params=["ldm", "diffusers"])
def inpaint_file(request: pytest.FixtureRequest, tiny_model: LoadedModel, tmp_path_factory) -> Path:
    """The tiny model with nine input channels, in either layout."""
    return _saved(with_channels(tiny_model, 9), request.param, tmp_path_factory)


@pytest.fixture(scope="session", params=["ldm", "diffusers"])
def instruct_file(request: pytest.FixtureRequest, tiny_model: LoadedModel, tmp_path_factory) -> Path:
    """The tiny model with eight input channels, in either layout."""
    return _saved(with_channels(tiny_model, 8), request.param, tmp_path_factory)


def _saved(model: LoadedModel, layout: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edits")
    path = folder / ("edits.safetensors" if layout == "ldm" else "edits")
    (save_ldm if layout == "ldm" else save_diffusers)(path, model)
    return path


def folder_of(loaded: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder, for diffusers."""
    return _saved(loaded, "diffusers", tmp_path_factory)
