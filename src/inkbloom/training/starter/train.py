"""The starter from nothing: tokenizer, text encoder, autoencoder, then the U-Net; written as a diffusers folder."""

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
from inkbloom.training.starter.text_stage import train_text

TEXT_SHARE, AUTOENCODER_SHARE, DIFFUSION_SHARE = 0.03, 0.27, 0.7
"""Parts of the time: captions are soon understood, and the autoencoder flattens out long before the U-Net."""


def train_starter(
    folder: Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    device: torch.device,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> LoadedModel:
    """Train all of the starter within `minutes` of the clock (all stages together) or `steps` for each stage.

    `folder` keeps the state of all stages, so that the same call goes on where it was stopped; a larger budget trains
    further. The result, float16, goes to `folder/model`.
    """
    if minutes is not None and not minutes > 0:
        raise TrainingError(f"minutes is {minutes}; it must be above 0.")
    if steps is not None and steps < 1:
        raise TrainingError(f"steps is {steps}; it must be at least 1.")
    budget = Budget(seconds=None if minutes is None else minutes * 60, steps=steps)
    tokenizer = train_tokenizer(STARTER.text.vocab_size, seed)
    text = train_text(
        STARTER.text,
        tokenizer,
        folder / "text",
        budget.part(TEXT_SHARE),
        device=device,
        seed=seed,
        on_progress=on_progress,
    )
    autoencoder = train_autoencoder(
        STARTER.autoencoder,
        folder / "autoencoder",
        budget.part(AUTOENCODER_SHARE),
        device=device,
        seed=seed,
        on_progress=on_progress,
    )
    unet, scale = train_diffusion(
        STARTER,
        autoencoder,
        text,
        tokenizer,
        folder / "diffusion",
        budget.part(DIFFUSION_SHARE),
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
