"""What is in a model file: as much as names, shapes and metadata say, and whether it is whole and sound."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from inkbloom.checkpoints.diffusers_folder import open_folder
from inkbloom.checkpoints.foreign import check_first_bytes, kind_by_names
from inkbloom.checkpoints.keymap import COMPONENTS, LEFTOVERS, Component
from inkbloom.checkpoints.ldm import EMA_PREFIX, V_PREDICTION_MARK, ZERO_SNR_MARK, open_ldm
from inkbloom.checkpoints.loading import load
from inkbloom.checkpoints.source import ModelSource
from inkbloom.checkpoints.streaming import TensorReader
from inkbloom.checkpoints.tensors import TensorFile, open_tensors
from inkbloom.checkpoints.writing import OnProgress
from inkbloom.core.errors import CheckpointError
from inkbloom.families.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A file or diffusers folder, looked at and not loaded."""

    what: str
    """In words, such as "a sd1 model" or "a LoRA (or another adapter of that kind)"."""
    tensors: int
    precisions: dict[str, int]
    """How many of the tensors are stored in each, by PyTorch's names."""
    spec: ModelSpec | None = None
    """Of our own families only."""
    components: tuple[Component, ...] = ()
    has_ema: bool = False
    leftovers: tuple[str, ...] = ()
    """Tensors that no network uses, other than the averaged weights; pruning drops them."""
    metadata: dict[str, str]


def inspect(path: Path) -> Contents:
    """Look into a file of tensors of any kind, or a diffusers folder.

    Raises `CheckpointError` where it is damaged or no such thing, `UnsafeCheckpointError` for a pickle that could run
    code.
    """
    if path.is_dir():
        source = open_folder(path)
        return _of_model(source, [part.file for part in source.parts.values()])
    file = open_tensors(path)
    kind = kind_by_names({**dict.fromkeys(file.top_level), **file.shapes})
    if kind is None:
        return _of_model(open_ldm(path, None), [file])
    return Contents(what=kind, tensors=len(file.shapes), precisions=_precisions([file]), metadata=file.metadata)


def needed_tensors(source: ModelSource) -> list[str]:
    """What a model needs of its file: its networks' tensors, and the marks that say what it predicts."""
    tensors = [
        there
        for component, part in source.parts.items()
        for name, there in part.names.items()
        if not LEFTOVERS[component].fullmatch(name)
    ]
    files = [part.file.shapes for part in source.parts.values()]
    return tensors + [mark for mark in (V_PREDICTION_MARK, ZERO_SNR_MARK) if any(mark in names for names in files)]


def _of_model(source: ModelSource, files: list[TensorFile]) -> Contents:
    used = set(needed_tensors(source))
    names = [name for file in files for name in file.shapes]
    whole = set(source.parts) == set(COMPONENTS)
    return Contents(
        what=f"{'a' if whole else 'part of a'} {source.spec.family} model",
        tensors=len(names),
        precisions=_precisions(files),
        spec=source.spec,
        components=tuple(source.parts),
        has_ema=source.ema is not None,
        leftovers=tuple(name for name in names if name not in used and not name.startswith(EMA_PREFIX)),
        metadata={key: text for file in files for key, text in file.metadata.items()},
    )


def _precisions(files: list[TensorFile]) -> dict[str, int]:
    kinds = Counter(str(file.take(name).dtype).removeprefix("torch.") for file in files for name in file.shapes)
    return dict(kinds.most_common())


@dataclass(frozen=True)
class Scan:
    """Whether loading a file could run code."""

    safe: bool
    finding: str
    """Why, in one line."""


def scan(path: Path) -> Scan:
    """Look for code in a file without running any; what cannot be read as tensors is not called safe."""
    try:
        kind = check_first_bytes(path)
        count = len(open_tensors(path).shapes)
    except CheckpointError as error:
        return Scan(False, str(error))
    holds = "safetensors, which holds no code" if kind == "safetensors" else "a pickle that names nothing but tensors"
    return Scan(True, f"{path} is {holds}: {count:,} tensors.")


def verify(path: Path, *, on_progress: OnProgress | None = None) -> int:
    """Read every number of a file or diffusers folder; returns how many tensors there are.

    Raises `KeyMismatchError` where a model of ours lacks tensors or has them misshapen, `CheckpointError` where the
    file is damaged, or names the tensors that hold infinities or what is not a number.
    """
    contents = inspect(path)
    if contents.components:
        load(path, components=contents.components)
    if path.is_dir():
        files = [part.file for part in open_folder(path).parts.values()]
        reads = [(name, file.take) for file in files for name in file.shapes]
    else:
        file = open_tensors(path)
        read = TensorReader(file).read
        reads = [(name, read) for name in file.shapes]
    wrong = []
    for done, (name, take) in enumerate(reads, 1):
        tensor = take(name)
        if tensor.is_floating_point() and not tensor.float().isfinite().all():
            wrong.append(name)
        if on_progress:
            on_progress(done, len(reads))
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CheckpointError(f"{path} holds numbers that are not finite, in {', '.join(wrong[:3])}{more}.")
    return len(reads)
