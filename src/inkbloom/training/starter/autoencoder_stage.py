"""A stage of the starter: its autoencoder, trained on rendered scenes, then frozen.

From nothing it learns on crops of half the side, which are four times as many for the same work, then on whole
pictures: normalisation and attention see a whole picture differently, and a decoder that knew crops alone lost 5 dB
there. One that is trained on sees whole pictures only.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.training.autoencoder import AutoencoderJob, AutoencoderSettings, Crops, whole
from inkbloom.training.loop import Budget, Progress, RunSettings, run
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.rates import LearningRate
from inkbloom.training.starter.catalogue import Edition
from inkbloom.training.starter.scenes import render, sample_scenes

NUM_PICTURES = 8_192
NUM_HELD_OUT = 64
CROPS_SHARE = 0.8

OBJECTIVE = AutoencoderSettings(pixel_weight=0.0, kl_weight=0.096, adversary_weight=0.0)
"""Edges and a little divergence, 2e-3 nats for each latent value; no adversary."""
OPTIMIZER = OptimizerSettings(weight_decay=0.0, betas=(0.9, 0.99))


def train_autoencoder(
    spec: AutoencoderSpec,
    edition: Edition,
    folder: Path,
    budget: Budget,
    *,
    init: AutoencoderKL | None = None,
    device: torch.device,
    seed: int = 0,
    on_progress: Callable[[Progress], None],
) -> AutoencoderKL:
    """Train (or resume, or just load) the autoencoder in `folder`, from the weights of `init` where there is one.

    Returns it with its averaged weights.
    """
    torch.manual_seed(seed)
    model = AutoencoderKL(spec).to(device)
    pictures = render(sample_scenes(NUM_PICTURES, seed=seed, edition=edition), edition.size)
    held_out = render(sample_scenes(NUM_HELD_OUT, seed=seed + 1, edition=edition, held_out=True), edition.size)

    settings = RunSettings(precision="bf16", seed=seed)

    def job(batch_size: int, crop: int) -> AutoencoderJob:
        batches = Crops(pictures, batch_size=batch_size, size=crop, seed=seed)
        return AutoencoderJob(model, batches, OBJECTIVE, OPTIMIZER, settings, held_out=lambda: whole(held_out))

    if init is None:
        crops = job(32, edition.size // 2)
        rate = LearningRate(peak=2e-3)
        run(crops, folder / "crops", budget.part(CROPS_SHARE), rate, on_progress=on_progress)
        crops.learner.ema.copy_to(model)
        budget = budget.part(1 - CROPS_SHARE)
    else:
        model.load_state_dict(init.state_dict())

    last = job(8, edition.size)
    rate = LearningRate(peak=8e-4, warmup_steps=50, decay_from=0.3)
    run(last, folder / "whole", budget, rate, on_progress=on_progress)
    last.learner.ema.copy_to(model)
    return model.eval().requires_grad_(False)
