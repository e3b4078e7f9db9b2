"""A1111's keys for pictures that start from a picture, from varied noise, or repeat without a seam."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from inkbloom.pipelines.request import ResolvedRequest

EDITING_KEYS = {
    *("Variation seed", "Variation seed strength", "Seed resize from", "Tiling"),
    *("Denoising strength", "Image CFG scale", "Init image hash", "Extra noise", "Noise multiplier"),
    *("Mask blur", "Mask mode", "Masked content", "Inpaint area", "Masked area padding", "Conditional mask weight"),
}

_CONTENT = {"fill": "fill", "original": "original", "noise": "latent noise", "nothing": "latent nothing"}
_TILING = {"both": "True", "x": "x", "y": "y"}
"""A1111 has no single axes; those are ours."""


def seed_values(request: ResolvedRequest) -> dict[str, Any]:
    """The keys of varied noise; None where one is not written."""
    varied = bool(request.variation_strength)
    return {
        "Variation seed": request.variation_seed if varied else None,
        "Variation seed strength": request.variation_strength if varied else None,
        "Seed resize from": f"{request.seed_width}x{request.seed_height}" if request.seed_width else None,
    }


def editing_values(request: ResolvedRequest) -> dict[str, Any]:
    """The keys of a picture to start from and of its mask."""
    source = request.init_image
    if source is None:
        return {"Tiling": _TILING.get(request.tiling)}
    values: dict[str, Any] = {
        "Denoising strength": request.strength,
        "Image CFG scale": request.image_guidance_scale if request.image_guidance_scale != 1.5 else None,
        "Noise multiplier": request.noise_multiplier if request.noise_multiplier != 1 else None,
        "Extra noise": request.extra_noise or None,
        "Tiling": _TILING.get(request.tiling),
        # Of the pixels, as A1111 takes it
        "Init image hash": hashlib.md5(source.open().tobytes(), usedforsecurity=False).hexdigest(),
    }
    if request.mask_image is None and not any(request.outpaint):
        return values
    masked_area = request.inpaint_area == "masked"
    return values | {
        "Mask mode": "Inpaint not masked" if request.mask_invert else None,
        "Mask blur": request.mask_blur or None,
        "Inpaint area": "Only masked" if masked_area else None,
        "Masked area padding": request.inpaint_padding if masked_area else None,
        "Masked content": _CONTENT[request.masked_content] if request.masked_content != "original" else None,
        "Conditional mask weight": request.mask_strength if request.mask_strength != 1 else None,
    }


def editing_settings(values: Mapping[str, str], told: list[str]) -> dict[str, Any]:
    """The request's fields that the keys say, still unchecked; what cannot be had again is told."""
    if "Init image hash" in values:
        told.append("It was painted from another picture, which it does not hold; give that as init_image.")
    if "Masked content" in values or "Mask blur" in values:
        told.append("A part of it was repainted by a mask, which it does not hold; give that as mask_image.")
    contents = {theirs: ours for ours, theirs in _CONTENT.items()}
    tiling = {theirs: ours for ours, theirs in _TILING.items()} | {"False": "none"}
    inverted = values.get("Mask mode") == "Inpaint not masked"
    area = "masked" if values.get("Inpaint area") == "Only masked" else None
    content, tiled = values.get("Masked content"), values.get("Tiling")
    return {
        "variation_seed": values.get("Variation seed"),
        "variation_strength": values.get("Variation seed strength"),
        "seed_width": values.get("Seed resize from-1"),
        "seed_height": values.get("Seed resize from-2"),
        "tiling": tiled and tiling.get(tiled, tiled),
        "strength": values.get("Denoising strength"),
        "image_guidance_scale": values.get("Image CFG scale"),
        "noise_multiplier": values.get("Noise multiplier"),
        "extra_noise": values.get("Extra noise"),
        "mask_blur": values.get("Mask blur"),
        "mask_invert": inverted or None,
        "inpaint_area": area,
        "inpaint_padding": values.get("Masked area padding"),
        "masked_content": content and contents.get(content, content),
        "mask_strength": values.get("Conditional mask weight"),
    }
