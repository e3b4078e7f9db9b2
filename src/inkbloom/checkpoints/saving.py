"""Writing a model so that every other program opens it: one file in the LDM layout, or a diffusers folder."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from inkbloom.checkpoints.diffusers_config import folder_configs
from inkbloom.checkpoints.diffusers_folder import FOLDERS, SPEC_FILE, STEMS
from inkbloom.checkpoints.keymap import COMPONENTS, LDM_PREFIX, Component, Layout, as_on_disk, names
from inkbloom.checkpoints.ldm import MERGES_KEY, SPEC_KEY, VOCAB_KEY, marks
from inkbloom.checkpoints.loading import LABELS, LoadedModel
from inkbloom.checkpoints.writing import Planned, write_planned, write_whole
from inkbloom.core.errors import RequestError
from inkbloom.models.clip_text import SD1_TEXT
from inkbloom.text.tokenizer import Tokenizer

_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def save_ldm(
    path: str | Path,
    model: LoadedModel,
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the networks that `model` has as one `.safetensors` or `.ckpt` file in the LDM layout.

    `dtype` None keeps each tensor's own. The spec, and a tokenizer that is not CLIP's, go into the metadata; other
    programs find there and in empty marker tensors that a model predicts v. Raises `OutputError` where the file
    cannot be written, `RequestError` for another ending or dtype.
    """
    path = Path(path)
    if path.suffix not in (".safetensors", ".ckpt"):
        raise RequestError(f'A single-file model ends in .safetensors or .ckpt, not in "{path.suffix}" ({path}).')
    state: dict[str, Tensor] = {}
    for component in COMPONENTS:
        if _network(model, component) is not None:
            tensors = _tensors(model, component, "ldm")
            state |= {LDM_PREFIX[component] + name: tensor for name, tensor in tensors.items()}
    state |= {mark: torch.zeros(0) for mark in marks(model.spec)}

    def write(place: Path) -> None:
        facts = _metadata(model) | dict(metadata or {})
        if path.suffix == ".safetensors":
            write_safetensors(place, state, dtype=dtype, metadata=facts)
        else:
            cast = {name: tensor.to("cpu", _allowed(dtype, tensor)) for name, tensor in state.items()}
            torch.save({"state_dict": cast, **facts}, place)

    write_whole(path, write)


def save_diffusers(
    folder: str | Path,
    model: LoadedModel,
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write `model` as a folder that diffusers' `StableDiffusionPipeline` and most other programs open.

    `dtype` None keeps each tensor's own. `metadata` goes into the header of each network's file. A model that is
    already there is replaced; any other folder is left alone. Raises `OutputError` where the folder cannot be written,
    `RequestError` where `model` lacks a network or for another dtype.
    """
    folder = Path(folder)
    lacking = [LABELS[component] for component in COMPONENTS if _network(model, component) is None]
    if lacking or model.tokenizer is None:
        raise RequestError(
            f"A diffusers folder needs a whole model; this one lacks its {', '.join(lacking) or 'tokenizer'}."
        )
    tokenizer = model.tokenizer
    configs = folder_configs(model.spec, tokenizer)

    def write(place: Path) -> None:
        place.mkdir()
        for name, config in configs.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (place / SPEC_FILE).write_text(model.spec.to_json() + "\n", encoding="utf-8")
        tokenizer.save(place / "tokenizer", length=model.spec.text.max_tokens)
        for component in COMPONENTS:
            file = place / FOLDERS[component] / f"{STEMS[component]}.safetensors"
            write_safetensors(file, _tensors(model, component, "diffusers"), dtype=dtype, metadata=metadata)

    write_whole(folder, write)


def write_safetensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors in the safetensors format, each cast and moved by itself; the same tensors give the same bytes."""
    plan = {
        name: Planned(_allowed(dtype, tensor), tuple(tensor.shape), lambda tensor=tensor: tensor)
        for name, tensor in tensors.items()
    }
    write_planned(path, plan, metadata=metadata or {})


def _allowed(dtype: torch.dtype | None, tensor: Tensor) -> torch.dtype:
    chosen = tensor.dtype if dtype is None else dtype
    if chosen not in _DTYPES:
        raise RequestError(f"A model cannot be saved as {chosen}; allowed are {', '.join(map(str, _DTYPES))}.")
    return chosen


def _network(model: LoadedModel, component: Component) -> nn.Module | None:
    return getattr(model, component)


def _tensors(model: LoadedModel, component: Component, layout: Layout) -> dict[str, Tensor]:
    """The tensors of one network under the layout's names and in its shapes."""
    network = _network(model, component)
    state = network.state_dict() if network is not None else {}
    theirs = names(component, model.spec, layout, state)
    return {theirs[ours]: as_on_disk(tensor, theirs[ours]) for ours, tensor in state.items()}


def _metadata(model: LoadedModel) -> dict[str, str]:
    facts = {
        SPEC_KEY: model.spec.to_json(),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.title": model.name,
        "modelspec.resolution": f"{model.spec.default_size}x{model.spec.default_size}",
        "modelspec.prediction_type": {"v_prediction": "v"}.get(model.spec.prediction, model.spec.prediction),
    }
    return facts | tokenizer_facts(model.tokenizer)


def tokenizer_facts(tokenizer: Tokenizer | None) -> dict[str, str]:
    """The files of a tokenizer that is not CLIP's, which every reader of the layout takes for granted."""
    if tokenizer is None:
        return {}
    own = _tokenizer_files(tokenizer)
    same_size = tokenizer.vocab_size == SD1_TEXT.vocab_size
    return {} if same_size and own == _tokenizer_files(Tokenizer.clip()) else own


def _tokenizer_files(tokenizer: Tokenizer) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        files = {VOCAB_KEY: "vocab.json", MERGES_KEY: "merges.txt"}
        return {key: Path(folder, name).read_text(encoding="utf-8") for key, name in files.items()}
