"""The starter from nothing: tokenizer, autoencoder, then U-Net and text encoder; written as a diffusers folder."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch

from inkbloom.checkpoints import LoadedModel, save_diffusers
from inkbloom.core.errors import TrainingError
from inkbloom.families.starter import STARTER
from inkbloom.training.loop import Budget, Progress
from inkbloom.training.starter.autoencoder_stage import train_autoencoder
from inkbloom.training.starter.diffusion_stage import train_diffusion, train_tokenizer

AUTOENCODER_SHARE = 0.25
"""Part of the time that the autoencoder gets: its pictures flatten out long before the U-Net's."""


def train_starter(
    folder: Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    device: torch.device,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> LoadedModel:
    """Train all of the starter within `minutes` of the clock (both stages together) or `steps` for each stage.

    `folder` keeps the state of both stages, so that the same call goes on where it was stopped; a larger budget trains
    further. The result, float16, goes to `folder/model`.
    """
    if minutes is not None and not minutes > 0:
        raise TrainingError(f"minutes is {minutes}; it must be above 0.")
    if steps is not None and steps < 1:
        raise TrainingError(f"steps is {steps}; it must be at least 1.")
    budget = Budget(seconds=None if minutes is None else minutes * 60, steps=steps)
    tokenizer = train_tokenizer(STARTER.text.vocab_size, seed)
    autoencoder = train_autoencoder(
        STARTER.autoencoder,
        folder / "autoencoder",
        budget.part(AUTOENCODER_SHARE),
        device=device,
        seed=seed,
        on_progress=on_progress,
    )
    unet, text, scale = train_diffusion(
        STARTER,
        autoencoder,
        tokenizer,
        folder / "diffusion",
        budget.part(1 - AUTOENCODER_SHARE),
        device=device,
        seed=seed,
        on_progress=on_progress,
    )
    model = LoadedModel(
        spec=dataclasses.replace(STARTER, latent_scale=scale),
        tokenizer=tokenizer,
        text=text,
        unet=unet,
        autoencoder=autoencoder,
        name="starter",
        path=folder / "model",
    )
    save_diffusers(model.path, model, dtype=torch.float16)
    return model
