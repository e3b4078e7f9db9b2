"""The ESRGAN family and its successors: some forty architectures, by way of the package spandrel."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PILImage
from safetensors import SafetensorError
from safetensors.torch import load_file

from inkbloom.checkpoints.pickles import read_pickle
from inkbloom.core.errors import CheckpointError, InkbloomError
from inkbloom.core.types import Image
from inkbloom.pipelines.pictures import from_pictures, to_pictures

MISSING = (
    "Upscalers of other programs need the package spandrel; install it without what it drags in: "
    "pip install --no-deps spandrel einops"
)
FACE_SIZE = 512
"""What networks that restore faces were trained on."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """Another program's network, for images in [-1, 1]."""

    architecture: str
    scale: int
    is_face: bool
    descriptor: Any

    def __call__(self, image: Image) -> Image:
        return self.descriptor((image + 1) / 2) * 2 - 1


def open_foreign(path: Path, device: torch.device) -> Foreign:
    """Load a file in float32. Pickles are opened without running code.

    Raises `CheckpointError` where spandrel is not installed, the file is damaged, or its architecture unknown.
    """
    spandrel = import_spandrel()
    state = _state(path)
    try:
        descriptor = spandrel.ModelLoader(device=device).load_from_state_dict(state)
    except spandrel.UnsupportedModelError:
        raise CheckpointError(f"{path} is no upscaler of an architecture that spandrel knows.") from None
    except (RuntimeError, KeyError, ValueError, IndexError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} cannot be loaded as an upscaler: {reason}") from None
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or descriptor.input_channels != 3:
        raise CheckpointError(f"{path} ({descriptor.architecture.name}) does not turn RGB pictures into RGB pictures.")
    return Foreign(
        architecture=descriptor.architecture.name,
        scale=descriptor.scale,
        is_face=descriptor.purpose == "FaceSR",
        descriptor=descriptor.eval(),
    )


@torch.inference_mode()
def restore_faces(picture: PILImage.Image, foreign: Foreign, device: torch.device) -> PILImage.Image:
    """A picture of one face through a network such as GFPGAN, in its own size. Faces are not searched for."""
    small = picture.resize((FACE_SIZE, FACE_SIZE), PILImage.Resampling.LANCZOS)
    restored = to_pictures(foreign(from_pictures([small]).to(device)))[0]
    return restored.resize(picture.size, PILImage.Resampling.LANCZOS)


def open_face_restorer(path: Path, device: torch.device) -> Foreign:
    """As `open_foreign`; `CheckpointError` for a network that is not for faces."""
    foreign = open_foreign(path, device)
    if not foreign.is_face:
        raise CheckpointError(f"{path} is an upscaler ({foreign.architecture}); it does not restore faces.")
    return foreign


def _state(path: Path) -> Mapping[str, Any]:
    try:
        state: Any = load_file(path) if path.suffix == ".safetensors" else read_pickle(path)
    except InkbloomError:
        raise
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is truncated or damaged: {' '.join(str(error).split())}.") from None
    for key in ("params_ema", "params-ema", "params", "model", "net", "state_dict"):  # as trainers wrap them
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            return state[key]
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} holds no weights.")
    return state


def import_spandrel() -> Any:
    """The package, without torchvision where that cannot load; `CheckpointError` where it is not installed."""
    if importlib.util.find_spec("spandrel") is None:
        raise CheckpointError(MISSING)
    if "spandrel" not in sys.modules:
        with _Torchvision():
            importlib.import_module("spandrel")
    return sys.modules["spandrel"]


class _Torchvision:
    """Stands in for torchvision while spandrel is imported, where that is not there or cannot load.

    Two of its functions are imported by name, by LaMa (which does not upscale) and RestoreFormer, nothing else of it is
    used. Afterwards the process has no torchvision again, so that no other package takes it for real.
    """

    def __enter__(self) -> None:
        self.made: list[str] = []
        try:
            importlib.import_module("torchvision.transforms.functional")
        except (ImportError, RuntimeError):
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            functional = types.ModuleType("torchvision.transforms.functional")
            functional.__dict__.update(InterpolationMode=Enum("InterpolationMode", ["NEAREST", "BILINEAR", "BICUBIC"]))
            functional.__dict__.update(normalize=_normalize, rotate=_no_rotation)
            self.made = ["torchvision", "torchvision.transforms", functional.__name__]
            for name in self.made[:2]:
                sys.modules[name] = types.ModuleType(name)
            sys.modules[functional.__name__] = functional

    def __exit__(self, *_: object) -> None:
        for name in self.made:
            sys.modules.pop(name, None)


def _normalize(image: torch.Tensor, mean: Any, std: Any, inplace: bool = False) -> torch.Tensor:
    """(image - mean) / std, channel by channel, as torchvision's."""
    mean, std = (torch.as_tensor(values).to(image)[:, None, None] for values in (mean, std))
    return image.sub_(mean).div_(std) if inplace else (image - mean) / std


def _no_rotation(*arguments: object, **settings: object) -> torch.Tensor:
    raise CheckpointError("This architecture (LaMa) needs torchvision, and fills holes; it does not upscale.")
