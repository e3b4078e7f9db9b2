"""States on disk: whole or not at all, the last ones kept, damage noticed, a full disk survived."""

import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from inkbloom.core.errors import TrainingError
from inkbloom.training.states import States

MEGABYTE = 2**20


def state(step: int, size: int = 10) -> dict[str, Any]:
    return {"step": step, "weights": torch.arange(size, dtype=torch.float32) + step, "config": None}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_comes_back_and_the_last_ones_stay(tmp_path: Path) -> None:
    states = States(tmp_path, keep=2)
    assert states.load() is None
    assert states.kept() == "no state was saved yet"
    for step in (9, 10, 100, 2000):
        assert states.save(step, state(step)) == tmp_path / f"state-{step:08d}.pt"
    assert names(tmp_path) == ["state-00000100.pt", "state-00002000.pt"]
    assert states.kept() == f"kept: {tmp_path / 'state-00002000.pt'}"
    back = states.load()
    assert back is not None
    assert back["step"] == 2000
    assert torch.equal(back["weights"], state(2000)["weights"])


def test_what_an_ended_run_left_half_written_is_no_state_and_is_removed(tmp_path: Path) -> None:
    States(tmp_path).save(5, state(5))
    (tmp_path / ".state-00000006.pt.new").write_bytes(b"half")
    states = States(tmp_path)
    back = states.load()
    assert back is not None
    assert back["step"] == 5
    assert names(tmp_path) == ["state-00000005.pt"]


@pytest.mark.parametrize("damage", ["cut", "a flipped bit", "empty", "another file"])
def test_a_damaged_one_is_put_aside_for_the_one_before(tmp_path: Path, damage: str) -> None:
    states = States(tmp_path, keep=3)
    for step in (1, 2, 3):
        states.save(step, state(step, size=1000))
    newest = states.paths()[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 4
    shapes = {"cut": content[: len(content) // 2], "a flipped bit": content, "empty": b"", "another file": b"x" * 999}
    newest.write_bytes(shapes[damage])
    warnings: list[str] = []
    back = states.load(warnings.append)
    assert back is not None
    assert back["step"] == 2
    assert names(tmp_path) == ["state-00000001.pt", "state-00000002.pt", "state-00000003.pt.damaged"]
    (warning,) = warnings
    assert warning.startswith(f"{newest} is damaged (")
    assert warning.endswith("); going on from the state before it.")


def test_a_run_does_not_begin_anew_where_no_state_can_be_read(tmp_path: Path) -> None:
    states = States(tmp_path)
    for step in (1, 2):
        states.save(step, state(step)).write_bytes(b"nothing")
    with pytest.raises(
        TrainingError, match=r"^None of the 2 states in .* can be read; they are put aside as \.damaged, and"
    ):
        states.load()


def test_keep_is_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"^keep is 0; it must be at least 1\.$"):
        States(tmp_path, keep=0)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"^.*file/run cannot be written \(Not a directory\)$"):
        States(tmp_path / "file" / "run")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True)
    if not made or made.returncode:
        pytest.skip("a disk can be mounted by root only")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_leaves_the_state_before(small_disk: Path) -> None:
    states = States(small_disk)
    states.save(10, state(10, size=MEGABYTE // 8))
    with pytest.raises(TrainingError) as error:
        states.save(20, state(20, size=MEGABYTE // 6))
    kept = small_disk / "state-00000010.pt"
    assert str(error.value) == f"No space left in {small_disk}; the state of step 20 is lost; kept: {kept}"
    assert names(small_disk) == [kept.name]
    back = states.load()
    assert back is not None
    assert torch.equal(back["weights"], state(10, size=MEGABYTE // 8)["weights"])


def test_a_file_that_may_not_grow_leaves_the_state_before(tmp_path: Path) -> None:
    states = States(tmp_path)
    states.save(10, state(10))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE, limit[1]))
    try:
        with pytest.raises(TrainingError, match=r"^.* cannot be written \(File too large\); the state of step 20 is"):
            states.save(20, state(20, size=MEGABYTE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert names(tmp_path) == ["state-00000010.pt"]
    assert states.load() is not None
