"""Pickles: files of trainers open, files that could run code are refused by name, and nothing of theirs runs."""

import builtins
import os
import pickle
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from inkbloom.checkpoints.pickles import read_pickle
from inkbloom.checkpoints.tensors import open_tensors
from inkbloom.core.errors import CheckpointError, UnsafeCheckpointError


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: object, *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple:
        return self.call


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """The file that the malicious pickles would make."""
    return tmp_path / "pwned"


def attacks(victim: Path) -> dict[str, tuple[object, str]]:
    touch = f"touch {victim}"
    system = f"{os.system.__module__}.system"
    return {
        "os.system": (Calls(os.system, touch), system),
        "builtins.eval": (Calls(eval, f"open({str(victim)!r}, 'w')"), "eval"),
        "nested": ({"state_dict": {"a": [Calls(Calls, Calls(builtins.exec, "1"))]}}, "exec"),
        "two": ([Calls(os.system, touch), Calls(builtins.compile, "1", "", "eval")], "compile"),
        "getattr": (Calls(getattr, str, "join"), "getattr"),
    }


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "nested", "two", "getattr"])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_malicious_files_of_torch_save_are_refused_by_name(
    tmp_path: Path, victim: Path, name: str, legacy: bool
) -> None:
    content, offender = attacks(victim)[name]
    path = tmp_path / "x.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(
        UnsafeCheckpointError, match=rf'x\.ckpt was refused, because loading it could run code.*{offender}"'
    ):
        open_tensors(path)
    assert not victim.exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "nested", "two", "getattr"])
def test_malicious_bare_pickles_are_refused_by_name(tmp_path: Path, victim: Path, name: str, protocol: int) -> None:
    content, offender = attacks(victim)[name]
    path = tmp_path / "x.ckpt"
    path.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(UnsafeCheckpointError, match=rf'{offender}"'):
        open_tensors(path)
    assert not victim.exists()


def test_a_name_met_twice_is_still_told(tmp_path: Path) -> None:
    """Pickle's newer protocols write a module's name once and recall it later."""
    path = tmp_path / "x.ckpt"
    path.write_bytes(pickle.dumps([Calls(eval, "1"), Calls(builtins.exec, "1")], 4))
    with pytest.raises(UnsafeCheckpointError, match=r'names "builtins\.eval", "builtins\.exec"'):
        open_tensors(path)


def test_a_second_pickle_in_the_archive_is_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    torch.save({"a": torch.zeros(1)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x/more.pkl", pickle.dumps(Calls(eval, "1"), 2))
    with pytest.raises(UnsafeCheckpointError, match="eval"):
        open_tensors(path)


def test_many_names_are_counted(tmp_path: Path) -> None:
    names = [
        getattr(builtins, n)
        for n in ("eval", "exec", "compile", "open", "input", "print", "len", "abs", "all", "any", "bin", "hex")
    ]
    path = tmp_path / "x.ckpt"
    path.write_bytes(pickle.dumps(names, 2))
    with pytest.raises(UnsafeCheckpointError, match="and 2 more"):
        open_tensors(path)


@pytest.fixture
def lightning() -> Iterator[types.ModuleType]:
    """A stand-in for the trainer's modules, there while the file is written and gone when it is read."""
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")

    class ModelCheckpoint:
        def __init__(self) -> None:
            self.best = 1

    class AttributeDict(dict):
        pass

    for kind in (ModelCheckpoint, AttributeDict):
        kind.__module__ = module.__name__
        kind.__qualname__ = kind.__name__
        setattr(module, kind.__name__, kind)
    names = ["pytorch_lightning", "pytorch_lightning.callbacks", module.__name__]
    sys.modules.update(dict.fromkeys(names, module))
    yield module
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_what_a_trainer_leaves_behind_is_inert(tmp_path: Path, lightning: types.ModuleType, legacy: bool) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    content = {
        "state_dict": {"a.weight": weight, "epoch": np.float32(2), "b": torch.nn.Parameter(torch.ones(1))},
        "callbacks": {lightning.ModelCheckpoint: {"best": lightning.ModelCheckpoint()}},
        "hyper_parameters": lightning.AttributeDict(lr=np.float64(1e-4)),
        "history": np.arange(3),
        "global_step": 470000,
    }
    path = tmp_path / "x.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    for name in [name for name in sys.modules if name.startswith("pytorch_lightning")]:
        del sys.modules[name]
    allowed = torch.serialization.get_safe_globals()
    file = open_tensors(path)
    assert file.shapes == {"a.weight": (2, 3), "b": (1,)}
    assert torch.equal(file.take("a.weight"), weight)
    assert not file.take("b").requires_grad
    assert set(torch.serialization.get_safe_globals()) == set(allowed)  # nothing stays allowed


def test_plain_content_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(2, dtype=torch.bfloat16), "s": "text", "n": None}, path)
    content = read_pickle(path)
    assert content["s"] == "text"
    assert content["a"].dtype == torch.bfloat16


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_pickles(tmp_path: Path, legacy: bool, kept: float) -> None:
    path = tmp_path / "x.ckpt"
    torch.save({str(i): torch.zeros(500) for i in range(4)}, path, _use_new_zipfile_serialization=not legacy)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(CheckpointError, match=r"x\.ckpt is truncated or damaged: ") as caught:
        open_tensors(path)
    assert "\n" not in str(caught.value)


def test_a_harmless_pickle_of_another_protocol(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(pickle.dumps({"a": 1}, 4))
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        open_tensors(path)
    torch.save({"a": 1}, path, pickle_protocol=4)
    with pytest.raises(CheckpointError, match="is a pickle of protocol 4; PyTorch writes models in protocol 2"):
        open_tensors(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(1)], "holds a list; a model is a dictionary of tensors"),
        ({"state_dict": 3}, 'holds a "state_dict" that is a int'),
    ],
)
def test_pickles_of_something_else(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=message):
        open_tensors(tmp_path / "x.pt")


def test_zip_archives_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="is a ZIP archive without a PyTorch model in it"):
        open_tensors(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"")
        archive.writestr("x/code/__torch__.py", "")
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        open_tensors(path)
