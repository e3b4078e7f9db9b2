"""ControlNet's units, as sd-webui-controlnet takes them in `alwayson_scripts`, into ours.

What a client leaves null means what it means where it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inkbloom.apps.api.a1111.pictures import Store
from inkbloom.core.errors import RequestError, nearest

MODES = {
    "balanced": "balanced",
    "my prompt is more important": "prompt",
    "controlnet is more important": "control",
}
RESIZES = {
    "just resize": "stretch",
    "crop and resize": "crop",
    "resize and fill": "fill",
    "scale to fit (inner fit)": "crop",
    "inner fit (scale to fit)": "crop",
    "envelope (outer fit)": "fill",
    "outer fit (shrink to fit)": "fill",
}
"""The first three of both are also asked for by their numbers."""
_RESOLUTIONS = range(64, 2049)


def controls(
    scripts: Mapping[str, Any], init_image: str | None, store: Store, *, hires: bool = False
) -> list[dict[str, Any]]:
    """The fields of our control units, of all that are enabled. A unit without a picture reads `init_image`.

    `hires`: there is a second pass. `RequestError` for what is no unit, and for what a unit cannot do here.
    """
    found = next((script for name, script in scripts.items() if name.lower() == "controlnet"), None) or {}
    units = found.get("args") or [] if isinstance(found, dict) else found
    if not isinstance(units, list) or not all(isinstance(unit, dict) for unit in units):
        raise RequestError("alwayson_scripts controlnet: args must be a list of units, each an object.")
    made = []
    for i, unit in enumerate(units):
        given = {name: value for name, value in unit.items() if value is not None}
        if given.get("enabled", True):
            made.append(_control(given, f"alwayson_scripts controlnet unit {i}", init_image, store, hires))
    return made


def thresholds(module: str, a: Any, b: Any) -> list[float | None]:
    """Those that a preprocessor has; None, its own, for what is out of range.

    That is the extension's rule, since its clients send numbers to all preprocessors.
    """
    from inkbloom.pipelines.preprocessing import find_preprocessor

    settings = find_preprocessor(module).settings
    return [
        value if isinstance(value, int | float) and setting.low <= value <= setting.high else None
        for setting, value in zip(settings, (a, b), strict=False)
    ]


def resolution(asked: Any) -> int | None:
    """The shorter side while preprocessing; None, as painted, for what is out of range, by the same rule."""
    return asked if isinstance(asked, int) and asked in _RESOLUTIONS else None


def _control(unit: Mapping[str, Any], where: str, init_image: str | None, store: Store, hires: bool) -> dict[str, Any]:
    image, mask = unit.get("image") or unit.get("input_image"), unit.get("mask") or unit.get("mask_image")
    if isinstance(image, dict):  # as its page sends it, with a mask painted over
        image, mask = image.get("image"), mask or image.get("mask")
    if not image and init_image is None:
        raise RequestError(f"{where}: give it an image, base64.")
    for name in ("advanced_weighting", "effective_region_mask", "ipadapter_input"):
        if unit.get(name):
            raise RequestError(f"{where}: {name} is not there; leave it out.")
    if hires and str(unit.get("hr_option", "Both")).lower() not in ("both", "0"):
        raise RequestError(f'{where}: hr_option "{unit["hr_option"]}": a unit acts in both passes; give "Both".')
    module = str(unit.get("module") or "none")
    is_reference = module.lower().startswith("reference")
    preprocessor = "none" if is_reference or module.lower() == "none" else module
    numbers = thresholds(preprocessor, unit.get("threshold_a"), unit.get("threshold_b"))
    return {
        "image": store(image) if image else init_image,
        "mask": store(mask) if mask else None,
        "preprocessor": preprocessor,
        "model": "reference_only" if is_reference else _untitled(str(unit.get("model") or "None")),
        "weight": unit.get("weight", 1.0),
        "start": unit.get("guidance_start", 0.0),
        "end": unit.get("guidance_end", 1.0),
        "mode": _choice(unit.get("control_mode", 0), MODES, f"{where}: control_mode"),
        "resize_mode": _choice(unit.get("resize_mode", 1), RESIZES, f"{where}: resize_mode"),
        "resolution": None if unit.get("pixel_perfect") else resolution(unit.get("processor_res")),
        **dict(zip(("threshold_a", "threshold_b"), numbers, strict=False)),
    }


def _choice(value: Any, choices: Mapping[str, str], where: str) -> str:
    """A choice by its label, or by its number."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 3:
        return list(choices.values())[value]
    found = choices.get(str(value).lower())
    if found is None:
        raise RequestError(f'{where} "{value}" is unknown.{nearest(str(value), choices)}')
    return found


def _untitled(name: str) -> str:
    """A model's name without the hash that titles carry behind it."""
    return name.rpartition(" [")[0] or name
