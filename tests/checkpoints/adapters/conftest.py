"""Random adapters for the tiny model, in the spellings of other programs."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.keymap import names


class Maker:
    def __init__(self, model: LoadedModel, folder: Path) -> None:
        self.model, self.folder = model, folder

    def weights(self, component: str, *parts: str) -> dict[str, Tensor]:
        """diffusers' names of the modules that have one of these parts in them, and their weights."""
        state = getattr(self.model, component).state_dict()
        theirs = names(component, self.model.spec, "diffusers", state)
        return {
            theirs[ours].removesuffix(".weight"): tensor
            for ours, tensor in state.items()
            if ours.endswith(".weight") and tensor.ndim > 1 and any(part in theirs[ours] for part in parts)
        }

    def lora(self, weights: dict[str, Tensor], rank: int, *, up: str, down: str) -> dict[str, Tensor]:
        """A random LoRA on these weights, its leaves with these names."""
        tensors = {}
        for name, weight in weights.items():
            tensors[f"{name}.{down}"] = 0.2 * torch.randn(rank, *weight.shape[1:])
            tensors[f"{name}.{up}"] = 0.2 * torch.randn(weight.shape[0], rank, *(1 for _ in weight.shape[2:]))
        return tensors

    def kohya(
        self, alpha: float | None, rank: int = 3, *, unet: tuple[str, ...], text: tuple[str, ...]
    ) -> dict[str, Tensor]:
        tensors = {}
        for component, parts, root in (("unet", unet, "lora_unet_"), ("text", text, "lora_te_")):
            weights = {root + name.replace(".", "_"): w for name, w in self.weights(component, *parts).items()}
            tensors |= self.lora(weights, rank, up="lora_up.weight", down="lora_down.weight")
            if alpha is not None:
                tensors |= {f"{name}.alpha": torch.tensor(alpha) for name in weights}
        return tensors

    def save(self, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None, name: str = "adapter") -> Path:
        path = self.folder / f"{name}.safetensors"
        save_file({key: tensor.clone().contiguous() for key, tensor in tensors.items()}, path, metadata)
        return path


@pytest.fixture
def make(tiny_model: LoadedModel, tmp_path: Path) -> Maker:
    torch.manual_seed(1)
    return Maker(tiny_model, tmp_path)
