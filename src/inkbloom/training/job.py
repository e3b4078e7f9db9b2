"""The one job for everything that is trained by one loss: a trainee and its data, made into steps.

A trainee is an `nn.Module` that gives each example's loss for a batch, and whose `trained` holds what learns. In a step
each process works off its rows of the global batch, in micro-batches whose losses add up to the global batch's mean; so
neither the number of processes nor that of micro-batches changes what is learned.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from inkbloom.core.types import Float
from inkbloom.training.batches import Batch, Batches, row_generator
from inkbloom.training.ema import averaged
from inkbloom.training.learner import BrokenStepError, Learner
from inkbloom.training.loop import RunSettings
from inkbloom.training.optimizers import Group, OptimizerSettings, build_optimizer
from inkbloom.training.world import World

_DROPOUT = 30
"""The purpose of the numbers that seed PyTorch's global generator."""
_MOST_EXAMPLES = 4
"""So many captions of a broken batch are named."""


class Trainee(Protocol):
    """What a trainee has, beside being an `nn.Module`; it may have `metrics`, numbers of the last batch to watch."""

    @property
    def trained(self) -> nn.Module:
        """Exactly the parameters that learn; all others have `requires_grad` False."""
        ...

    def __call__(self, batch: Batch) -> Float[Tensor, "batch"]:
        """Each example's loss, weighted by the batch's loss masks and weights."""
        ...

    def groups(self) -> list[Group]:
        """The parameters that learn, by their learning rates."""
        ...


class TraineeJob:
    """Trains `trainee`, an `nn.Module`, on `batches`; `evaluation` measures it, with its averaged weights in place."""

    def __init__(
        self,
        name: str,
        trainee: Trainee,
        batches: Batches,
        learner: Learner,
        *,
        evaluation: Callable[[], dict[str, float]] | None = None,
        accumulation: int = 1,
        seed: int = 0,
        world: World | None = None,
    ) -> None:
        """`learner` is of `trainee.trained`, already sharded. `TrainingError` where the batch is too small to split."""
        self.name, self.batches, self.learner = name, batches, learner
        self.trainee: Any = trainee
        self.evaluation, self.seed, self.world = evaluation, seed, world or World()
        self.examples_per_step = batches.global_size
        self.parts = self.world.parts(batches.global_size, accumulation)
        self.replicated = self.world.replicated(self.trainee)

    @classmethod
    def build(
        cls,
        name: str,
        trainee: Trainee,
        batches: Batches,
        optimizer: OptimizerSettings,
        settings: RunSettings,
        *,
        evaluation: Callable[[], dict[str, float]] | None = None,
        world: World | None = None,
    ) -> Self:
        """The job with the learner that the settings describe; shards `trainee` where the strategy says so."""
        world = world or World()
        module: Any = trainee
        world.shard(module)
        learner = Learner(
            trainee.trained,
            build_optimizer(trainee.groups(), optimizer),
            settings.ema_decay,
            max_grad_norm=optimizer.max_grad_norm,
            precision=settings.precision,
        )
        return cls(
            name,
            trainee,
            batches,
            learner,
            evaluation=evaluation,
            accumulation=settings.accumulation,
            seed=settings.seed,
            world=world,
        )

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        """One step; "loss" is the global batch's mean, the trainee's metrics are means over it too.

        `BrokenStepError` names the examples whose loss is not finite, or all where only the gradient is not.
        """
        losses: list[tuple[str, Tensor]] = []
        metrics: dict[str, float] = {}
        try:
            norm = self.learner.learn(self._losses(step, losses, metrics), learning_rate)
        except BrokenStepError as error:
            raise self._broken(losses, str(error)) from error
        sums = {"loss": torch.stack([loss for _, loss in losses]).sum().item() / self.examples_per_step}
        values = self.world.total(sums | metrics)
        if not math.isfinite(values["loss"]):
            raise self._broken(losses, "the loss overflows")
        return {**values, "gradient_norm": norm}

    def evaluate(self) -> dict[str, float]:
        if self.evaluation is None:
            return {}
        with self.shown():
            return self.evaluation()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Inside, `trainee` is what is to be judged and saved: whole, with averaged weights, and without dropout.

        All processes enter together; what one of them does inside is its own affair.
        """
        modes = [(module, module.training) for module in self.trainee.modules()]
        with averaged(self.trainee.trained, self.learner.ema), self.world.whole(self.trainee):
            self.trainee.eval()
            try:
                yield
            finally:
                for module, mode in modes:
                    module.training = mode

    def state_dict(self) -> dict[str, Any]:
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)

    def _losses(self, step: int, losses: list[tuple[str, Tensor]], metrics: dict[str, float]) -> Iterator[Tensor]:
        """The loss of each micro-batch. On the way: each example's caption and loss, this process's part of metrics."""
        for i, rows in enumerate(self.parts):
            batch = self.batches.batch(step, rows)
            # For whatever draws without a generator of its own, as dropout does
            torch.manual_seed(row_generator(self.seed, step, rows[0], _DROPOUT).initial_seed())
            # Held open while the loss is used: gradients are averaged on the way back
            with self.world.synchronising(self.replicated, i == len(self.parts) - 1):
                with self.learner.autocast():
                    each = self.replicated(batch).float()
                losses += zip(batch.captions, each.detach(), strict=True)
                for key, value in getattr(self.trainee, "metrics", {}).items():
                    metrics[key] = metrics.get(key, 0.0) + value * len(rows) / self.examples_per_step
                # Processes' gradients are averaged, not added
                yield each.sum() * (self.world.size / self.examples_per_step)

    def _broken(self, losses: list[tuple[str, Tensor]], otherwise: str) -> BrokenStepError:
        """Which losses of all processes are not finite; `otherwise` is said of all examples where none is that."""
        all_of_them = self.world.gather([(caption, loss.item()) for caption, loss in losses])
        broken = [(caption, loss) for caption, loss in all_of_them if not math.isfinite(loss)]
        what = f"the loss became {broken[0][1]}" if broken else otherwise
        captions = [f'"{caption}"' for caption, _ in broken or all_of_them]
        more = len(captions) - _MOST_EXAMPLES
        return BrokenStepError(what, captions[:_MOST_EXAMPLES] + ([f"{more} more"] if more > 0 else []))
