from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints.saving import write_safetensors
from inkbloom.checkpoints.streaming import TensorReader, choose_precision
from inkbloom.checkpoints.tensors import open_tensors
from inkbloom.checkpoints.writing import DTYPES, Planned, cast, write_planned
from inkbloom.core.errors import CheckpointError, RequestError

STATE = {
    "a.weight": torch.randn(5, 3, generator=torch.Generator().manual_seed(0)),
    "half": torch.tensor([1.5, -2.0, 65504.0]).half(),
    "scalar": torch.tensor(3.0, dtype=torch.float64),
    "nothing": torch.zeros(0),
}


def planned(state: dict[str, torch.Tensor]) -> dict[str, Planned]:
    return {name: Planned(t.dtype, tuple(t.shape), lambda t=t: t) for name, t in state.items()}


def test_every_precision_round_trips(tmp_path: Path) -> None:
    numbers = torch.tensor([[0, 1], [1, 0]])
    state = {name: numbers.to(dtype) for name, dtype in DTYPES.items()}
    path = tmp_path / "x.safetensors"
    write_planned(path, planned(state), metadata={"b": "1", "a": "2"})
    reader = TensorReader(open_tensors(path))
    peers = load_file(path)
    for name, tensor in state.items():
        assert reader.dtypes[name] == tensor.dtype == peers[name].dtype
        assert torch.equal(reader.read(name).float(), numbers.float())
        assert torch.equal(peers[name].float(), numbers.float())
    assert open_tensors(path).metadata == {"format": "pt", "b": "1", "a": "2"}


def test_the_bytes_are_those_of_the_other_writer(tmp_path: Path) -> None:
    """A merge and a save put the same tensors into the same file."""
    told = []
    write_planned(tmp_path / "x", planned(STATE), metadata={"k": "v"}, on_progress=lambda *done: told.append(done))
    write_safetensors(tmp_path / "y", STATE, metadata={"k": "v"})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    assert told == [(n, 4) for n in range(1, 5)]


@pytest.mark.parametrize("ending", [".safetensors", ".ckpt"])
def test_reading(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    if ending == ".ckpt":
        torch.save(STATE, path)
    else:
        save_file(STATE, path)
    reader = TensorReader(open_tensors(path))
    for name, tensor in (*STATE.items(), *STATE.items()):  # as often as asked
        assert torch.equal(reader.read(name), tensor)
        assert reader.shapes[name] == tuple(tensor.shape)


def test_unknown_precision(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"U32"'))
    known = ", ".join(DTYPES)
    with pytest.raises(CheckpointError, match=rf'x\.safetensors: "a" is stored as U32; known are {known}\.$'):
        TensorReader(open_tensors(path))
    pickled = tmp_path / "x.pt"
    torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, pickled)
    with pytest.raises(CheckpointError, match=r'x\.pt: "a" is stored as torch\.complex64; known are'):
        TensorReader(open_tensors(pickled))


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(100)}, path)
    reader = TensorReader(open_tensors(path))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match=r'x\.safetensors was cut short while it was read, at "a"'):
        reader.read("a")


def test_numbers_that_do_not_fit() -> None:
    with pytest.raises(CheckpointError, match='"w" has numbers as large as 70000, which do not fit F16'):
        cast(torch.tensor([1.0, -70000.0]), torch.float16, "w")
    # What is not finite before is so afterwards
    kept = cast(torch.tensor([float("inf"), float("nan"), 65504.0]), torch.float16, "w")
    assert kept.isinf().tolist() == [True, False, False]
    assert kept.isnan().tolist() == [False, True, False]
    assert cast(torch.tensor([1e38]), torch.bfloat16, "w").isfinite().all()


def test_names_of_precisions() -> None:
    assert choose_precision(None) is None
    assert choose_precision("bfloat16") == torch.bfloat16
    with pytest.raises(RequestError, match=r'Unknown precision "float61"\. Did you mean "float16"'):
        choose_precision("float61")
