"""A1111's keys for the second pass at a higher resolution; "Hires CFG Scale" is Forge's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inkbloom.pipelines.request import ResolvedRequest

_READ = {
    "Hires upscale": "scale",
    "Hires resize-1": "width",
    "Hires resize-2": "height",
    "Hires steps": "steps",
    "Hires upscaler": "upscaler",
    "Hires sampler": "sampler",
    "Hires schedule type": "schedule",
    "Hires prompt": "prompt",
    "Hires negative prompt": "negative_prompt",
    "Hires CFG Scale": "guidance_scale",
}
RESOLUTION_KEYS = {key.partition("-")[0] for key in _READ}
_SAME = ("Use same sampler", "Use same scheduler", "0", "")
"""What A1111 says where a setting is that of the first pass."""


def resolution_values(request: ResolvedRequest, *, with_prompt: bool) -> dict[str, Any]:
    """The keys of the second pass; None where one is not written."""
    hires = request.hires
    if hires is None:
        return {}
    sized = hires.width is not None or hires.height is not None
    return {
        "Denoising strength": hires.strength,
        "Hires upscale": None if sized else hires.scale,
        "Hires resize": f"{hires.width or 0}x{hires.height or 0}" if sized else None,
        "Hires steps": hires.steps,
        "Hires upscaler": hires.upscaler,
        "Hires sampler": hires.sampler,
        "Hires schedule type": hires.schedule,
        "Hires CFG Scale": hires.guidance_scale,
        "Hires prompt": hires.prompt if with_prompt else None,
        "Hires negative prompt": hires.negative_prompt if with_prompt else None,
    }


def resolution_settings(values: Mapping[str, str]) -> dict[str, Any]:
    """The request's field `hires`, and its strength, which is then no longer that of a picture to start from."""
    found = {ours: values[key] for key, ours in _READ.items() if values.get(key, "") not in _SAME}
    if not found:
        return {}
    if "Denoising strength" in values:
        found["strength"] = values["Denoising strength"]
    return {"hires": found, "strength": None}
