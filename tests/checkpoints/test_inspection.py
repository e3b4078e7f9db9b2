import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints import LoadedModel, detect
from inkbloom.checkpoints.inspection import inspect, scan, verify
from inkbloom.checkpoints.tensors import open_tensors
from inkbloom.core.errors import CheckpointError, KeyMismatchError, UnsafeCheckpointError


class Malice:
    def __reduce__(self) -> tuple:
        return os.system, ("echo bad",)


@pytest.fixture
def malicious(tmp_path: Path) -> Path:
    path = tmp_path / "malicious.ckpt"
    torch.save({"state_dict": {"x": Malice()}}, path)
    return path


def test_a_single_file(ldm_file: Path, tmp_path: Path) -> None:
    state = load_file(ldm_file)
    tensors = len(state)
    state |= {
        "v_pred": torch.zeros(0),
        "betas": torch.zeros(3),
        "model_ema.diffusion_modelout2bias": torch.zeros(4).half(),
    }
    path = tmp_path / "x.safetensors"
    save_file(state, path, {"note": "mine"})
    contents = inspect(path)
    assert contents.what == "a sd1 model"
    assert contents.spec == detect(path)
    assert contents.components == ("text", "unet", "autoencoder")
    assert contents.tensors == tensors + 3
    assert contents.precisions == {"float32": tensors + 2, "float16": 1}
    assert contents.has_ema
    assert contents.leftovers == ("betas",)
    assert contents.metadata == {"note": "mine"}


def test_a_folder(folder: Path, tiny: LoadedModel) -> None:
    contents = inspect(folder)
    assert (contents.what, contents.spec) == ("a sd1 model", tiny.spec)
    assert not contents.has_ema
    assert contents.leftovers == ()


def test_a_part_of_a_model(ldm_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({name: t for name, t in load_file(ldm_file).items() if name.startswith("first_stage")}, path)
    contents = inspect(path)
    assert (contents.what, contents.components) == ("part of a sd1 model", ("autoencoder",))
    assert verify(path) == contents.tensors


def test_other_files(tmp_path: Path, malicious: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(2).bfloat16()}, path, {"ss_network_dim": "4"})
    contents = inspect(path)
    assert contents.what == "a LoRA (or another adapter of that kind)"
    assert contents.spec is None
    assert contents.precisions == {"bfloat16": 1}
    assert contents.metadata == {"ss_network_dim": "4"}
    assert verify(path) == 1
    with pytest.raises(UnsafeCheckpointError):
        inspect(malicious)


def test_scanning(tmp_path: Path, malicious: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good, pickled, broken = (tmp_path / name for name in ("a.safetensors", "a.pt", "b.pt"))
    save_file({"a": torch.zeros(2)}, good)
    torch.save({"a": torch.zeros(2), "b": torch.zeros(1)}, pickled)
    broken.write_bytes(pickle.dumps(Malice()))
    assert scan(good).safe
    assert scan(good).finding == f"{good} is safetensors, which holds no code: 1 tensors."
    assert scan(pickled).safe
    assert scan(pickled).finding == f"{pickled} is a pickle that names nothing but tensors: 2 tensors."
    for path in (malicious, broken):
        assert not scan(path).safe
        assert "could run code: its pickle names" in scan(path).finding
        assert "system" in scan(path).finding
    assert "bad" not in capfd.readouterr().out
    broken.write_bytes(b"")
    assert not scan(broken).safe
    assert "is empty" in scan(broken).finding


@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_verifying(ldm_file: Path, tmp_path: Path, ending: str) -> None:
    def write(state: dict[str, torch.Tensor]) -> Path:
        path = tmp_path / f"x{ending}"
        if ending == ".ckpt":
            torch.save({"state_dict": state, **facts}, path)
        else:
            save_file(state, path, facts)
        return path

    state, facts = load_file(ldm_file), open_tensors(ldm_file).metadata
    told = []
    assert verify(write(state), on_progress=lambda *done: told.append(done)) == len(state)
    assert told[-1] == (len(state), len(state))
    name = "model.diffusion_model.out.2.bias"
    damaged = {**state, name: torch.tensor([0.0, float("nan"), 0.0, 0.0])}
    with pytest.raises(CheckpointError, match=rf"holds numbers that are not finite, in {name}\.$"):
        verify(write(damaged))
    with pytest.raises(CheckpointError, match=r"in (\S+, ){2}\S+ and \d+ more\.$"):
        verify(write({name: t * float("inf") for name, t in state.items()}))
    del damaged[name]
    with pytest.raises(KeyMismatchError, match=r"1 missing: out\.2\.bias"):
        verify(write(damaged))


def test_verifying_a_folder(folder: Path) -> None:
    assert verify(folder) == inspect(folder).tensors
