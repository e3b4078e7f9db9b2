"""The starter from nothing or from an earlier one: text encoder, autoencoder, U-Net; written as a diffusers folder."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch

from inkbloom.checkpoints import LoadedModel, load, save_diffusers
from inkbloom.core.errors import RequestError, TrainingError, nearest
from inkbloom.families.spec import ModelSpec
from inkbloom.families.starter import STARTER, STARTER_FULL
from inkbloom.training.loop import Budget, Progress
from inkbloom.training.starter.autoencoder_stage import train_autoencoder
from inkbloom.training.starter.catalogue import EDITIONS
from inkbloom.training.starter.diffusion_stage import train_diffusion, train_tokenizer
from inkbloom.training.starter.pieces import cut
from inkbloom.training.starter.text_stage import train_text

SPECS = {"small": STARTER, "full": STARTER_FULL}
FROM_NOTHING = (0.03, 0.27, 0.7)
"""Parts of the time for text encoder, autoencoder and U-Net: captions are soon understood, and the autoencoder flattens
out long before the U-Net."""
TRAINED_ON = (0.11, 0.14, 0.75)


def train_starter(
    folder: Path,
    *,
    edition: str = "small",
    minutes: float | None = None,
    steps: int | None = None,
    init: Path | None = None,
    known_objects: int = 0,
    piece_megabytes: int | None = None,
    device: torch.device,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> LoadedModel:
    """Train all of an edition of the starter within `minutes` of training (all stages together) or `steps` a stage.

    `folder` keeps the state of all stages, so that the same call goes on where it was stopped; a larger budget trains
    further. `init` is a model of the edition's shape whose networks and tokenizer are trained on; `known_objects` says
    how many of the catalogue's objects it draws already. The result, float16, goes to `folder/model`, and with
    `piece_megabytes` to `folder/pieces` too. Raises `RequestError` for an unknown edition and for an `init` of another
    shape, `TrainingError` for numbers out of their ranges.
    """
    if edition not in EDITIONS:
        raise RequestError(f'Unknown edition "{edition}".{nearest(edition, EDITIONS)}')
    if minutes is not None and not minutes > 0:
        raise TrainingError(f"minutes is {minutes}; it must be above 0.")
    if steps is not None and steps < 1:
        raise TrainingError(f"steps is {steps}; it must be at least 1.")
    if known_objects < 0:
        raise TrainingError(f"known_objects is {known_objects}; it must be at least 0.")
    if piece_megabytes is not None and piece_megabytes < 1:
        raise TrainingError(f"The size of pieces is {piece_megabytes} MB; it must be at least 1.")
    spec, scenes = SPECS[edition], EDITIONS[edition]
    start = None if init is None else _opened(init, spec)
    tokenizer = start.tokenizer if start else None
    if tokenizer is None:
        tokenizer = train_tokenizer(spec.text.vocab_size, scenes, seed)

    budget = Budget(seconds=None if minutes is None else minutes * 60, steps=steps)
    shares = TRAINED_ON if start else FROM_NOTHING
    text_budget, autoencoder_budget, diffusion_budget = (budget.part(share) for share in shares)
    text = train_text(
        spec.text,
        tokenizer,
        scenes,
        folder / "text",
        text_budget,
        init=start and start.text,
        device=device,
        seed=seed,
        on_progress=on_progress,
    )
    autoencoder = train_autoencoder(
        spec.autoencoder,
        scenes,
        folder / "autoencoder",
        autoencoder_budget,
        init=start and start.autoencoder,
        device=device,
        seed=seed,
        on_progress=on_progress,
    )
    unet, scale = train_diffusion(
        spec,
        autoencoder,
        text,
        tokenizer,
        scenes,
        folder / "diffusion",
        diffusion_budget,
        init=start and start.unet,
        known_objects=known_objects,
        seed=seed,
        on_progress=on_progress,
    )
    model = LoadedModel(
        spec=dataclasses.replace(spec, latent_scale=scale),
        tokenizer=tokenizer,
        text=text,
        unet=unet,
        autoencoder=autoencoder,
        name="starter",
        path=folder / "model",
    )
    save_diffusers(model.path, model, dtype=torch.float16)
    if piece_megabytes is not None:
        cut(model.path, folder / "pieces", piece_megabytes * 2**20)
    return model


def _opened(path: Path, spec: ModelSpec) -> LoadedModel:
    """The model that training goes on from, in float32 on the CPU."""
    model = load(path, dtype=torch.float32)
    for part in ("text", "autoencoder", "unet"):
        if getattr(model.spec, part) != getattr(spec, part):
            raise RequestError(
                f"{path} cannot be trained on as this edition of the starter: its {part} has another shape."
            )
    return model
