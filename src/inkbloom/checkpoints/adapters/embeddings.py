"""Embeddings (textual inversion, Gal et al. 2022): a few vectors that stand in a prompt for tokens of no text.

Forms on disk: A1111's `.pt` (`string_to_param`), diffusers' `learned_embeds` (one tensor under the token), kohya's
(`emb_params`; `clip_l`, beside which `clip_g` is for Stable Diffusion XL), and cards, pictures with A1111's dictionary
in them. Those bundled in LoRA files are read with them, by `reading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from inkbloom.checkpoints.adapters.cards import SUFFIXES, read_card
from inkbloom.checkpoints.foreign import check_first_bytes
from inkbloom.checkpoints.pickles import read_pickle
from inkbloom.checkpoints.tensors import open_tensors
from inkbloom.core.errors import CheckpointError

_ANOTHER_FAMILY = {1024: "Stable Diffusion 2", 1280: "Stable Diffusion XL"}


@dataclass(frozen=True)
class Embedding:
    name: str
    """By which prompts ask for it: the file's name without its ending, or what a card says."""
    vectors: Float[Tensor, "count width"]
    """float32, on the CPU."""

    def check_width(self, width: int) -> None:
        """`CheckpointError` unless the vectors are `width` wide, as the text encoder's tokens."""
        found = self.vectors.shape[1]
        if found != width:
            family = f" (it is for {_ANOTHER_FAMILY[found]})" if found in _ANOTHER_FAMILY else ""
            raise CheckpointError(
                f'The embedding "{self.name}" has vectors {found} wide{family}; this model\'s are {width} wide.'
            )


def read_embedding(path: str | Path) -> Embedding:
    """Read an embedding: safetensors, a pickle, or a card (`cards`).

    `CheckpointError` where it is missing, damaged or holds no embedding, or several; `UnsafeCheckpointError` where it
    could run code.
    """
    path = Path(path)
    if path.suffix.lower() in SUFFIXES:
        card = read_card(path)
        return Embedding(str(card.get("name") or path.stem), as_vectors(_find(card, path), path))
    if check_first_bytes(path) == "safetensors":
        file = open_tensors(path)
        content: Any = {name: file.take(name) for name in file.shapes}
    else:
        content = read_pickle(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}; an embedding is a dictionary of tensors.")
    return Embedding(path.stem, as_vectors(_find(content, path), path))


def as_vectors(tensor: Tensor, path: Path) -> Tensor:
    """A tensor of one vector or of several as (count, width) in float32; `CheckpointError` for another shape."""
    if tensor.ndim not in (1, 2) or not tensor.numel() or not tensor.is_floating_point():
        raise CheckpointError(f"{path} is no embedding: its tensor has the shape {list(tensor.shape)}.")
    return tensor.detach().float().reshape(-1, tensor.shape[-1])


def _find(content: Mapping[Any, Any], path: Path) -> Tensor:
    if isinstance(content.get("string_to_param"), Mapping):
        content = content["string_to_param"]
    for name in ("emb_params", "clip_l"):
        if isinstance(content.get(name), Tensor):
            return content[name]
    tensors = [value for value in content.values() if isinstance(value, Tensor)]
    if "clip_g" in content:
        raise CheckpointError(f"{path} is an embedding for Stable Diffusion XL's second text encoder alone.")
    if len(tensors) != 1:
        raise CheckpointError(f"{path} is no embedding: it holds {len(tensors)} tensors, where an embedding holds one.")
    return tensors[0]
