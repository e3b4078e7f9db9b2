"""The key maps: what each layer of our networks is called in the two layouts on disk.

One table for each network, generated from its spec, with three columns: our module's path, its path in the LDM layout
(CompVis' single files) and in the diffusers layout (folders). Every map, in either direction, is read off this table.
Columns do not carry the prefixes under which a whole network lies in a single file; those are `LDM_PREFIX`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.models.clip import ClipSpec, ClipVisionSpec
from inkbloom.models.clip_text import ClipTextSpec
from inkbloom.models.unet import UNetSpec
from inkbloom.models.vq import VQSpec

Component = Literal["text", "unet", "autoencoder"]
COMPONENTS: tuple[Component, ...] = ("text", "unet", "autoencoder")

Layout = Literal["ldm", "diffusers"]

LDM_PREFIX: dict[Component, str] = {
    "text": "cond_stage_model.transformer.",
    "unet": "model.diffusion_model.",
    "autoencoder": "first_stage_model.",
}

Triple = tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    """A module (or a bare parameter) in our words, in LDM's and in diffusers'."""

    ours: str
    ldm: str
    diffusers: str

    def joined(self, part: Triple) -> Row:
        """The row of a module inside this one."""
        return Row(
            *(f"{whole}.{name}" for whole, name in zip((self.ours, self.ldm, self.diffusers), part, strict=True))
        )


def rows(component: Component, spec: ModelSpec) -> list[Row]:
    """The whole table of one network."""
    match component:
        case "text":
            return list(text_rows(spec.text))
        case "unet":
            return list(unet_rows(spec.unet))
        case "autoencoder":
            return list(autoencoder_rows(spec.autoencoder))


def names(component: Component, spec: ModelSpec, layout: Layout, ours: Iterable[str]) -> dict[str, str]:
    """For each of our tensors its name in `layout`."""
    return renamed(rows(component, spec), layout, ours)


def renamed(table: Iterable[Row], layout: Layout, ours: Iterable[str]) -> dict[str, str]:
    """`names` for any table."""
    by_module = {row.ours: row.ldm if layout == "ldm" else row.diffusers for row in table}
    result = {}
    for name in ours:
        module, _, leaf = name.rpartition(".")
        result[name] = by_module[name] if name in by_module else f"{by_module[module]}.{leaf}"
    return result


# The LDM layout writes the autoencoder's attention as 1x1 convolutions: the numbers of our linear layers, two
# dimensions more.
_LDM_CONV = re.compile(r"\.mid\.attn_1\.(q|k|v|proj_out)\.weight$")


def as_on_disk(tensor: Tensor, name: str) -> Tensor:
    """Our tensor in the shape that its `name` has on disk."""
    return tensor[:, :, None, None] if _LDM_CONV.search(name) else tensor


def fits(shape: tuple[int, ...], ours: tuple[int, ...]) -> bool:
    """Whether a tensor of this shape on disk is ours: the same shape, or a 1x1 convolution against a linear layer, or a
    single number against a vector of one."""
    if (shape, ours) == ((), (1,)):
        return True
    return shape == ours or (len(shape) + len(ours) == 6 and (*shape, 1, 1)[:4] == (*ours, 1, 1)[:4])


# What files may hold inside a network beyond its tensors, to be ignored (names as in the maps).
LEFTOVERS: dict[Component, re.Pattern[str]] = {
    "text": re.compile(r"text_model\.embeddings\.position_ids|logit_scale|text_projection(\.weight)?"),
    "unet": re.compile(r"(?!)"),
    "autoencoder": re.compile(r"(loss|model_ema)\..*"),
}


# Spellings of old files, and of ones that transformers 5 writes: (component, pattern, our spelling of the layout).
_OLD_SPELLINGS: list[tuple[Component, str, str]] = [
    ("text", r"^(embeddings|encoder|final_layer_norm)\.", r"text_model.\1."),
    ("autoencoder", r"(mid_block\.attentions\.0)\.query\.", r"\1.to_q."),
    ("autoencoder", r"(mid_block\.attentions\.0)\.key\.", r"\1.to_k."),
    ("autoencoder", r"(mid_block\.attentions\.0)\.value\.", r"\1.to_v."),
    ("autoencoder", r"(mid_block\.attentions\.0)\.proj_attn\.", r"\1.to_out.0."),
]


def modern(component: Component, name: str) -> str:
    """A tensor's name (without the prefix of a single file) in today's spelling of its layout."""
    for of, old, new in _OLD_SPELLINGS:
        if of == component:
            name = re.sub(old, new, name)
    return name


# What lies inside a block, in the three columns.

_UNET_RESNET: list[Triple] = [
    ("norm1", "in_layers.0", "norm1"),
    ("conv1", "in_layers.2", "conv1"),
    ("time", "emb_layers.1", "time_emb_proj"),
    ("norm2", "out_layers.0", "norm2"),
    ("conv2", "out_layers.3", "conv2"),
    ("skip", "skip_connection", "conv_shortcut"),
]

_TRANSFORMER: list[Triple] = [(name, name, name) for name in ("norm", "proj_in", "proj_out")]

_TRANSFORMER_BLOCK: list[Triple] = [
    (ours, theirs, theirs)
    for ours, theirs in [
        ("norm1", "norm1"),
        ("norm2", "norm2"),
        ("norm3", "norm3"),
        *[
            (f"{ours}.{part}", f"{theirs}.{their_part}")
            for ours, theirs in (("self_attention", "attn1"), ("cross_attention", "attn2"))
            for part, their_part in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("out", "to_out.0"))
        ],
        ("feed_forward.widen", "ff.net.0.proj"),
        ("feed_forward.narrow", "ff.net.2"),
    ]
]

_AUTOENCODER_RESNET: list[Triple] = [
    *[(name, name, name) for name in ("norm1", "conv1", "norm2", "conv2")],
    ("skip", "nin_shortcut", "conv_shortcut"),
]

_AUTOENCODER_ATTENTION: list[Triple] = [
    ("attention.q", "mid.attn_1.q", "mid_block.attentions.0.to_q"),
    ("attention.k", "mid.attn_1.k", "mid_block.attentions.0.to_k"),
    ("attention.v", "mid.attn_1.v", "mid_block.attentions.0.to_v"),
    ("attention.out", "mid.attn_1.proj_out", "mid_block.attentions.0.to_out.0"),
]

_CLIP_LAYER: list[Triple] = [
    (ours, theirs, theirs)
    for ours, theirs in [
        ("norm1", "layer_norm1"),
        *[(f"attention.{part}", f"self_attn.{part}_proj") for part in ("q", "k", "v", "out")],
        ("norm2", "layer_norm2"),
        ("fc1", "mlp.fc1"),
        ("fc2", "mlp.fc2"),
    ]
]


def _inside(row: Row, parts: list[Triple]) -> Iterator[Row]:
    return (row.joined(part) for part in parts)


def _spatial_transformer(row: Row, depth: int) -> Iterator[Row]:
    yield from _inside(row, _TRANSFORMER)
    for d in range(depth):
        their_block = f"transformer_blocks.{d}"
        yield from _inside(row.joined((f"blocks.{d}", their_block, their_block)), _TRANSFORMER_BLOCK)


def unet_rows(spec: UNetSpec) -> Iterator[Row]:
    """The table of a U-Net alone."""
    yield Row("time_in", "time_embed.0", "time_embedding.linear_1")
    yield Row("time_out", "time_embed.2", "time_embedding.linear_2")
    yield Row("conv_in", "input_blocks.0.0", "conv_in")
    last = len(spec.levels) - 1

    # LDM counts all blocks of the way down in one row: conv_in is 0, a level's downsampling is a block of its own.
    n = 1
    for i, level in enumerate(spec.levels):
        for j in range(level.num_blocks):
            yield from _inside(
                Row(f"down.{i}.resnets.{j}", f"input_blocks.{n}.0", f"down_blocks.{i}.resnets.{j}"), _UNET_RESNET
            )
            if level.transformer_depth:
                transformer = Row(
                    f"down.{i}.transformers.{j}", f"input_blocks.{n}.1", f"down_blocks.{i}.attentions.{j}"
                )
                yield from _spatial_transformer(transformer, level.transformer_depth)
            n += 1
        if i < last:
            yield Row(f"down.{i}.downsample.conv", f"input_blocks.{n}.0.op", f"down_blocks.{i}.downsamplers.0.conv")
            n += 1

    yield from _inside(Row("mid.resnet1", "middle_block.0", "mid_block.resnets.0"), _UNET_RESNET)
    yield from _spatial_transformer(
        Row("mid.transformer", "middle_block.1", "mid_block.attentions.0"), spec.mid_transformer_depth
    )
    yield from _inside(Row("mid.resnet2", "middle_block.2", "mid_block.resnets.1"), _UNET_RESNET)

    # On the way up, an upsampling shares the number of its level's last block, behind the transformer where there is
    # one.
    n = 0
    for i, level in enumerate(reversed(spec.levels)):
        for j in range(level.num_blocks + 1):
            yield from _inside(
                Row(f"up.{i}.resnets.{j}", f"output_blocks.{n}.0", f"up_blocks.{i}.resnets.{j}"), _UNET_RESNET
            )
            if level.transformer_depth:
                transformer = Row(f"up.{i}.transformers.{j}", f"output_blocks.{n}.1", f"up_blocks.{i}.attentions.{j}")
                yield from _spatial_transformer(transformer, level.transformer_depth)
            n += 1
        if i < last:
            place = 2 if level.transformer_depth else 1
            yield Row(
                f"up.{i}.upsample.conv", f"output_blocks.{n - 1}.{place}.conv", f"up_blocks.{i}.upsamplers.0.conv"
            )

    yield Row("norm_out", "out.0", "conv_norm_out")
    yield Row("conv_out", "out.2", "conv_out")


def autoencoder_rows(spec: AutoencoderSpec) -> Iterator[Row]:
    if isinstance(spec, VQSpec):
        yield Row("quantize.embedding", "quantize.embedding", "quantize.embedding")
    yield Row("quant_conv", "quant_conv", "quant_conv")
    yield Row("post_quant_conv", "post_quant_conv", "post_quant_conv")
    for half in ("encoder", "decoder"):
        yield Row(f"{half}.conv_in", f"{half}.conv_in", f"{half}.conv_in")
        yield Row(f"{half}.norm_out", f"{half}.norm_out", f"{half}.conv_norm_out")
        yield Row(f"{half}.conv_out", f"{half}.conv_out", f"{half}.conv_out")
        for j in (1, 2):
            resnet = Row(f"{half}.mid.resnet{j}", f"{half}.mid.block_{j}", f"{half}.mid_block.resnets.{j - 1}")
            yield from _inside(resnet, _AUTOENCODER_RESNET)
        yield Row(f"{half}.mid.norm", f"{half}.mid.attn_1.norm", f"{half}.mid_block.attentions.0.group_norm")
        for ours, ldm, diffusers in _AUTOENCODER_ATTENTION:
            yield Row(f"{half}.mid.{ours}", f"{half}.{ldm}", f"{half}.{diffusers}")

    num_levels = len(spec.level_channels)
    for i in range(num_levels):
        level = Row(f"encoder.levels.{i}", f"encoder.down.{i}", f"encoder.down_blocks.{i}")
        for j in range(spec.num_blocks):
            yield from _inside(level.joined((f"resnets.{j}", f"block.{j}", f"resnets.{j}")), _AUTOENCODER_RESNET)
        if i < num_levels - 1:
            yield level.joined(("downsample.conv", "downsample.conv", "downsamplers.0.conv"))

        # LDM numbers the decoder's levels by resolution, so that it runs from the last to the first.
        level = Row(f"decoder.levels.{i}", f"decoder.up.{num_levels - 1 - i}", f"decoder.up_blocks.{i}")
        for j in range(spec.num_blocks + 1):
            yield from _inside(level.joined((f"resnets.{j}", f"block.{j}", f"resnets.{j}")), _AUTOENCODER_RESNET)
        if i < num_levels - 1:
            yield level.joined(("upsample.conv", "upsample.conv", "upsamplers.0.conv"))


def text_rows(spec: ClipTextSpec) -> Iterator[Row]:
    for ours, theirs in [
        ("token_embedding", "text_model.embeddings.token_embedding"),
        ("position_embedding", "text_model.embeddings.position_embedding.weight"),
        ("final_norm", "text_model.final_layer_norm"),
    ]:
        yield Row(ours, theirs, theirs)
    for i in range(spec.num_layers):
        theirs = f"text_model.encoder.layers.{i}"
        yield from _inside(Row(f"layers.{i}", theirs, theirs), _CLIP_LAYER)


def clip_rows(spec: ClipSpec) -> Iterator[Row]:
    """The whole of CLIP, which has one layout (transformers' `CLIPModel`); both columns say it."""
    yield from (Row(f"text.{row.ours}", row.ldm, row.diffusers) for row in text_rows(spec.text))
    yield from (Row(name, name, name) for name in ("text_projection", "logit_scale"))
    yield from clip_vision_rows(spec.vision)


def clip_vision_rows(spec: ClipVisionSpec) -> Iterator[Row]:
    """CLIP's image tower and its projection."""
    for ours, theirs in [
        ("visual_projection", "visual_projection"),
        ("vision.patches", "vision_model.embeddings.patch_embedding"),
        ("vision.class_token", "vision_model.embeddings.class_embedding"),
        ("vision.position_embedding", "vision_model.embeddings.position_embedding.weight"),
        ("vision.first_norm", "vision_model.pre_layrnorm"),  # misspelt there
        ("vision.final_norm", "vision_model.post_layernorm"),
    ]:
        yield Row(ours, theirs, theirs)
    for i in range(spec.num_layers):
        theirs = f"vision_model.encoder.layers.{i}"
        yield from _inside(Row(f"vision.layers.{i}", theirs, theirs), _CLIP_LAYER)
