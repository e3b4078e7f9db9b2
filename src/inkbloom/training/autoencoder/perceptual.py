"""How far a picture looks from another: LPIPS where its weights are given, a loss of our own otherwise."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from inkbloom.checkpoints.loading import fill
from inkbloom.checkpoints.source import Part
from inkbloom.checkpoints.tensors import open_tensors
from inkbloom.core.types import Float, Image, Tensor
from inkbloom.models.lpips import SMALLEST, STAGES, Lpips
from inkbloom.training.autoencoder.settings import AutoencoderSettings

LEVELS = 3
"""Of the pyramid of `edge_loss`."""

_CLASSIFIER = re.compile(r"classifier\..*")
_EXTRA_HEADS = re.compile(r"(net|scaling_layer)\..*")


@dataclass(frozen=True)
class Perceptual:
    name: str
    """"lpips" or "edges": what a run's metrics and its result call it."""
    loss: Callable[[Image, Image], Float[Tensor, "batch"]]
    smallest: int
    """The least side of a picture, in pixels."""


def choose_perceptual(settings: AutoencoderSettings, device: torch.device) -> Perceptual:
    """LPIPS where the settings give its files, else `edge_loss`. As `open_lpips` raises."""
    if settings.lpips_vgg is None or settings.lpips_heads is None:
        return Perceptual("edges", edge_loss, 2**LEVELS)
    return Perceptual("lpips", open_lpips(settings.lpips_vgg, settings.lpips_heads).to(device), SMALLEST)


def open_lpips(vgg: Path, heads: Path) -> Lpips:
    """LPIPS, frozen, from the published files: torchvision's `vgg16` and LPIPS's own of version 0.1.

    Raises `CheckpointError` for a file that cannot be read, `KeyMismatchError` where it is not what it should be.
    """
    with torch.device("meta"):
        lpips = Lpips()
    prefix = "features."
    file = open_tensors(vgg)
    named = {name.removeprefix(prefix): name for name in file.shapes}
    theirs = {name: name for name in lpips.features.state_dict()}
    fill(lpips.features, theirs, Part(file, named), leftovers=_CLASSIFIER, label="VGG16")
    file = open_tensors(heads)
    theirs = {str(i): f"lin{i}.model.1.weight" for i in range(len(STAGES))}
    fill(lpips.heads, theirs, Part(file, {name: name for name in file.shapes}), leftovers=_EXTRA_HEADS, label="LPIPS")
    return lpips.requires_grad_(False)


def edge_loss(picture: Image, target: Image, levels: int = LEVELS) -> Float[Tensor, "batch"]:
    """L1 on values and on horizontal and vertical differences over a pyramid of `levels`, plus twice the mean square.

    The differences weigh edges, which plain L1 leaves soft; the pyramid weighs shapes of every size alike. One number
    for each picture.
    """
    loss = 2.0 * _each(F.mse_loss(picture, target, reduction="none"))
    for _ in range(levels):
        error = picture - target
        loss = loss + (_each(error.abs()) + _each(error.diff(dim=2).abs()) + _each(error.diff(dim=3).abs())) / levels
        picture, target = F.avg_pool2d(picture, 2), F.avg_pool2d(target, 2)
    return loss


def _each(errors: Tensor) -> Tensor:
    return errors.mean(dim=(1, 2, 3))
