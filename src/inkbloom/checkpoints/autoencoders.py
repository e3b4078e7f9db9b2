"""An autoencoder by itself, KL or VQ: as a file that other programs take for a VAE, or as diffusers' folder.

The file has the LDM layout without its prefix. `load_first_stage` opens either kind again, or that of a whole model; a
KL one is also what `load(components=["autoencoder"])` opens.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import torch

from inkbloom.checkpoints.diffusers_config import autoencoder_config
from inkbloom.checkpoints.keymap import LDM_PREFIX, LEFTOVERS, as_on_disk, autoencoder_rows, renamed
from inkbloom.checkpoints.ldm import SPEC_KEY, autoencoder_spec
from inkbloom.checkpoints.loading import fill, load
from inkbloom.checkpoints.saving import write_safetensors
from inkbloom.checkpoints.source import Part
from inkbloom.checkpoints.tensors import open_tensors
from inkbloom.checkpoints.writing import write_whole
from inkbloom.core.errors import CheckpointError
from inkbloom.families.sd1 import SD1
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.models.vq import VQModel, VQSpec

CODEBOOK = "quantize.embedding.weight"
NORM_GROUPS_KEY = "inkbloom.norm_groups"
"""Where a VQ file says the one size that its tensors do not tell."""


def save_autoencoder(
    path: str | Path,
    model: AutoencoderKL | VQModel,
    *,
    latent_scale: float,
    size: int,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write `path` as one file where it ends in `.safetensors`, else as a folder that diffusers' class opens.

    `latent_scale` brings raw latents to unit variance, `size` is that of the pictures it was trained on. `dtype` None
    keeps each tensor's own. `metadata` goes into the tensors' file. Raises `OutputError`, `RequestError` for a dtype.
    """
    path = Path(path)
    alone = path.suffix == ".safetensors"
    state = model.state_dict()
    theirs = renamed(autoencoder_rows(model.spec), "ldm" if alone else "diffusers", state)
    tensors = {theirs[ours]: as_on_disk(tensor, theirs[ours]) for ours, tensor in state.items()}
    facts = _facts(model, latent_scale, size) | dict(metadata or {})

    def write(place: Path) -> None:
        if alone:
            write_safetensors(place, tensors, dtype=dtype, metadata=facts)
            return
        place.mkdir()
        config = autoencoder_config(model.spec, latent_scale, size)
        (place / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        write_safetensors(place / "diffusion_pytorch_model.safetensors", tensors, dtype=dtype, metadata=facts)

    write_whole(path, write)


def load_first_stage(path: str | Path) -> AutoencoderKL | VQModel:
    """The autoencoder of a file or folder, of whichever kind, in float32. As `load` and `load_vq` raise."""
    path = Path(path)
    if path.is_file() and any(name.endswith(CODEBOOK) for name in open_tensors(path).shapes):
        return load_vq(path).float()
    autoencoder = load(path, components=["autoencoder"], dtype=torch.float32).autoencoder
    assert autoencoder is not None
    return autoencoder


def load_vq(path: str | Path) -> VQModel:
    """Open a file of a VQ autoencoder in the LDM layout, by itself or inside a whole model.

    Raises `CheckpointError` where it holds none, `KeyMismatchError` where its tensors are not those of one.
    """
    file = open_tensors(Path(path))
    prefix = "" if CODEBOOK in file.shapes else LDM_PREFIX["autoencoder"]
    named = {name.removeprefix(prefix): name for name in file.shapes if name.startswith(prefix)}
    if CODEBOOK not in named:
        raise CheckpointError(f'{path} is no VQ autoencoder: it lacks the tensor "{CODEBOOK}".')
    shapes = {name: file.shapes[there] for name, there in named.items()}
    try:
        sizes = autoencoder_spec(shapes)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is no VQ autoencoder: {error}") from error
    groups = file.metadata.get(NORM_GROUPS_KEY, str(sizes.norm_groups))
    if not groups.isdecimal() or any(int(groups) < 1 or width % int(groups) for width in sizes.level_channels):
        raise CheckpointError(f"{path}: norm_groups is {groups}; it must divide all of {sizes.level_channels}.")
    spec = VQSpec(
        level_channels=sizes.level_channels,
        num_blocks=sizes.num_blocks,
        latent_channels=sizes.latent_channels,
        norm_groups=int(groups),
        codebook_size=shapes[CODEBOOK][0],
    )
    with torch.device("meta"):
        model = VQModel(spec)
    theirs = renamed(autoencoder_rows(spec), "ldm", model.state_dict())
    fill(model, theirs, Part(file, named), leftovers=LEFTOVERS["autoencoder"], label="VQ autoencoder")
    return model


def _facts(model: AutoencoderKL | VQModel, latent_scale: float, size: int) -> dict[str, str]:
    if isinstance(model, VQModel):
        return {NORM_GROUPS_KEY: str(model.spec.norm_groups)}
    # The spec of a whole model, whose other networks are not there and stand as Stable Diffusion 1's.
    latents = model.spec.latent_channels
    unet = dataclasses.replace(SD1.unet, in_channels=latents, out_channels=latents)
    spec = dataclasses.replace(SD1, unet=unet, autoencoder=model.spec, latent_scale=latent_scale, default_size=size)
    return {SPEC_KEY: spec.to_json()}
