"""A trainee as a job: what a step is, what is shown, and who is blamed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inkbloom.core.errors import TrainingError
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import Budget, run
from inkbloom.training.rates import ScheduledRate


def test_a_step_is_the_mean_over_the_global_batch(toy_job: Callable[..., TraineeJob]) -> None:
    job, reference = toy_job(ema_decay=0.0), toy_job()
    batch = reference.batches.batch(0, range(4))
    loss = reference.trainee(batch).mean()
    gradients = torch.autograd.grad(loss, list(reference.trainee.trained.parameters()))
    metrics = job.train_step(0, 0.0)
    assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-6)
    assert metrics["size"] == pytest.approx(reference.trainee.metrics["size"])
    assert metrics["gradient_norm"] == pytest.approx(
        torch.cat([g.flatten() for g in gradients]).norm().item(), rel=1e-5
    )


@pytest.mark.parametrize("accumulation", [2, 3, 4])
def test_micro_batches_change_nothing(toy_job: Callable[..., TraineeJob], accumulation: int) -> None:
    whole, parts = toy_job(), toy_job(accumulation=accumulation)
    for step in range(5):
        assert parts.train_step(step, 1e-2) == pytest.approx(whole.train_step(step, 1e-2), rel=1e-4)
    for one, other in zip(parts.trainee.parameters(), whole.trainee.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_only_what_is_trained_is_in_the_state_and_moves(toy_job: Callable[..., TraineeJob]) -> None:
    job = toy_job()
    frozen = job.trainee.frozen.weight.clone()
    job.train_step(0, 1e-2)
    assert torch.equal(job.trainee.frozen.weight, frozen)
    assert job.state_dict()["network"].keys() == job.trainee.trained.state_dict().keys()


def test_inside_shown_are_averaged_weights_and_no_dropout(toy_job: Callable[..., TraineeJob]) -> None:
    job = toy_job(dropout=0.5)
    for step in range(3):
        job.train_step(step, 1e-2)
    job.trainee.frozen.eval()
    weight = job.trainee.trained["last"].weight
    raw = weight.detach().clone()
    with job.shown():
        assert torch.equal(weight, job.learner.ema.average["last.weight"])
        assert not any(module.training for module in job.trainee.modules())
    assert torch.equal(weight, raw)
    with pytest.raises(ZeroDivisionError), job.shown():
        raise ZeroDivisionError
    assert torch.equal(weight, raw)
    assert job.trainee.training
    assert not job.trainee.frozen.training
    assert job.evaluate() == job.evaluate()
    job.evaluation = None
    assert job.evaluate() == {}


def test_a_broken_example_is_named(toy_job: Callable[..., TraineeJob], tmp_path: Path) -> None:
    job = toy_job(broken=2)
    caption = job.batches.batch(2, [3]).captions[0]
    weights = [p.clone() for p in toy_job().trainee.parameters()]
    assert len(weights) == len(list(job.trainee.parameters()))
    with pytest.raises(TrainingError) as error:
        run(job, tmp_path, Budget(steps=5), ScheduledRate(peak=1e-2))
    assert str(error.value) == f'toy: the loss became nan of "{caption}" at step 2; no state was saved yet'
    assert all(p.isfinite().all() for p in job.trainee.parameters())
    assert not list(tmp_path.glob("state-*"))


def test_where_only_the_gradient_breaks_all_examples_are_named(toy_job: Callable[..., TraineeJob]) -> None:
    job = toy_job()
    job.trainee.trained["last"].weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TrainingError, match=r"^the gradient became (inf|nan)$") as error:
        job.train_step(0, 1e-2)
    named: list[str] = error.value.examples  # pyright: ignore[reportAttributeAccessIssue]
    assert named == [f'"{caption}"' for caption in job.batches.batch(0, range(4)).captions]


def test_a_batch_that_is_too_small_is_refused(toy_job: Callable[..., TraineeJob]) -> None:
    with pytest.raises(
        TrainingError,
        match=r"^A batch of 4 cannot be split for 1 processes in 5 micro-batches; batch_size must be at least 5\.$",
    ):
        toy_job(accumulation=5)
