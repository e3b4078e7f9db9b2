"""Two gloo processes train what one process trains. They are started once, by torchrun, and do all scenarios."""

import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from inkbloom.core.errors import Stopped, TrainingError
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import Budget, Every, Pace, Progress, run
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.rates import ScheduledRate
from inkbloom.training.states import States
from inkbloom.training.world import joined

STEPS, HALF = 12, 6
RATE = ScheduledRate(peak=1e-2, schedule="cosine", total_steps=STEPS)
PACE = Pace(save=Every(steps=HALF), samples=Every(steps=HALF), report=Every(steps=1))
TOLERANCE = 1e-6
"""Of weights near 1 after 12 steps: sums are added up in another order."""


def loaded(folder: Path) -> dict[str, Any]:
    state = States(folder).load()
    assert state is not None
    return state


def difference(a: Any, b: Any) -> float:
    """The largest between the tensors of two states, which are otherwise the same."""
    if isinstance(a, torch.Tensor):
        assert a.shape == b.shape
        return (a - b).abs().max().item()
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        return max((difference(a[key], b[key]) for key in a), default=0.0)
    if isinstance(a, list):
        return max(difference(*pair) for pair in zip(a, b, strict=True))
    assert a == b
    return 0.0


def only_half(source: Path, target: Path) -> Path:
    """A run's folder as it was after half of its steps."""
    target.mkdir()
    name = next(path.name for path in source.glob(f"state-{HALF:08d}*"))
    copy: Callable[..., object] = shutil.copytree if (source / name).is_dir() else shutil.copy
    copy(source / name, target / name)
    return target


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    toy_job: Callable[..., TraineeJob],
    in_two_processes: Callable[[str, Path], None],
) -> Path:
    """With what one process made, "one", and what two made of `two_processes`."""
    folder = tmp_path_factory.mktemp("runs")
    run(toy_job(), folder / "one", Budget(steps=STEPS), RATE, pace=PACE)
    for strategy in ("ddp", "fsdp"):
        only_half(folder / "one", folder / f"one-then-{strategy}")
    in_two_processes(__file__, folder)
    return folder


def two_processes(folder: Path) -> None:
    from conftest import make_toy_job  # a script finds what lies beside it

    told: dict[str, Any] = {}
    with joined("ddp") as ddp:
        for world in (ddp, replace(ddp, strategy="fsdp", smallest_block=1)):
            job = make_toy_job(world=world, accumulation=2)
            shapes: list[list[int]] = []
            reports: list[Progress] = []

            def look(step: int, job: Any, shapes: list[list[int]] = shapes) -> None:
                shapes.append([step, *job.trainee.trained["last"].weight.shape])
                job.trainee(job.batches.batch(step, [0]))  # by this process alone

            run(
                job,
                folder / world.strategy,
                Budget(steps=STEPS),
                RATE,
                pace=PACE,
                world=world,
                on_progress=reports.append,
                on_samples=look,
            )
            told[world.strategy] = {
                "seen": world.gather(job.trainee.seen),
                "shapes": shapes,
                "metrics": [report.metrics for report in reports],
            }
            run(
                make_toy_job(world=world), folder / f"one-then-{world.strategy}", Budget(steps=STEPS), RATE, world=world
            )

        with pytest.raises(TrainingError) as broken:
            run(make_toy_job(world=ddp, broken=2), folder / "broken", Budget(steps=STEPS), RATE, world=ddp)

        def stop_at_four(progress: Progress) -> None:
            if progress.step == 4:
                raise Stopped

        with pytest.raises(Stopped) as stopped:
            run(
                make_toy_job(world=ddp),
                folder / "stopped",
                Budget(steps=STEPS),
                RATE,
                pace=PACE,
                world=ddp,
                on_progress=stop_at_four,
            )
        with pytest.raises(TrainingError) as split:
            make_toy_job(world=ddp, accumulation=3)
        fsdp = replace(ddp, strategy="fsdp")
        with pytest.raises(TrainingError) as whole:
            make_toy_job(world=fsdp, optimizer=OptimizerSettings(optimizer="adafactor"))
        told["errors"] = ddp.gather([str(error.value) for error in (broken, stopped, split, whole)])
    if ddp.main:
        (folder / "told.json").write_text(json.dumps(told))


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "told.json").read_text())


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_reach_the_weights_of_one(folder: Path, strategy: str) -> None:
    one, two = loaded(folder / "one"), loaded(folder / strategy)
    assert one["step"] == two["step"] == STEPS
    assert difference(one["job"], two["job"]) < TOLERANCE


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_run_of_one_process_goes_on_with_two(folder: Path, strategy: str) -> None:
    assert difference(loaded(folder / "one")["job"], loaded(folder / f"one-then-{strategy}")["job"]) < TOLERANCE


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_run_of_two_processes_goes_on_with_one(
    folder: Path, tmp_path: Path, strategy: str, toy_job: Callable[..., TraineeJob]
) -> None:
    half = only_half(folder / strategy, tmp_path / "half")
    run(toy_job(), half, Budget(steps=STEPS), RATE)
    assert difference(loaded(folder / "one")["job"], loaded(half)["job"]) < TOLERANCE


def test_shards_are_saved_by_torch_distributed_checkpoint(folder: Path) -> None:
    newest = States(folder / "fsdp").paths()[-1]
    assert {path.name for path in newest.iterdir()} == {".metadata", "__0_0.distcp", "__1_0.distcp"}


def test_a_damaged_shard_falls_back_to_the_state_before(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "fsdp", tmp_path / "fsdp")
    newest = States(tmp_path / "fsdp").paths()[-1]
    (newest / "__1_0.distcp").write_bytes(b"")
    warnings: list[str] = []
    state = States(tmp_path / "fsdp").load(warnings.append)
    assert state is not None
    assert state["step"] == HALF
    assert warnings[0].startswith(f"{newest} is damaged (")


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_each_example_is_seen_once_an_epoch(told: dict[str, Any], strategy: str) -> None:
    assert set(Counter(told[strategy]["seen"]).values()) == {STEPS // 3}


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_the_main_process_is_shown_whole_weights_and_told_global_means(
    folder: Path, told: dict[str, Any], strategy: str
) -> None:
    assert told[strategy]["shapes"] == [[step, 1, 8] for step in (0, HALF, STEPS)]
    alone = [json.loads(line)["metrics"] for line in (folder / "one" / "log.jsonl").read_text().splitlines()]
    assert len(alone) == len(told[strategy]["metrics"]) == STEPS + 1
    for one, two in zip(alone, told[strategy]["metrics"], strict=True):
        assert two == pytest.approx(one, rel=1e-5)


def test_errors_and_stops_are_those_of_all_processes(folder: Path, told: dict[str, Any]) -> None:
    broken, stopped, split, whole = (told["errors"][i::4] for i in range(4))
    examples = " and ".join(re.findall('"[^"]*"', broken[0]))
    assert broken == [f"toy: the loss became nan of {examples} at step 2; no state was saved yet"] * 2
    assert stopped == [f"toy stopped after 4 steps; the same call goes on from {folder / 'stopped'}."] * 2
    assert loaded(folder / "stopped")["step"] == 4
    assert (
        split == ["A batch of 4 cannot be split for 2 processes in 3 micro-batches; batch_size must be at least 6."] * 2
    )
    assert (
        whole
        == [
            'The optimizer "adafactor" needs whole tensors, but strategy fsdp shards them; '
            "take one of adamw, lion, schedule_free, sgd, or ddp."
        ]
        * 2
    )


if __name__ == "__main__":
    two_processes(Path(sys.argv[1]))
