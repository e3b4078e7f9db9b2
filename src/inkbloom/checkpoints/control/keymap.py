"""What each layer of a ControlNet is called in the two layouts; its way down has the U-Net's names in both."""

from __future__ import annotations

from collections.abc import Iterator

from inkbloom.checkpoints.keymap import Row, unet_rows
from inkbloom.models.controlnet import ControlNetSpec

LDM_PREFIX = "control_model."

_SHARED = ("time_in", "time_out", "conv_in", "down.", "mid.")


def controlnet_rows(spec: ControlNetSpec) -> Iterator[Row]:
    """Without a single file's prefix."""
    yield from (row for row in unet_rows(spec.unet) if row.ours.startswith(_SHARED))

    # LDM counts the activations between the convolutions too
    last = 2 * len(spec.hint_channels) - 1
    for i in range(last + 1):
        theirs = "conv_in" if i == 0 else "conv_out" if i == last else f"blocks.{i - 1}"
        yield Row(f"hint.convs.{i}", f"input_hint_block.{2 * i}", f"controlnet_cond_embedding.{theirs}")

    levels = spec.unet.levels
    num_skips = sum(level.num_blocks for level in levels) + len(levels)
    for i in range(num_skips):
        yield Row(f"skips_out.{i}", f"zero_convs.{i}.0", f"controlnet_down_blocks.{i}")
    yield Row("middle_out", "middle_block_out.0", "controlnet_mid_block")
