"""Opening a model, whatever its format: `detect` looks at it, `load` builds its networks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from inkbloom.checkpoints.diffusers_folder import open_folder
from inkbloom.checkpoints.foreign import missing
from inkbloom.checkpoints.keymap import COMPONENTS, LEFTOVERS, Component, fits, names
from inkbloom.checkpoints.ldm import open_ldm
from inkbloom.checkpoints.source import ModelSource, Part
from inkbloom.core.errors import CheckpointError, KeyMismatchError, RequestError, nearest
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.models.clip_text import ClipText
from inkbloom.models.unet import UNet
from inkbloom.text.tokenizer import Tokenizer

OnProgress = Callable[[int, int], None]
"""Called with (tensors read, tensors in all). Raise `core.errors.Stopped` to give up."""

LABELS: dict[Component, str] = {"text": "text encoder", "unet": "U-Net", "autoencoder": "autoencoder"}

_LISTED = 10


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model in memory. Networks that were not asked for are None; so is the tokenizer without the text encoder."""

    spec: ModelSpec
    tokenizer: Tokenizer | None
    text: ClipText | None
    unet: UNet | None
    autoencoder: AutoencoderKL | None
    name: str
    """The file's name without its ending, or the folder's."""
    path: Path


def detect(path: str | Path, *, config: str | Path | None = None) -> ModelSpec:
    """The spec of a complete model, read off names, shapes and configurations; no tensor is loaded.

    `config` is a CompVis YAML for a single file. Raises `CheckpointError`, which says what the file is instead.
    """
    source = _open(path, config)
    _require(source, COMPONENTS)
    return source.spec


def load(
    path: str | Path,
    *,
    components: Iterable[str] = COMPONENTS,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    ema: bool = False,
    config: str | Path | None = None,
    on_progress: OnProgress | None = None,
) -> LoadedModel:
    """Load a single file (LDM layout) or a diffusers folder; only tensors of the `components` are read.

    The networks are built without memory, then given the file's mapped tensors one by one, each cast to `dtype`
    (None: as stored) and moved to `device`, so that there is never more than one copy. `ema` takes the U-Net's
    averaged weights. `config` is a CompVis YAML for a single file; by default the one with the file's own name beside
    it.

    Raises `CheckpointError` for a file that is missing, damaged or something else, `UnsafeCheckpointError` for one
    that could run code, `KeyMismatchError` where tensors are missing, too many or misshapen, `RequestError` for
    unknown components.
    """
    source = _open(path, config)
    asked = _known(components)
    _require(source, asked)
    if ema and source.ema is None:
        raise CheckpointError(f"{source.path} has no EMA weights; load it without ema.")
    with torch.device("meta"):
        modules = {component: _BUILDERS[component](source.spec) for component in asked}
    parts = {c: source.ema if ema and source.ema and c == "unet" else source.parts[c] for c in asked}
    plans = {component: _plan(source, component, parts[component], modules[component]) for component in asked}
    if set(asked) == set(COMPONENTS) and source.strangers:
        raise KeyMismatchError(f"{source.path}: {_listed(source.strangers, 'tensors of no network')}.")
    tokenizer = source.open_tokenizer() if "text" in asked else None
    if tokenizer and tokenizer.vocab_size > source.spec.text.vocab_size:
        raise CheckpointError(
            f"{source.path}: its text encoder knows {source.spec.text.vocab_size:,} tokens, its tokenizer "
            f"{tokenizer.vocab_size:,}; a single file of another program can only have CLIP's."
        )

    done, total = 0, sum(map(len, plans.values()))
    for component, plan in plans.items():
        state = {}
        for ours, (there, shape) in plan.items():
            state[ours] = parts[component].file.take(there).reshape(shape).to(device=device, dtype=dtype)
            done += 1
            if on_progress:
                on_progress(done, total)
        modules[component].load_state_dict(state, assign=True)
        modules[component].eval()
    return LoadedModel(
        spec=source.spec,
        tokenizer=tokenizer,
        text=cast("ClipText | None", modules.get("text")),
        unet=cast("UNet | None", modules.get("unet")),
        autoencoder=cast("AutoencoderKL | None", modules.get("autoencoder")),
        name=source.path.stem if source.path.is_file() else source.path.name,
        path=source.path,
    )


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal; its first ten digits are what other programs write as "Model hash"."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error


_BUILDERS: dict[Component, Callable[[ModelSpec], nn.Module]] = {
    "text": lambda spec: ClipText(spec.text),
    "unet": lambda spec: UNet(spec.unet),
    "autoencoder": lambda spec: AutoencoderKL(spec.autoencoder),
}


def _open(path: str | Path, config: str | Path | None) -> ModelSource:
    path = Path(path)
    if not path.exists():
        raise missing(path)
    if path.is_dir():
        if config is not None:
            raise RequestError(f"{path} is a diffusers folder, which has its own configuration; leave {config} out.")
        return open_folder(path)
    return open_ldm(path, Path(config) if config is not None else None)


def _known(components: Iterable[str]) -> tuple[Component, ...]:
    asked = tuple(components)
    for component in asked:
        if component not in COMPONENTS:
            raise RequestError(f'Unknown component "{component}".{nearest(component, COMPONENTS)}')
    return cast("tuple[Component, ...]", asked)


def _require(source: ModelSource, components: Iterable[Component]) -> None:
    lacking = [LABELS[component] for component in components if component not in source.parts]
    if lacking:
        there = " and ".join(LABELS[component] for component in source.parts)
        raise CheckpointError(
            f"{source.path} holds only the {there} of a model; its {' and '.join(lacking)} must come from elsewhere."
        )


def _plan(
    source: ModelSource, component: Component, part: Part, module: nn.Module
) -> dict[str, tuple[str, tuple[int, ...]]]:
    theirs = names(component, source.spec, source.layout, module.state_dict())
    return _matched(
        module, theirs, part, LEFTOVERS[component], f"{source.path}: the tensors of the {LABELS[component]}"
    )


def fill(module: nn.Module, theirs: Mapping[str, str], part: Part, *, leftovers: re.Pattern[str], label: str) -> None:
    """Give `module` the tensors of `part`, where they are called `theirs` (by our names); it is in eval mode then.

    `KeyMismatchError` where tensors are missing, misshapen, or too many, those apart whose names match `leftovers`;
    it calls the whole the `label`.
    """
    plan = _matched(module, theirs, part, leftovers, f"{part.file.path}: the tensors of the {label}")
    state = {ours: part.file.take(there).reshape(shape) for ours, (there, shape) in plan.items()}
    module.load_state_dict(state, assign=True)
    module.eval()


def _matched(
    module: nn.Module, theirs: Mapping[str, str], part: Part, leftovers: re.Pattern[str], what: str
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """For each of our tensors its name in the file and our shape; `KeyMismatchError` where they do not match."""
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    wanted = set(theirs.values())
    missing_names = [name for name in theirs.values() if name not in part.names]
    extra = [name for name in part.names if name not in wanted and not leftovers.fullmatch(name)]
    misshapen = [
        f"{name} {list(part.shape(name))} instead of {list(shapes[ours])}"
        for ours, name in theirs.items()
        if name in part.names and not fits(part.shape(name), shapes[ours])
    ]
    problems = [
        _listed(found, kind)
        for found, kind in ((missing_names, "missing"), (extra, "extra"), (misshapen, "misshapen"))
        if found
    ]
    if problems:
        raise KeyMismatchError(f"{what} do not match: {'; '.join(problems)}.")
    return {ours: (part.names[name], shapes[ours]) for ours, name in theirs.items()}


def _listed(found: Iterable[str], kind: str) -> str:
    found = list(found)
    more = ", ..." if len(found) > _LISTED else ""
    return f"{len(found)} {kind}: {', '.join(found[:_LISTED])}{more}"
