"""A tiny model of Stable Diffusion 1's shape, so that its sizes can be told from a file without our own metadata."""

import dataclasses
from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import LoadedModel, save_diffusers, save_ldm
from inkbloom.families.sd1 import SD1
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.models.clip_text import ClipText, ClipTextSpec
from inkbloom.models.unet import UNet, UNetLevel, UNetSpec
from inkbloom.text.tokenizer import Tokenizer

TINY = dataclasses.replace(
    SD1,
    unet=UNetSpec(
        levels=(
            UNetLevel(channels=32, num_blocks=2, transformer_depth=1, num_heads=8),
            UNetLevel(channels=64, num_blocks=2, transformer_depth=0, num_heads=8),
        ),
        context_dim=64,
    ),
    autoencoder=AutoencoderSpec(level_channels=(32, 32, 64, 64), num_blocks=1),
    text=ClipTextSpec(width=64, num_layers=2, num_heads=1, vocab_size=514),
)


@pytest.fixture(scope="session")
def tiny_spec() -> ModelSpec:
    return TINY


@pytest.fixture(scope="session")
def tiny() -> LoadedModel:
    torch.manual_seed(0)
    return LoadedModel(
        spec=TINY,
        tokenizer=Tokenizer.train(["a"], 514),
        text=ClipText(TINY.text),
        unet=UNet(TINY.unet),
        autoencoder=AutoencoderKL(TINY.autoencoder),
        name="tiny",
        path=Path("tiny"),
    )


@pytest.fixture(scope="session")
def ldm_file(tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do not change it; copy it."""
    path = tmp_path_factory.mktemp("ldm") / "tiny.safetensors"
    save_ldm(path, tiny)
    return path


@pytest.fixture(scope="session")
def folder(tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do not change it; copy it."""
    path = tmp_path_factory.mktemp("diffusers") / "tiny"
    save_diffusers(path, tiny)
    return path
