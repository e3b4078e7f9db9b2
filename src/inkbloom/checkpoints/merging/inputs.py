"""The models that go into a merge: opened, under one spelling of names, and alike enough."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from inkbloom.checkpoints.keymap import LDM_PREFIX
from inkbloom.checkpoints.ldm import MERGES_KEY, VOCAB_KEY, open_ldm
from inkbloom.checkpoints.merging.blocks import block_of, in_order
from inkbloom.checkpoints.source import ModelSource
from inkbloom.checkpoints.streaming import TensorReader
from inkbloom.core.errors import CheckpointError, RequestError

SHARED_CHANNELS = 4
"""Those that the U-Nets of plain, inpainting (9) and instruct-pix2pix (8) models have in common, and come first."""

INPAINTING, PIX2PIX = 9, 8

_KIND = {INPAINTING: "an inpainting", PIX2PIX: "an instruct-pix2pix"}


@dataclass(frozen=True)
class MergeInput:
    """A single file whose tensors are read one by one, under the LDM layout's names in today's spelling."""

    source: ModelSource
    reader: TensorReader
    names: dict[str, str]
    """Each tensor's name to that in the file."""

    def read(self, name: str) -> Tensor:
        return self.reader.read(self.names[name])

    def dtype(self, name: str) -> torch.dtype:
        return self.reader.dtypes[self.names[name]]

    def shape(self, name: str) -> tuple[int, ...]:
        return self.reader.shapes[self.names[name]]

    @property
    def metadata(self) -> dict[str, str]:
        return next(iter(self.source.parts.values())).file.metadata

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
    """Open a single file with a U-Net; `CheckpointError` where it is something else, `RequestError` for a folder."""
    if path.is_dir():
        raise RequestError(f"{path} is a folder; merging takes single files, which inkbloom convert makes of folders.")
    source = open_ldm(path, None)
    if "unet" not in source.parts:
        raise CheckpointError(f"{path} has no U-Net, so it cannot be merged.")
    return open_parts(source)


def open_parts(source: ModelSource) -> MergeInput:
    file = next(iter(source.parts.values())).file
    ours = {
        there: LDM_PREFIX[component] + name
        for component, part in source.parts.items()
        for name, there in part.names.items()
    }
    return MergeInput(source, TensorReader(file), {ours.get(name, name): name for name in file.shapes})


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
