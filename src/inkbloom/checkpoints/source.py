"""A model on disk, opened but not read: what it is, and where each network's tensors lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inkbloom.checkpoints.keymap import Component, Layout
from inkbloom.checkpoints.tensors import TensorFile
from inkbloom.families.spec import ModelSpec
from inkbloom.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Part:
    """One network of a model."""

    file: TensorFile
    names: dict[str, str]
    """The layout's name of each tensor (no prefix, today's spelling) to its name in the file."""

    def shape(self, name: str) -> tuple[int, ...]:
        return self.file.shapes[self.names[name]]


@dataclass(frozen=True)
class ModelSource:
    path: Path
    layout: Layout
    spec: ModelSpec
    parts: dict[Component, Part]
    """The networks that are there; a file may hold an autoencoder alone."""
    open_tokenizer: Callable[[], Tokenizer]
    ema: Part | None = None
    """The U-Net's averaged weights under the U-Net's names, where the file has them too."""
    strangers: tuple[str, ...] = ()
    """Tensors of the file that belong to no network and are not known leftovers."""
