"""The smallest job that has all the parts: a line fitted in blocks, beside something frozen, on rows of a data set.

The scripts that are run as processes of their own import it by name, tests take it as a fixture.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inkbloom.training.batches import Batch, row_generator
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import RunSettings
from inkbloom.training.optimizers import Group, OptimizerSettings
from inkbloom.training.world import World

_LEAVING = "terminate called without an active exception"
"""Gloo's threads may outlive their group for a moment, and abort a process that has done all of its work."""


@pytest.fixture(scope="session")
def in_two_processes() -> Callable[[str, Path], None]:
    """Runs a script by torchrun, with a folder to write to; what it wrote there is what tests look at."""

    def start(script: str, folder: Path) -> None:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([*torchrun, script, str(folder)], capture_output=True, text=True, env=environment)
        assert done.returncode == 0 or _LEAVING in done.stderr, done.stderr

    return start


class ToyBatches:
    """Twelve examples in batches of 4; every epoch is a permutation."""

    global_size = 4
    steps_per_epoch = 3

    def __init__(self, *, broken: int | None = None) -> None:
        self.broken = broken

    def indices(self, step: int) -> list[int]:
        epoch, place = divmod(step, self.steps_per_epoch)
        order = torch.randperm(12, generator=torch.Generator().manual_seed(epoch)).tolist()
        return order[place * self.global_size : (place + 1) * self.global_size]

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        chosen = [self.indices(step)[row] for row in rows]
        latents = torch.stack(
            [torch.randn(1, 1, 8, generator=row_generator(1, 0, i)) for i in chosen]
            if step != self.broken
            else [torch.full((1, 1, 8), float("nan" if i == chosen[-1] else 1)) for i in chosen]
        )
        captions = tuple(f"example {i}" for i in chosen)
        return Batch(step=step, rows=tuple(rows), global_size=self.global_size, captions=captions, latents=latents)


class ToyTrainee(nn.Module):
    """Blocks that learn behind one that does not; what each row is noised with depends on the row alone."""

    def __init__(self, *, dropout: float = 0.0, text_rate: float = 0.5) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.frozen = nn.Linear(8, 8).requires_grad_(False)
            blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Dropout(dropout)) for _ in range(3))
            self.trained = nn.ModuleDict({"blocks": blocks, "last": nn.Linear(8, 1)})
        self.text_rate = text_rate
        self.metrics: dict[str, float] = {}
        self.seen: list[str] = []

    def forward(self, batch: Batch) -> Tensor:
        assert batch.latents is not None
        self.seen += batch.captions if self.training else ()
        x = batch.latents.flatten(1)
        noise = torch.stack([torch.randn(8, generator=row_generator(2, batch.step, row)) for row in batch.rows])
        x = self.frozen(x + 0.1 * noise)
        wanted = x.sum(dim=1).sin()
        blocks: Any = self.trained["blocks"]
        for block in blocks:
            x = x + block(x)
        losses = (self.trained["last"](x).squeeze(1) - wanted).square()
        self.metrics = {"size": x.detach().norm(dim=1).mean().item()}
        return losses

    def groups(self) -> list[Group]:
        return [
            Group(name="unet", parameters=list(self.trained["blocks"].parameters())),
            Group(name="text", parameters=list(self.trained["last"].parameters()), rate=self.text_rate),
        ]


def make_toy_job(
    *,
    dropout: float = 0.0,
    text_rate: float = 0.5,
    broken: int | None = None,
    optimizer: OptimizerSettings | None = None,
    world: World | None = None,
    **settings: Any,
) -> TraineeJob:
    trainee = ToyTrainee(dropout=dropout, text_rate=text_rate)
    job = TraineeJob.build(
        "toy",
        trainee,
        ToyBatches(broken=broken),
        optimizer or OptimizerSettings(learning_rate=1e-2),
        RunSettings(**({"ema_decay": 0.9} | settings)),
        world=world,
    )
    job.evaluation = lambda: {"held_out_loss": trainee(ToyBatches().batch(0, range(4))).mean().item()}
    return job


@pytest.fixture(scope="session")
def toy_job() -> Callable[..., TraineeJob]:
    return make_toy_job
