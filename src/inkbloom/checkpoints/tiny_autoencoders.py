"""Files of tiny autoencoders: `taesd_decoder` and `taesd_encoder`, .safetensors or .pth, or diffusers' AutoencoderTiny.

    TAESD       N.weight, N.conv.M.weight       one half a file; the decoder counts its clamp as layer 0
    diffusers   decoder.layers.N..., encoder.layers.N...    both; a file, or a folder with it

How wide and deep it is, is read off the shapes.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeVar

import torch

from inkbloom.checkpoints.loading import fill
from inkbloom.checkpoints.saving import write_safetensors
from inkbloom.checkpoints.source import Part
from inkbloom.checkpoints.tensors import open_tensors
from inkbloom.checkpoints.writing import write_whole
from inkbloom.core.errors import CheckpointError
from inkbloom.models.tiny_autoencoder import TinyDecoder, TinyEncoder, TinySpec

Half = Literal["decoder", "encoder"]
Network = TypeVar("Network", TinyDecoder, TinyEncoder)

_KEY = re.compile(r"(\d+)\.((?:conv\.[024]\.)?(?:weight|bias))")
_ALONE = re.compile(r"layers\.(-?\d+)\.weight")
_BLOCK = re.compile(r"layers\.(\d+)\.conv\.0\.weight")
_OTHER_HALF = re.compile(r"(?:en|de)coder\.layers\.")
_NONE = re.compile(r"(?!)")
_COLORS, _DIMENSIONS = 3, 4
_CLAMP = 1
"""How many layers TAESD's decoder counts before ours."""


def load_tiny_decoder(path: str | Path) -> TinyDecoder:
    """The decoder of a file or diffusers folder, float32 on the CPU, frozen.

    `CheckpointError` for a file that cannot be read or has none, `KeyMismatchError` where tensors miss or do not fit.
    """
    source, spec = _find(Path(path), "decoder")
    with torch.device("meta"):
        network = TinyDecoder(spec)
    return _filled(network, source)


def load_tiny_encoder(path: str | Path) -> TinyEncoder:
    """The encoder; as `load_tiny_decoder`."""
    source, spec = _find(Path(path), "encoder")
    with torch.device("meta"):
        network = TinyEncoder(spec)
    return _filled(network, source)


def save_tiny_decoder(path: str | Path, decoder: TinyDecoder) -> None:
    """Write it in float16 as a `taesd_decoder.safetensors`. `OutputError` where the file cannot be written."""
    state = decoder.layers.state_dict()
    moved = {re.sub(r"\d+", lambda digits: str(int(digits[0]) + _CLAMP), key, count=1): state[key] for key in state}
    write_whole(Path(path), lambda place: write_safetensors(place, moved, dtype=torch.float16))


def _filled(network: Network, part: Part) -> Network:
    fill(network, {name: name for name in network.state_dict()}, part, leftovers=_NONE, label="tiny autoencoder")
    return network.float().requires_grad_(False)


def _find(path: Path, half: Half) -> tuple[Part, TinySpec]:
    """The half's tensors by our names, and its sizes."""
    file = open_tensors(next(iter(sorted(path.glob("diffusion_pytorch_model.*"))), path) if path.is_dir() else path)
    prefix = f"{half}.layers."
    diffusers = any(name.startswith(prefix) for name in file.shapes)
    before = _CLAMP if half == "decoder" and not diffusers else 0
    names: dict[str, str] = {}
    for name in file.shapes:
        found = _KEY.fullmatch(name.removeprefix(prefix) if diffusers else name)
        if found:
            names[f"layers.{int(found[1]) - before}.{found[2]}"] = name
        elif not (diffusers and _OTHER_HALF.match(name)):
            names[name] = name
    part = Part(file, names)
    return part, _spec(part, half)


def _spec(part: Part, half: Half) -> TinySpec:
    """Between two convolutions that stand alone are the blocks of one resolution."""
    alone = sorted(int(found[1]) for name in part.names if (found := _ALONE.fullmatch(name)))
    none = CheckpointError(f"{part.file.path} holds no {half} of a tiny autoencoder.")
    blocks = [int(found[1]) for name in part.names if (found := _BLOCK.fullmatch(name))]
    ends = [part.shape(f"layers.{number}.weight") for number in (*alone[:1], *alone[-1:])]
    if len(alone) < 2 or alone[0] != 0 or any(len(shape) != _DIMENSIONS for shape in ends):
        raise none
    (channels, came), (went, _) = (shape[:2] for shape in ends)
    colors, latent_channels = (went, came) if half == "decoder" else (came, went)
    if colors != _COLORS:
        raise none
    return TinySpec(
        channels=channels,
        blocks=tuple(sum(begin < number < end for number in blocks) for begin, end in pairwise(alone)),
        latent_channels=latent_channels,
    )
