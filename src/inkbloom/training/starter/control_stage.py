"""A ControlNet for the starter: from the outlines of rendered scenes back to the scenes."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.types import Int, Tensor
from inkbloom.nn.canny import canny
from inkbloom.training.control import ControlNetTraining, save_control
from inkbloom.training.evaluation import EvaluationSettings, HeldOut
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import Budget, Every, Pace, Progress, RunSettings, run
from inkbloom.training.objective import Objective, ObjectiveSettings
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.rates import LearningRate
from inkbloom.training.starter.catalogue import EDITIONS, Edition
from inkbloom.training.starter.diffusion_stage import SceneLatents, encode_scenes
from inkbloom.training.starter.scenes import Scene, render, sample_scenes

Outline = Int[Tensor, "1 1 height width"]
"""255 on it, 0 elsewhere."""

NUM_SCENES = 8_000
NUM_HELD_OUT = 48
BATCH_SIZE = 16
EMPTY_CAPTIONS = 0.4
"""So often the outlines alone must tell what the picture shows."""
THRESHOLDS = ((50, 100), (100, 200), (150, 300))
"""Of Canny's detector, one pair for each scene in turn, so that sparse outlines will do."""
PEAK_RATE = 4e-4


def outlined(model: LoadedModel, scenes: list[Scene], size: int, *, seed: int, fixed: bool = False) -> SceneLatents:
    """Render, encode and outline the scenes."""
    assert model.autoencoder is not None
    latents = encode_scenes(model.autoencoder, scenes, size) * model.spec.latent_scale
    outlines = torch.empty(len(scenes), 1, size, size, dtype=torch.bool)
    for start in range(0, len(scenes), 64):
        pictures = render(scenes[start : start + 64], size)
        for i, thresholds in enumerate(THRESHOLDS):
            place = slice(start + i, start + len(pictures), len(THRESHOLDS))
            outlines[place] = canny(pictures[i :: len(THRESHOLDS)], *thresholds) > 0
    return SceneLatents(
        scenes=scenes,
        latents=latents,
        hints=outlines,
        empty_captions=EMPTY_CAPTIONS,
        global_size=min(BATCH_SIZE, len(scenes)),
        seed=seed,
        fixed=fixed,
    )


def agreement(hint: Outline, outline: Outline) -> float:
    """How far a painted picture's outline is the hint's: F1 of the two, each widened by a pixel where it is looked for.

    0 to 1; both are what `canny` makes.
    """
    a, b = (edges.float() / 255 for edges in (hint, outline))
    wide_a, wide_b = (F.max_pool2d(edges, 3, stride=1, padding=1) for edges in (a, b))
    recall, precision = (a * wide_b).sum() / a.sum().clamp(min=1), (b * wide_a).sum() / b.sum().clamp(min=1)
    return (2 * recall * precision / (recall + precision).clamp(min=1e-6)).item()


def train_control(
    model: LoadedModel,
    folder: Path,
    budget: Budget,
    *,
    edition: Edition = EDITIONS["small"],
    num_scenes: int = NUM_SCENES,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Train a ControlNet for `model`, a starter of `edition` (all networks, float32), or go on where `folder` stopped.

    Works in bfloat16 over float32 weights. Returns the file that it is written to, float16, in the original layout.
    """
    scenes = sample_scenes(num_scenes, seed=seed, edition=edition)
    held_out = sample_scenes(NUM_HELD_OUT, seed=seed + 1, edition=edition, held_out=True)
    batches = outlined(model, scenes, edition.size, seed=seed)
    measured = outlined(model, held_out, edition.size, seed=seed, fixed=True)

    trainee = ControlNetTraining(model, Objective(ObjectiveSettings(), model.spec), seed=seed)
    job = TraineeJob.build(
        "control",
        trainee,
        batches,
        OptimizerSettings(learning_rate=PEAK_RATE, betas=(0.9, 0.99)),
        RunSettings(precision="bf16", ema_decay=0.998, seed=seed),
        evaluation=HeldOut(trainee, measured, EvaluationSettings(bound_timesteps=0)),
    )
    rate = LearningRate(peak=PEAK_RATE, warmup_steps=100, decay_from=0.5)
    pace = Pace(evaluate=Every(seconds=180.0), report=Every(seconds=20.0))
    run(job, folder, budget, rate, pace=pace, on_progress=on_progress)
    path = folder / "starter-canny.safetensors"
    with job.shown():
        save_control(
            path, trainee, {"modelspec.title": "starter-canny", "modelspec.architecture": "starter/controlnet"}
        )
    return path
