"""Stage one of the starter: its autoencoder, trained on rendered scenes, then frozen."""

from collections.abc import Callable
from pathlib import Path

import torch

from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.training.autoencoder import AutoencoderJob, AutoencoderSettings
from inkbloom.training.loop import Budget, LearningRate, Progress, run
from inkbloom.training.starter.scenes import render, sample_scenes

NUM_PICTURES = 8_192
NUM_HELD_OUT = 64


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
    job = AutoencoderJob(model, pictures, held_out, AutoencoderSettings(seed=seed))
    run(job, folder, budget, LearningRate(peak=2e-3), on_progress=on_progress)
    job.ema.copy_to(model)
    return model.eval().requires_grad_(False)
