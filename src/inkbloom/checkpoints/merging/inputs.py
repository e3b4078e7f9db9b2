"""The models that go into a merge: opened, under one spelling of names, and alike enough."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from inkbloom.checkpoints.diffusers_folder import open_folder
from inkbloom.checkpoints.keymap import LDM_PREFIX, LEFTOVERS, as_on_disk, rows
from inkbloom.checkpoints.ldm import MERGES_KEY, VOCAB_KEY, open_ldm
from inkbloom.checkpoints.merging.blocks import block_of, in_order
from inkbloom.checkpoints.saving import tokenizer_facts
from inkbloom.checkpoints.source import ModelSource
from inkbloom.checkpoints.streaming import TensorReader
from inkbloom.core.errors import CheckpointError, KeyMismatchError, RequestError

SHARED_CHANNELS = 4
"""Those that the U-Nets of plain, inpainting (9) and instruct-pix2pix (8) models have in common, and come first."""

INPAINTING, PIX2PIX = 9, 8

_KIND = {INPAINTING: "an inpainting", PIX2PIX: "an instruct-pix2pix"}


@dataclass(frozen=True)
class MergeInput:
    """A model whose tensors are read one by one, under the LDM layout's names in today's spelling, in its shapes."""

    source: ModelSource
    names: dict[str, tuple[TensorReader, str]]
    """For each tensor the file that it is in, and its name there."""
    metadata: dict[str, str]

    def read(self, name: str) -> Tensor:
        reader, there = self.names[name]
        return reader.read(there).reshape(self.shape(name))

    def dtype(self, name: str) -> torch.dtype:
        reader, there = self.names[name]
        return reader.dtypes[there]

    def shape(self, name: str) -> tuple[int, ...]:
        reader, there = self.names[name]
        shape = reader.shapes[there]
        # A folder has the autoencoder's attention as linear layers
        return tuple(as_on_disk(torch.empty(shape, device="meta"), name).shape) if len(shape) == 2 else shape

    @property
    def channels(self) -> int:
        """What the U-Net reads."""
        return self.source.spec.unet.in_channels

    @cached_property
    def blocks(self) -> dict[str, str]:
        """The block of each tensor; the U-Net's averaged copies are in the blocks of their originals."""
        found = block_of(self.names)
        if self.source.ema is not None:
            for unet, averaged in self.source.ema.names.items():
                found[averaged] = found[LDM_PREFIX["unet"] + unet]
        return found

    @property
    def block_names(self) -> list[str]:
        return in_order(self.blocks.values())


def open_input(path: Path) -> MergeInput:
    """Open a single file or diffusers folder with a U-Net; `CheckpointError` where it is something else."""
    opened = open_any(path)
    if "unet" not in opened.source.parts:
        raise CheckpointError(f"{path} has no U-Net, so it cannot be merged.")
    return opened


def open_any(path: Path) -> MergeInput:
    """Open a single file with any network of a model, or a diffusers folder."""
    return _from_folder(open_folder(path)) if path.is_dir() else _from_file(open_ldm(path, None))


def known_by(path: Path) -> Path:
    """The file whose hash stands for a model: itself, or of a folder the (first) one with the U-Net's tensors."""
    return min(one for one in (path / "unet").iterdir() if one.suffix != ".json") if path.is_dir() else path


def _from_file(source: ModelSource) -> MergeInput:
    file = next(iter(source.parts.values())).file
    ours = {
        there: LDM_PREFIX[component] + name
        for component, part in source.parts.items()
        for name, there in part.names.items()
    }
    reader = TensorReader(file)
    return MergeInput(source, {ours.get(name, name): (reader, name) for name in file.shapes}, file.metadata)


def _from_folder(source: ModelSource) -> MergeInput:
    names: dict[str, tuple[TensorReader, str]] = {}
    for component, part in source.parts.items():
        reader = TensorReader(part.file)
        by_module = {row.diffusers: row.ldm for row in rows(component, source.spec)}
        for name, there in part.names.items():
            module, _, leaf = name.rpartition(".")
            ldm = by_module.get(name) or (f"{by_module[module]}.{leaf}" if module in by_module else None)
            if ldm is not None:
                names[LDM_PREFIX[component] + ldm] = reader, there
            elif not LEFTOVERS[component].fullmatch(name):
                raise KeyMismatchError(f'{source.path}: no network has the tensor "{there}".')
    return MergeInput(source, names, tokenizer_facts(source.open_tokenizer()))


def check_alike(inputs: list[MergeInput]) -> None:
    """Models merge if they are of one family, size and prediction; A alone may read more channels.

    `RequestError` says in what they differ.
    """
    first, *others = inputs
    for other in others:
        _check_specs(first, other)
    for other in others:
        if other.channels == first.channels:
            continue
        if other.channels in _KIND and first.channels == SHARED_CHANNELS:
            kind = _KIND[other.channels]
            raise RequestError(
                f"{other.source.path} is {kind} model and {first.source.path} a normal one; to merge them, "
                f"A must be {kind} model."
            )
        if first.channels not in _KIND or other.channels != SHARED_CHANNELS:
            raise _differ(first, other, f"their U-Nets read {first.channels} and {other.channels} channels")
    if len({other.channels for other in others}) > 1:
        raise _differ(
            others[0], others[1], f"as B and C their U-Nets read {others[0].channels} and {others[1].channels} channels"
        )


def _check_specs(first: MergeInput, other: MergeInput) -> None:
    one, two = first.source.spec, other.source.spec
    if one.family != two.family:
        raise _differ(first, other, f"they are of the families {one.family} and {two.family}")
    both = first.source.parts.keys() & other.source.parts.keys()
    same_channels = dataclasses.replace(two.unet, in_channels=one.unet.in_channels)
    for component, same, label in (
        ("unet", one.unet == same_channels, "U-Nets"),
        ("autoencoder", one.autoencoder == two.autoencoder, "autoencoders"),
        ("text", one.text == two.text, "text encoders"),
    ):
        if component in both and not same:
            raise _differ(first, other, f"their {label} differ in size")
    if one.prediction != two.prediction:
        raise _differ(first, other, f"they predict {one.prediction} and {two.prediction}")
    if one.latent_scale != two.latent_scale:
        raise _differ(first, other, f"their latent scales are {one.latent_scale} and {two.latent_scale}")
    if one.noise_schedule != two.noise_schedule:
        raise _differ(first, other, "their noise schedules differ")
    if any(first.metadata.get(key) != other.metadata.get(key) for key in (VOCAB_KEY, MERGES_KEY)):
        raise _differ(first, other, "their tokenizers differ")


def _differ(first: MergeInput, other: MergeInput, how: str) -> RequestError:
    return RequestError(f"{first.source.path} and {other.source.path} cannot be merged: {how}.")
