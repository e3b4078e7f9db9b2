"""LoRA files for other programs, in kohya's spelling or in that of PEFT and diffusers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from inkbloom.checkpoints.adapters.factoring import low_rank_of
from inkbloom.checkpoints.adapters.fitting import Parameter, places
from inkbloom.checkpoints.adapters.kinds import Change, Decomposed, Hadamard, Kronecker, tensors_of
from inkbloom.checkpoints.adapters.reading import ADAPTER_METADATA
from inkbloom.checkpoints.keymap import Component
from inkbloom.checkpoints.saving import write_safetensors
from inkbloom.checkpoints.writing import write_whole
from inkbloom.core.errors import RequestError, nearest
from inkbloom.families.spec import ModelSpec

_ROOTS: dict[str, dict[Component, str]] = {
    "kohya": {"text": "lora_te_", "unet": "lora_unet_"},
    "peft": {"text": "text_encoder.", "unet": "unet."},
}

# PEFT's configuration, once the alphas are in the tensors, and the hashes of the old file
_UNTRUE_NOW = (ADAPTER_METADATA, "format", "sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")


def spell(changes: Mapping[Parameter, Change], spec: ModelSpec, spelling: str) -> dict[str, Tensor]:
    """The tensors of a LoRA, LoCon, LoHa, LoKr or DoRA file, of the precision that they have.

    `spelling` is kohya (LyCORIS's for LoHa and LoKr), which has alphas, or peft, in which alpha / rank is multiplied
    into `lora_B`. `RequestError` for another spelling, where there are no layers or some of another kind, and for what
    diffusers reads in no file of PEFT's: LoHa, LoKr, LoCon's Tucker form, and DoRA's magnitudes for each input.
    """
    if spelling not in _ROOTS:
        raise RequestError(f'Unknown spelling "{spelling}".{nearest(spelling, _ROOTS)}')
    if not changes:
        raise RequestError("There are no layers to write; the file holds embeddings only.")
    tensors: dict[str, Tensor] = {}
    for (component, name), change in changes.items():
        module = places(spec).diffusers[component, name].removesuffix(".weight")
        shape = places(spec).shapes[component, name]
        if spelling == "kohya":
            leaves, module = _kohya(change, shape), module.replace(".", "_")
        else:
            leaves = _peft(change, shape)
        tensors |= {f"{_ROOTS[spelling][component]}{module}.{leaf}": tensor for leaf, tensor in leaves.items()}
    return tensors


def _kohya(change: Change, shape: tuple[int, ...]) -> dict[str, Tensor]:
    inner = change.inner if isinstance(change, Decomposed) else change
    ones = [1] * len(shape[2:])
    if isinstance(inner, Hadamard | Kronecker):
        prefix = "hada" if isinstance(inner, Hadamard) else "lokr"
        leaves = {f"{prefix}_{name}": tensor for name, tensor in tensors_of(inner).items()}
    else:
        inner = low_rank_of(inner)
        leaves = {"lora_up.weight": inner.up.reshape(shape[0], inner.rank, *ones)}
        if inner.mid is None:
            leaves["lora_down.weight"] = inner.down.reshape(inner.rank, *shape[1:])
        else:
            down = inner.down.reshape(inner.rank, shape[1], *ones)
            leaves |= {"lora_down.weight": down, "lora_mid.weight": inner.mid}
    # Whole factors of LoKr have no rank, and their alpha no effect; but readers look for one
    leaves["alpha"] = torch.tensor(float(inner.alpha or inner.rank or 1))
    if isinstance(change, Decomposed):
        per_axis = (1, shape[1]) if change.per_input else (shape[0], 1)
        leaves["dora_scale"] = change.magnitude.reshape(*per_axis, *ones)
    return leaves


def _peft(change: Change, shape: tuple[int, ...]) -> dict[str, Tensor]:
    inner = low_rank_of(change)
    if inner.mid is not None:
        raise RequestError("PEFT has no LoCon in the Tucker form; resizing it makes a plain one.")
    ones = [1] * len(shape[2:])
    scale = (inner.alpha or inner.rank) / inner.rank
    up = inner.up.reshape(shape[0], inner.rank, *ones)
    leaves = {
        "lora_A.weight": inner.down.reshape(inner.rank, *shape[1:]),
        "lora_B.weight": (scale * up.float()).to(up.dtype),
    }
    if isinstance(change, Decomposed):
        if change.per_input:
            raise RequestError("PEFT has no DoRA with a magnitude for each input; only kohya's spelling can say it.")
        leaves["lora_magnitude_vector.weight"] = (
            change.magnitude.reshape(1, -1, *ones) if ones else change.magnitude.flatten()
        )
    return leaves


def save_adapter(
    path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str], dtype: torch.dtype | None = None
) -> None:
    """Write or replace a `.safetensors` file; None keeps each tensor's precision. The same tensors give the same bytes.

    `OutputError` where the file cannot be written, `RequestError` for another ending.
    """
    if path.suffix != ".safetensors":
        raise RequestError(f'An adapter file ends in .safetensors, not in "{path.suffix}" ({path}).')
    kept = {key: text for key, text in metadata.items() if key not in _UNTRUE_NOW}
    write_whole(path, lambda place: write_safetensors(place, tensors, dtype=dtype, metadata=kept))


def facts(changes: Mapping[Parameter, Change]) -> dict[str, str]:
    """The least of kohya's metadata, by which other programs recognise a LoRA for Stable Diffusion 1."""
    ranks = {change.rank or 0 for change in changes.values()}
    alphas = {float(change.alpha or change.rank or 0) for change in changes.values()}
    inner = [change.inner if isinstance(change, Decomposed) else change for change in changes.values()]
    kinds = {change.kind for change in inner}
    algorithm = next((kind.lower() for kind in ("LoHa", "LoKr") if kind in kinds), "locon")
    return {
        "ss_v2": "False",
        "ss_base_model_version": "sd_v1",
        "ss_network_module": "networks.lora" if kinds == {"LoRA"} else "lycoris.kohya",
        "ss_network_dim": str(ranks.pop()) if len(ranks) == 1 else "Dynamic",
        "ss_network_alpha": str(alphas.pop()) if len(alphas) == 1 else "Dynamic",
        **({} if kinds == {"LoRA"} else {"ss_network_args": json.dumps({"algo": algorithm})}),
        "modelspec.architecture": "stable-diffusion-v1/lora",
    }
