"""A1111's `.pt` files, as its classes write them, and ours, which its restricted reader lets through."""

import pickletools
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.adapters import read_hypernetwork
from inkbloom.checkpoints.adapters.hypernetworks import save_hypernetwork
from inkbloom.core.errors import CheckpointError, KeyMismatchError, RequestError, UnsafeCheckpointError
from inkbloom.models.hypernetwork import Hypernetwork, HypernetworkSpec


def theirs(size: int, *, dropout: bool, norm: bool, activate_output: bool) -> nn.Sequential:
    """The `linear` of A1111's HypernetworkModule for the structure 1, 2, 3, 1 with ReLU."""
    layers: list[nn.Module] = []
    for i, (into, out) in enumerate([(size, 2 * size), (2 * size, 3 * size), (3 * size, size)]):
        layers.append(nn.Linear(into, out))
        if i < 2 or activate_output:
            layers.append(nn.ReLU())
        if norm:
            layers.append(nn.LayerNorm(out))
        if dropout and i < 1:
            layers.append(nn.Dropout(0.3))
    return nn.Sequential(*layers).eval()


def state(linear: nn.Sequential) -> dict[str, Tensor]:
    return {f"linear.{name}": tensor for name, tensor in linear.state_dict().items()}


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("activate_output", [False, True, None])
@torch.no_grad()
def test_a1111s_files(tmp_path: Path, dropout: bool, norm: bool, activate_output: bool | None) -> None:
    """Where nothing is said of the last layer's activation, it has one."""
    torch.manual_seed(0)
    made = {"dropout": dropout, "norm": norm, "activate_output": activate_output is not False}
    keys, values = theirs(16, **made), theirs(16, **made)
    content = {
        16: (state(keys), state(values)),
        "step": 100,
        "name": "x",
        "layer_structure": [1, 2, 3, 1],
        "activation_func": "relu",
        "is_layer_norm": norm,
        "use_dropout": dropout,
        "sd_checkpoint": None,
        "optional_info": None,
    }
    if activate_output is not None:
        content["activate_output"] = activate_output
    torch.save(content, tmp_path / "x.pt")
    file = read_hypernetwork(tmp_path / "x.pt")
    x = torch.randn(2, 5, 16)
    torch.testing.assert_close(file.network.keys["16"](x, 0.5), x + 0.5 * keys(x))
    torch.testing.assert_close(file.network.values["16"](x), x + values(x))
    assert not any(parameter.requires_grad for parameter in file.network.parameters())


@torch.no_grad()
def test_files_of_the_first_days(tmp_path: Path) -> None:
    """No structure, and other names: NovelAI's."""
    first, second = nn.Linear(8, 16), nn.Linear(16, 8)
    old = {"linear1": first, "linear2": second}
    tensors = {f"{name}.{leaf}": tensor for name, layer in old.items() for leaf, tensor in layer.state_dict().items()}
    torch.save({8: (tensors, tensors)}, tmp_path / "old.pt")
    x = torch.randn(3, 8)
    torch.testing.assert_close(read_hypernetwork(tmp_path / "old.pt").network.keys["8"](x), x + second(first(x)))


def test_round_trip(tmp_path: Path) -> None:
    spec = HypernetworkSpec(
        sizes=(8, 16), layer_structure=(1, 1.5, 1), activation="swish", layer_norm=True, activate_output=True
    )
    network = Hypernetwork(spec)
    save_hypernetwork(tmp_path / "mine.pt", network, metadata={"inkbloom.config": "{}"}, step=7)
    found = read_hypernetwork(tmp_path / "mine.pt").network
    assert found.spec == spec
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), found.parameters(), strict=True))
    content = torch.load(tmp_path / "mine.pt", weights_only=True)
    assert content["name"] == "mine"
    assert content["step"] == 7
    assert content["layer_structure"] == [1, 1.5, 1]
    assert isinstance(content[8], tuple)
    assert content["inkbloom.config"] == "{}"


def test_what_we_write_passes_a1111s_reader(tmp_path: Path) -> None:
    """It forbids every global name but a few, and every file in the archive but three kinds."""
    save_hypernetwork(tmp_path / "mine.pt", Hypernetwork(HypernetworkSpec(sizes=(8,))), metadata={})
    with zipfile.ZipFile(tmp_path / "mine.pt") as archive:
        pickle = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    names = {str(argument) for opcode, argument, _ in pickletools.genops(pickle) if opcode.name == "GLOBAL"}
    assert names <= {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage"}


def test_another_model(tmp_path: Path, tiny_model: LoadedModel) -> None:
    save_hypernetwork(tmp_path / "big.pt", Hypernetwork(HypernetworkSpec(sizes=(768,))), metadata={})
    message = r"is a hypernetwork for widths of 768; this model's attention has 32, 64\.$"
    with pytest.raises(KeyMismatchError, match=message):
        read_hypernetwork(tmp_path / "big.pt").check_fit(tiny_model.unet)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, "is no hypernetwork; one is a .pt file with networks under widths such as 768"),
        ([1], "is no hypernetwork"),
        ({8: ({"strange": torch.zeros(1)}, {})}, 'is damaged: "strange" is no part of a hypernetwork'),
        ({8: ({}, {})}, "is damaged: its structure has 2 layers with weights, its tensors are of 0"),
        ({8: 3}, "is damaged: "),
        ({8: ({"linear.0.weight": torch.zeros(3, 3)},) * 2, "layer_structure": [1, 1]}, "is damaged: "),
        ({8: ({}, {}), "activation_func": "magic"}, 'cannot be used: Unknown activation "magic"'),
        ({8: ({}, {}), "layer_structure": [1, 2]}, "cannot be used: layer_structure"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match=message):
        read_hypernetwork(tmp_path / "bad.pt")


def test_code_is_refused_and_endings(make, tmp_path: Path) -> None:
    torch.save({8: print}, tmp_path / "bad.pt")
    with pytest.raises(UnsafeCheckpointError, match="could run code"):
        read_hypernetwork(tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="is no hypernetwork"):
        read_hypernetwork(make.save({"a": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="There is no model at"):
        read_hypernetwork(tmp_path / "none.pt")
    with pytest.raises(RequestError, match=r'^A hypernetwork file ends in \.pt, not in "\.safetensors"'):
        save_hypernetwork(tmp_path / "x.safetensors", Hypernetwork(HypernetworkSpec(sizes=(8,))), metadata={})
