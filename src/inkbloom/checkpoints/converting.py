"""The same model in another form: single file or diffusers folder, other precision, averaged weights, without ballast.

From a single file to a single file tensors go as they are, unknown ones too, one in memory at a time. Between the
layouts the model is loaded and saved.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from inkbloom.checkpoints.inspection import needed_tensors
from inkbloom.checkpoints.ldm import EMA_PREFIX, SPEC_KEY, open_ldm
from inkbloom.checkpoints.loading import load
from inkbloom.checkpoints.saving import save_diffusers, save_ldm
from inkbloom.checkpoints.source import ModelSource
from inkbloom.checkpoints.streaming import SINGLE_FILES, TensorReader, choose_precision, copy_whole, refuse_existing
from inkbloom.checkpoints.writing import OnProgress, Planned, cast, write_planned, write_whole
from inkbloom.core.errors import CheckpointError, RequestError


def convert(
    source: str | Path,
    target: str | Path,
    *,
    precision: str | None = None,
    use_ema: bool = False,
    prune: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> None:
    """Write the model at `source` to `target`: a `.safetensors` or `.ckpt` file, else a diffusers folder.

    Without options no number changes; a round trip of a file that we wrote gives the same bytes, where the name, which
    is the title in its metadata, is the same. `precision` is float32, float16 or bfloat16. `use_ema` makes the
    averaged weights the U-Net's, and drops the copies. `prune` leaves only what the networks need; between the layouts
    nothing else goes anyway. A single file gets the spec into its metadata, and beside it the YAML that lies beside
    the source.

    Raises `CheckpointError` where the source is no model, has no averaged weights, or overflows the precision,
    `RequestError` for an unknown precision, `OutputError` where `target` cannot be written, or is there already unless
    `overwrite`.
    """
    source, target = Path(source), Path(target)
    dtype = choose_precision(precision)
    if target.suffix in (".pt", ".pth", ".bin", ".sft"):
        raise RequestError(f'A single-file model ends in .safetensors or .ckpt, not in "{target.suffix}" ({target}).')
    refuse_existing(target, [source], overwrite=overwrite)
    if target.suffix in SINGLE_FILES and not source.is_dir():
        _rewrite(source, target, dtype, use_ema=use_ema, prune=prune, on_progress=on_progress)
        return
    model = load(source, ema=use_ema, on_progress=on_progress)
    if target.suffix in SINGLE_FILES:
        save_ldm(target, model, dtype=dtype)
    else:
        save_diffusers(target, model, dtype=dtype)


def _rewrite(
    path: Path,
    target: Path,
    dtype: torch.dtype | None,
    *,
    use_ema: bool,
    prune: bool,
    on_progress: OnProgress | None,
) -> None:
    source = open_ldm(path, None)
    if use_ema and source.ema is None:
        raise CheckpointError(f"{path} has no EMA weights; convert it without them.")
    file = next(iter(source.parts.values())).file
    reader = TensorReader(file)
    plan: dict[str, Planned] = {}
    for name, origin in _origins(source, list(file.shapes), use_ema=use_ema, prune=prune).items():
        own = reader.dtypes[origin]
        kind = dtype if dtype is not None and own.is_floating_point else own
        plan[name] = Planned(kind, reader.shapes[origin], partial(reader.read, origin))
    metadata = {key: text for key, text in file.metadata.items() if key != "format"}
    metadata[SPEC_KEY] = source.spec.to_json()

    def write(place: Path) -> None:
        if target.suffix == ".safetensors":
            write_planned(place, plan, metadata=metadata, on_progress=on_progress)
        else:
            state = {name: cast(planned.make(), planned.dtype, name) for name, planned in plan.items()}
            torch.save({"state_dict": state, **metadata}, place)

    write_whole(target, write)
    config, beside = path.with_suffix(".yaml"), target.with_suffix(".yaml")
    if config.is_file() and config.resolve() != beside.resolve():
        copy_whole(config, beside)


def _origins(source: ModelSource, names: list[str], *, use_ema: bool, prune: bool) -> dict[str, str]:
    """For each tensor of the result the one of the file that it is."""
    origins = {name: name for name in (needed_tensors(source) if prune else names)}
    if use_ema and source.ema is not None:
        origins = {name: name for name in origins if not name.startswith(EMA_PREFIX)}
        averaged = {source.parts["unet"].names[name]: there for name, there in source.ema.names.items()}
        lacking = next((there for there in source.parts["unet"].names.values() if there not in averaged), None)
        if lacking is not None:
            raise CheckpointError(f'The EMA weights of {source.path} lack "{lacking}".')
        origins |= averaged
    return origins
