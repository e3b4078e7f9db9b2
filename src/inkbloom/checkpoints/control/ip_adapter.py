"""Opening an IP-Adapter in the layout of its authors (`ip-adapter_sd15`), and the image encoder that goes with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch

from inkbloom.checkpoints.control.opening import ControlFile, open_control
from inkbloom.checkpoints.diffusers_folder import Config, open_weights
from inkbloom.checkpoints.keymap import Row, clip_vision_rows, renamed
from inkbloom.checkpoints.loading import fill
from inkbloom.checkpoints.source import Part
from inkbloom.core.errors import CheckpointError
from inkbloom.models.clip import ClipVisionSpec
from inkbloom.models.ip_adapter import ImageEncoder, IPAdapter, IPAdapterSpec, cross_attentions
from inkbloom.models.unet import UNet

ENCODER_FOLDER = "image_encoder"
"""Where the image encoder lies beside an IP-Adapter's file."""

_NONE = re.compile(r"(?!)")
_LEFTOVERS = re.compile(r"vision_model\.embeddings\.position_ids")
_FIXED = {"layer_norm_eps": (1e-5,), "model_type": ("clip_vision_model",), "num_channels": (3,)}


def load_ip_adapter(source: str | Path | ControlFile, unet: UNet) -> IPAdapter:
    """The IP-Adapter in a file, for this U-Net; on the CPU, in the file's precision.

    Raises `CheckpointError` for a file that cannot be read, is something else or is for another model.
    """
    file = source if isinstance(source, ControlFile) else open_control(source)
    if file.kind != "IP-Adapter":
        raise CheckpointError(f"{file.path} holds another kind of control ({file.kind}), not an IP-Adapter.")
    wide, image_dim = file.part.shape("image_proj.proj.weight")
    context_dim = unet.spec.context_dim
    spec = IPAdapterSpec(
        image_dim=image_dim,
        context_dim=context_dim,
        attention_widths=tuple(attention.q.out_features for attention in cross_attentions(unet)),
        num_tokens=max(1, wide // context_dim),
    )
    with torch.device("meta"):
        adapter = IPAdapter(spec)
    theirs = renamed(ip_rows(spec), "ldm", adapter.state_dict())
    fill(adapter, theirs, file.part, leftovers=_NONE, label="IP-Adapter for such a model")
    return adapter.requires_grad_(False)


def ip_rows(spec: IPAdapterSpec) -> Iterator[Row]:
    """Its one layout, said by both columns."""
    pairs = [("project", "image_proj.proj"), ("norm", "image_proj.norm")]
    for i in range(len(spec.attention_widths)):
        # The even numbers are the self-attentions, to which nothing is added
        pairs += [(f"{one}.{i}", f"ip_adapter.{2 * i + 1}.to_{one}_ip") for one in ("k", "v")]
    return (Row(ours, theirs, theirs) for ours, theirs in pairs)


def load_image_encoder(folder: str | Path) -> ImageEncoder:
    """transformers' `CLIPVisionModelWithProjection` in a folder; on the CPU, in the file's precision.

    Raises `CheckpointError` for what is missing, or for a field that we cannot follow.
    """
    folder = Path(folder)
    config = Config(folder / "config.json", _FIXED)
    spec = read_vision_spec(config)
    with torch.device("meta"):
        encoder = ImageEncoder(spec, config.integer("projection_dim"))
    file = open_weights(folder, "text")  # whose files are named alike
    theirs = renamed(clip_vision_rows(spec), "diffusers", encoder.state_dict())
    part = Part(file, {name: name for name in file.shapes})
    fill(encoder, theirs, part, leftovers=_LEFTOVERS, label="image encoder")
    return encoder.requires_grad_(False)


def read_vision_spec(config: Config) -> ClipVisionSpec:
    """CLIP's image tower as a configuration describes it; `CheckpointError` for a field that we cannot follow."""
    width = config.integer("hidden_size")
    if config.integer("intermediate_size") != 4 * width:
        raise config.wrong("intermediate_size", f"4 times hidden_size, {4 * width}")
    activation = config.choose("hidden_act", ("quick_gelu", "gelu"))
    return ClipVisionSpec(
        image_size=config.integer("image_size"),
        patch_size=config.integer("patch_size"),
        width=width,
        num_layers=config.integer("num_hidden_layers"),
        num_heads=config.integer("num_attention_heads"),
        activation="gelu" if activation == "gelu" else "quick_gelu",
    )
