"""Small batches, and what a teacher knows of them: targets that can be learned exactly."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from inkbloom.checkpoints import LoadedModel
from inkbloom.training.adapters import LoraSettings, LoraTraining
from inkbloom.training.batches import Batch
from inkbloom.training.denoising import ConditioningSettings, Denoising
from inkbloom.training.noising import Noised
from inkbloom.training.objective import Objective, ObjectiveSettings


@pytest.fixture
def model(tiny_model: LoadedModel) -> LoadedModel:
    """Of one's own, to be changed."""
    return copy.deepcopy(tiny_model)


@pytest.fixture
def objective(tiny_model: LoadedModel) -> Objective:
    return Objective(ObjectiveSettings(), tiny_model.spec)


@pytest.fixture
def lora(model: LoadedModel, objective: Objective) -> Callable[..., LoraTraining]:
    """A LoRA training with these settings."""

    def make(*, seed: int = 3, conditioning: ConditioningSettings | None = None, **settings: Any) -> LoraTraining:
        return LoraTraining(model, objective, LoraSettings(**settings), conditioning, seed=seed)

    return make


CAPTIONS = ("a zqcat in the snow", "a zqcat", "a dog", "")


def make_batch(rows: tuple[int, ...] = (0, 1, 2, 3), step: int = 0) -> Batch:
    latents = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1))[list(rows)]
    captions = tuple(CAPTIONS[row] for row in rows)
    return Batch(step=step, rows=rows, global_size=4, captions=captions, latents=latents)


def learn(
    trainee: Denoising, steps: int, rate: float, noised: Noised | None = None, rows: tuple[int, ...] = (0, 1, 2, 3)
) -> list[float]:
    """The losses of steps on one and the same batch."""
    optimizer = torch.optim.Adam([p for group in trainee.groups() for p in group.parameters], lr=rate)
    losses = []
    for _ in range(steps):
        loss = trainee(make_batch(rows), noised).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def taught(teacher: Denoising, objective: Objective, rows: tuple[int, ...]) -> Noised:
    """The batch, noised, with what the teacher says of it as the noise to be predicted."""
    noised = objective.noised(make_batch(rows), 0)
    said = teacher.output(noised.x, noised.t, make_batch(rows))
    return Noised(x=noised.x, t=noised.t, x0=noised.x0, noise=said)


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert (found - expected).square().mean().sqrt() < tolerance * expected.std()
