"""Stage one of the starter: its autoencoder, trained on rendered scenes, then frozen.

It learns on crops of 64 pixels, which are four times as many for the same work, then on whole pictures: normalisation
and attention see a whole picture differently, and a decoder that knew crops alone lost 5 dB there.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.training.autoencoder import AutoencoderJob, AutoencoderSettings
from inkbloom.training.loop import Budget, LearningRate, Progress, run
from inkbloom.training.starter.scenes import render, sample_scenes

NUM_PICTURES = 8_192
NUM_HELD_OUT = 64
CROPS_SHARE = 0.8


def train_autoencoder(
    spec: AutoencoderSpec,
    folder: Path,
    budget: Budget,
    *,
    device: torch.device,
    seed: int = 0,
    on_progress: Callable[[Progress], None],
) -> AutoencoderKL:
    """Train (or resume, or just load) the autoencoder in `folder`; returns it with its averaged weights."""
    torch.manual_seed(seed)
    model = AutoencoderKL(spec).to(device)
    pictures = render(sample_scenes(NUM_PICTURES, seed=seed, held_out=False))
    held_out = render(sample_scenes(NUM_HELD_OUT, seed=seed + 1, held_out=True))

    crops = AutoencoderJob(model, pictures, held_out, AutoencoderSettings(batch_size=32, crop=64, seed=seed))
    rate = LearningRate(peak=2e-3)
    run(crops, folder / "crops", budget.part(CROPS_SHARE), rate, on_progress=on_progress)
    crops.learner.ema.copy_to(model)

    whole = AutoencoderJob(model, pictures, held_out, AutoencoderSettings(batch_size=8, crop=128, seed=seed))
    rate = LearningRate(peak=8e-4, warmup_steps=50, decay_from=0.3)
    run(whole, folder / "whole", budget.part(1 - CROPS_SHARE), rate, on_progress=on_progress)
    whole.learner.ema.copy_to(model)
    return model.eval().requires_grad_(False)
