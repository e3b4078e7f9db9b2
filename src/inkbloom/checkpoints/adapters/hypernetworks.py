"""Hypernetwork files, A1111's `.pt`: a dictionary with two state dicts under each width, and the structure beside.

{768: (keys, values), "layer_structure": [1, 2, 1], "activation_func": "relu", "is_layer_norm": False, ...}; in a state
dict "linear.0.weight", "linear.0.bias", ... count activations and dropouts too, which have no weights. Old files say
"linear1.weight" and "linear2.weight". Where "activate_output" is missing A1111 takes it for true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inkbloom.checkpoints.foreign import check_first_bytes
from inkbloom.checkpoints.loading import file_hash
from inkbloom.checkpoints.pickles import read_pickle
from inkbloom.checkpoints.writing import write_whole
from inkbloom.core.errors import CheckpointError, KeyMismatchError, RequestError
from inkbloom.models.hypernetwork import Hypernetwork, HypernetworkSpec, ResidualPerceptron, widths
from inkbloom.models.unet import UNet

_KEY = re.compile(r"linear\.?(\d+)\.(weight|bias)")


@dataclass(frozen=True)
class HypernetworkFile:
    """A hypernetwork in memory, float32, on the CPU, its parameters frozen."""

    path: Path
    network: Hypernetwork

    @cached_property
    def sha256(self) -> str:
        return file_hash(self.path)

    def check_fit(self, unet: UNet) -> None:
        """`KeyMismatchError` where it acts on no width that the U-Net's attention looks at."""
        sizes, there = self.network.spec.sizes, widths(unet)
        if not set(sizes) & set(there):
            raise KeyMismatchError(
                f"{self.path} is a hypernetwork for widths of {', '.join(map(str, sizes))}; this model's attention has "
                f"{', '.join(map(str, there))}."
            )


def read_hypernetwork(path: str | Path) -> HypernetworkFile:
    """Read a hypernetwork. `CheckpointError` where the file is missing, damaged or holds none; `UnsafeCheckpointError`
    where it could run code."""
    path = Path(path)
    content = None if check_first_bytes(path) == "safetensors" else read_pickle(path)
    if not isinstance(content, Mapping) or not any(isinstance(key, int) for key in content):
        raise CheckpointError(f"{path} is no hypernetwork; one is a .pt file with networks under widths such as 768.")
    states = {key: value for key, value in content.items() if isinstance(key, int)}
    try:
        spec = HypernetworkSpec(
            sizes=tuple(states),
            layer_structure=tuple(float(factor) for factor in content.get("layer_structure") or (1, 2, 1)),
            activation=content.get("activation_func") or "linear",
            layer_norm=bool(content.get("is_layer_norm", False)),
            activate_output=bool(content.get("activate_output", True)),
        )
        network = Hypernetwork(spec)
        for size, (keys, values) in states.items():
            _load(network.keys[str(size)], keys)
            _load(network.values[str(size)], values)
    except RequestError as error:
        raise CheckpointError(f"{path} cannot be used: {error}") from error
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged: {str(error).splitlines()[0]}") from error
    return HypernetworkFile(path, network.requires_grad_(False).eval())


def _load(perceptron: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Fill the layers that have weights with the state's, in its order; `ValueError` where they do not match."""
    found: dict[int, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        place = _KEY.fullmatch(key)
        if place is None:
            raise ValueError(f'"{key}" is no part of a hypernetwork')
        found.setdefault(int(place[1]), {})[place[2]] = tensor.float()
    layers = [layer for layer in perceptron.modules() if isinstance(layer, nn.Linear | nn.LayerNorm)]
    if len(layers) != len(found):
        raise ValueError(f"its structure has {len(layers)} layers with weights, its tensors are of {len(found)}")
    for layer, place in zip(layers, sorted(found), strict=True):
        layer.load_state_dict(found[place])


def save_hypernetwork(path: Path, network: Hypernetwork, *, metadata: Mapping[str, str], step: int = 0) -> None:
    """Write or replace a `.pt` file that A1111, its forks and ComfyUI read: plain tensors, numbers and texts, float32.

    `metadata` is added beside the structure. `OutputError` where the file cannot be written, `RequestError` for another
    ending.
    """
    if path.suffix != ".pt":
        raise RequestError(f'A hypernetwork file ends in .pt, not in "{path.suffix}" ({path}); A1111 reads no other.')
    spec = network.spec
    content: dict[Any, Any] = {
        size: (_state(network.keys[str(size)]), _state(network.values[str(size)])) for size in spec.sizes
    }
    content |= {
        **metadata,
        "step": step,
        "name": path.stem,
        # A1111 shows whole numbers as they were given
        "layer_structure": [int(factor) if factor == int(factor) else factor for factor in spec.layer_structure],
        "activation_func": spec.activation,
        "is_layer_norm": spec.layer_norm,
        "weight_initialization": "Normal",
        "activate_output": spec.activate_output,
        "use_dropout": False,
        "last_layer_dropout": False,
        "sd_checkpoint": None,
        "sd_checkpoint_name": None,
    }
    write_whole(path, lambda place: torch.save(content, place))


def _state(perceptron: nn.Module) -> dict[str, Tensor]:
    assert isinstance(perceptron, ResidualPerceptron)
    return {name: tensor.detach().float().cpu().clone() for name, tensor in perceptron.state_dict().items()}
