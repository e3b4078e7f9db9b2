"""Merging checkpoints by A1111's rules, in float32 whatever the files hold, with a tensor of each in memory at a time.

The rules: A decides which tensors there are. One is merged if its name contains "model" and all the others have it
(one that C alone lacks thus stays A's, as with a difference of 0); CLIP's `position_ids` and whatever is no
floating-point number stay A's. An inpainting or instruct-pix2pix model as A is merged in the four channels that it
shares with a normal one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path

import torch
from torch import Tensor

from inkbloom.checkpoints.keymap import LDM_PREFIX, LEFTOVERS
from inkbloom.checkpoints.ldm import marks
from inkbloom.checkpoints.loading import file_hash
from inkbloom.checkpoints.merging.blocks import read_ratios
from inkbloom.checkpoints.merging.inputs import SHARED_CHANNELS, MergeInput, check_alike, open_any, open_input
from inkbloom.checkpoints.merging.methods import Method, Tuning
from inkbloom.checkpoints.merging.recipe import MergeRecipe
from inkbloom.checkpoints.streaming import copy_whole, refuse_existing
from inkbloom.checkpoints.writing import OnProgress, Planned, write_planned, write_whole
from inkbloom.core.errors import CheckpointError, KeyMismatchError, RequestError

_NEVER = "cond_stage_model.transformer.text_model.embeddings.position_ids"
_MERGED = "model"
_MARK = Planned(torch.float32, (0,), lambda: torch.zeros(0))
_AUTOENCODER = LDM_PREFIX["autoencoder"]


def merge(
    recipe: MergeRecipe,
    folder: str | Path,
    *,
    overwrite: bool = False,
    hash_of: Callable[[Path], str] = file_hash,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write the merged model into `folder`, named as the recipe says, and return its path.

    Models are single files or diffusers folders; the result is a .safetensors file in the LDM layout. It is complete or
    not there, and the same inputs give the same bytes. Its metadata hold the recipe and its parents under A1111's keys.
    A YAML beside the first model that has one is copied beside it. `hash_of` gives a file's SHA-256. Memory stays at a
    few times the largest tensor in float32; pickles and shards are mapped as a whole.

    Raises `RequestError` where the models do not fit each other or the recipe, `CheckpointError` where one cannot be
    read or the result does not fit its precision, `OutputError` where it cannot be written, or is there already
    unless `overwrite`.
    """
    inputs = _open(recipe)
    ratios = read_ratios(recipe.blocks, inputs[0].block_names) if recipe.blocks else {}
    if recipe.how.mixes and any(not 0 <= ratio <= 1 for ratio in ratios.values()):
        raise RequestError(f"A block's multiplier must be from 0 to 1 for {recipe.method}.")
    target = Path(folder) / recipe.file_name(inputs[0].channels)
    refuse_existing(target, recipe.models, overwrite=overwrite)
    plan = _plan(recipe, inputs, ratios)
    plan |= {mark: _MARK for mark in marks(inputs[0].source.spec) if mark not in plan}
    if recipe.vae is not None:
        plan |= _bake(recipe.vae, inputs[0], recipe.dtype)
    if recipe.discard:
        plan = {name: planned for name, planned in plan.items() if not re.search(recipe.discard, name)}
    if not plan:
        raise RequestError(f'Nothing is left of {recipe.models[0]} without what "{recipe.discard}" finds.')
    metadata = recipe.metadata(inputs, ratios, hash_of)
    write_whole(target, lambda place: write_planned(place, plan, metadata=metadata, on_progress=on_progress))
    config = next((path.with_suffix(".yaml") for path in recipe.models if path.with_suffix(".yaml").is_file()), None)
    if config is not None:
        copy_whole(config, target.with_suffix(".yaml"))
    return target


@dataclass(frozen=True)
class BlockDifference:
    """How far apart two models are in one block."""

    block: str
    tensors: int
    distance: float
    """|B - A| / |A|, over all numbers of the block; infinite where A's are all 0."""
    cosine: float
    """Of the angle between the two; not a number where one is all 0."""


def differences(recipe: MergeRecipe) -> list[BlockDifference]:
    """How B differs from A in the tensors that the recipe merges, block by block; nothing is written.

    Raises what `merge` raises before it writes.
    """
    inputs = _open(recipe)
    if len(inputs) < 2:
        raise RequestError(f"The method {recipe.method} takes one model, which differs from no other.")
    a, b = inputs[:2]
    sums = {block: [0.0] * 4 for block in a.block_names}
    for name in _merged_names(inputs):
        two = b.read(name).double()
        one = _shared(a.read(name).double(), two)
        parts = (1, one.square().sum().item(), two.square().sum().item(), (two - one).square().sum().item())
        sums[a.blocks[name]] = [total + part for total, part in zip(sums[a.blocks[name]], parts, strict=True)]
    found = []
    for block, (count, of_a, of_b, apart) in sums.items():
        product = (of_a + of_b - apart) / 2  # <a, b>
        cosine = product / math.sqrt(of_a * of_b) if of_a and of_b else math.nan
        distance = math.sqrt(apart / of_a) if of_a else (math.inf if apart else 0.0)
        if count:
            found.append(BlockDifference(block, int(count), distance, cosine))
    return found


def _open(recipe: MergeRecipe) -> list[MergeInput]:
    inputs = [open_input(path) for path in recipe.models]
    check_alike(inputs)
    return inputs


def _merged_names(inputs: list[MergeInput]) -> list[str]:
    """The names of the tensors that are merged, in A's order; `KeyMismatchError` where their shapes do not allow it."""
    first, *others = inputs
    found = []
    for name, (_, there) in first.names.items():
        if _MERGED not in name or name == _NEVER or not all(name in other.names for other in others):
            continue
        shape = first.shape(name)
        if 0 in shape or not all(one.dtype(name).is_floating_point for one in inputs):
            continue
        for other in others:
            theirs = other.shape(name)
            more_channels = shape[:1] + shape[2:] == theirs[:1] + theirs[2:] and theirs[1:2] == (SHARED_CHANNELS,)
            if shape != theirs and not more_channels:
                raise KeyMismatchError(
                    f'"{there}" is {list(shape)} in {first.source.path} and {list(theirs)} in {other.source.path}.'
                )
        found.append(name)
    return found


def _plan(recipe: MergeRecipe, inputs: list[MergeInput], ratios: dict[str, float]) -> dict[str, Planned]:
    first = inputs[0]
    kept = {
        name: Planned(_chosen(recipe.dtype, first.dtype(name)), first.shape(name), partial(first.read, name))
        for name in first.names
    }
    if len(inputs) == 1:
        return kept
    merged: dict[str, Planned] = {}
    for name in _merged_names(inputs):
        widest = reduce(torch.promote_types, (one.dtype(name) for one in inputs))
        tuning = Tuning(
            multiplier=ratios.get(first.blocks[name], recipe.ratio),
            density=recipe.density,
            drop=recipe.drop,
            seed=recipe.seed,
            name=name,
        )
        make = partial(_merged, name, recipe.how, inputs, tuning)
        merged[name] = Planned(_chosen(recipe.dtype, widest), first.shape(name), make)
    return kept | merged


def _merged(name: str, how: Method, inputs: list[MergeInput], tuning: Tuning) -> Tensor:
    first, *others = inputs
    whole = first.read(name).float()
    theirs = [other.read(name).float() for other in others]
    result = how.combine([_shared(whole, theirs[0]), *theirs], tuning)
    if result.shape == whole.shape:
        return result
    return torch.cat([result, whole[:, SHARED_CHANNELS:]], dim=1)


def _shared(tensor: Tensor, other: Tensor) -> Tensor:
    """Of a convolution that reads more channels than the other, those that both read."""
    return tensor if tensor.shape == other.shape else tensor[:, :SHARED_CHANNELS]


def _bake(path: Path, first: MergeInput, dtype: torch.dtype | None) -> dict[str, Planned]:
    """The autoencoder in the file at `path`, under the names that A has for its own."""
    baked = open_any(path)
    if "autoencoder" not in baked.source.parts:
        raise CheckpointError(f"{path} has no autoencoder to put into the result.")
    if "autoencoder" not in first.source.parts:
        raise RequestError(f"{first.source.path} has no autoencoder that could be replaced.")
    plan = {}
    for name in first.names:
        bare = name.removeprefix(_AUTOENCODER)
        if bare == name or LEFTOVERS["autoencoder"].fullmatch(bare):
            continue
        if name not in baked.names or baked.shape(name) != first.shape(name):
            raise KeyMismatchError(f'The autoencoder in {path} does not fit {first.source.path}: "{bare}" differs.')
        plan[name] = Planned(_chosen(dtype, baked.dtype(name)), baked.shape(name), partial(baked.read, name))
    return plan


def _chosen(asked: torch.dtype | None, own: torch.dtype) -> torch.dtype:
    """The precision that was asked for, of what has one."""
    return own if asked is None or not own.is_floating_point else asked
