"""Two ControlNets for the tiny model, with connections that are not zero, on disk in both layouts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.control import save_controlnet, save_controlnet_folder
from inkbloom.models.controlnet import ControlNet, ControlNetSpec


def make_control(model: LoadedModel, seed: int, *, pooled: bool = False) -> ControlNet:
    assert model.unet is not None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        spec = ControlNetSpec(unet=model.unet.spec, hint_channels=(8, 16, 16, 24), global_pool=pooled)
        control = ControlNet.copy_of(model.unet, spec)
        with torch.no_grad():
            for name, parameter in control.named_parameters():
                if name.startswith(("skips_out", "middle_out", "hint.")):
                    parameter.normal_(std=0.3 if parameter.ndim == 1 else parameter[0].numel() ** -0.5)
    return control.eval()


@pytest.fixture(scope="session")
def library(tiny_model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with the ControlNets "one" (original layout), "two" (diffusers' folder) and "pooled"."""
    root = tmp_path_factory.mktemp("library")
    folder = root / "controlnet"
    save_controlnet(folder / "one.safetensors", make_control(tiny_model, 1))
    save_controlnet(folder / "two.safetensors", make_control(tiny_model, 2))
    save_controlnet_folder(root / "one", make_control(tiny_model, 1))
    save_controlnet_folder(root / "two", make_control(tiny_model, 2))
    save_controlnet_folder(root / "pooled", make_control(tiny_model, 3, pooled=True))
    return root


@pytest.fixture(scope="session")
def hint_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 64 x 64 pixels."""
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    pixels = np.stack([4 * x, 255 * ((x - 30) ** 2 + (y - 25) ** 2 < 300), 255 - 4 * y], axis=-1).astype(np.uint8)
    path = tmp_path_factory.mktemp("pictures") / "hint.png"
    PILImage.fromarray(pixels).save(path)
    return path
