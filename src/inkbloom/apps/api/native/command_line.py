"""A request as a line of the command `inkbloom`, which paints the same pictures in a shell."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.control.unit import ControlUnit
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.request import GenerationRequest

_PLAIN = {
    "negative_prompt": "--negative-prompt",
    "dialect": "--dialect",
    "emphasis": "--emphasis",
    "lora_application": "--lora-application",
    "width": "--width",
    "height": "--height",
    "steps": "--steps",
    "sampler": "--sampler",
    "schedule": "--schedule",
    "guidance_scale": "--guidance-scale",
    "guidance_rescale": "--guidance-rescale",
    "clip_skip": "--clip-skip",
    "variation_seed": "--variation-seed",
    "variation_strength": "--variation-strength",
    "tiling": "--tiling",
    "watermark": "--watermark",
    "safety_checker": "--safety-checker",
    "noise_source": "--noise-source",
    "device": "--device",
    "dtype": "--dtype",
}
"""The fields that a flag says, and whose default is the flag's."""
_EDITING = {
    "strength": "--strength",
    "step_rule": "--step-rule",
    "resize_mode": "--resize-mode",
    "noise_multiplier": "--noise-multiplier",
    "extra_noise": "--extra-noise",
    "image_guidance_scale": "--image-guidance-scale",
    "mask_blur": "--mask-blur",
    "mask_invert": "--mask-invert",
    "mask_soft": "--mask-soft",
    "mask_grow": "--mask-grow",
    "mask_strength": "--mask-strength",
    "masked_content": "--masked-content",
    "inpaint_area": "--inpaint-area",
    "inpaint_padding": "--inpaint-padding",
}
"""The same, where there is a picture to start from; else they mean nothing."""
_HIRES = {
    "upscaler": "--hires-upscaler",
    "steps": "--hires-steps",
    "strength": "--hires-strength",
    "sampler": "--hires-sampler",
    "schedule": "--hires-schedule",
    "prompt": "--hires-prompt",
    "negative_prompt": "--hires-negative-prompt",
    "guidance_scale": "--hires-guidance-scale",
}
_NO_FLAG = ("sigma_min", "sigma_max", "rho", "guidance_interval", "eta_noise_seed_delta")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where things lie that the service knows by names."""

    picture: Callable[[PictureSource], Path]
    """The file of a picture that a request names."""
    checkpoint: Path | None = None
    """None: the starter."""
    vae: str | None = None
    """A name in the folder of models."""
    models_dir: Path | None = None
    styles_file: Path | None = None
    wildcards: Path | None = None
    """The folder of wildcards, where variants are wanted."""
    styles: Sequence[str] = ()
    format: str = "png"


def command_line(request: GenerationRequest, around: Surroundings) -> str:
    """`inkbloom txt2img ...` or `inkbloom img2img ...`, quoted for a POSIX shell.

    `RequestError` where the request has what no flag says; its JSON says it all.
    """
    _check(request)
    editing = request.init_image is not None
    words = ["inkbloom", "img2img" if editing else "txt2img"]
    # An argument that begins with a hyphen would be taken for a flag
    words.append(f"--prompt={request.prompt}" if request.prompt.startswith("-") else request.prompt)
    for flag, value in _pairs(request, around):
        if value is True:
            words.append(flag)
        else:
            text = _text(value)
            words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    if request.seed_width is not None:
        words += ["--seed-resize", str(request.seed_width), str(request.seed_height)]
    if request.hires is not None and (request.hires.width or request.hires.height):
        words += ["--hires-size", str(request.hires.width or 0), str(request.hires.height or 0)]
    return shlex.join(words)


def _pairs(request: GenerationRequest, around: Surroundings) -> Iterator[tuple[str, Any]]:
    # Pictures do not depend on how many are painted at once
    samples = math.gcd(request.num_images, request.batch_size)
    yield "--n_iter", request.num_images // samples
    yield "--n_samples", samples
    yield "--skip_grid", True
    yield "--seed", -1 if request.seed is None else request.seed
    yield from _changed(request, _PLAIN)
    for name, value in request.sampler_options.items():
        yield "--sampler-option", f"{name}={_text(value)}"
    if request.init_noise is not None:
        yield "--noise", request.init_noise.path
    for region in request.regions:
        yield "--region", f"{region.part}={around.picture(region.image)}:{region.blur}"
    if request.init_image is not None:
        yield from _editing(request, around)
    yield from _controls(request.controls, around)
    if request.hires is not None:
        if not (request.hires.width or request.hires.height) or request.hires.scale != 2:
            yield "--hires-scale", request.hires.scale
        yield from _changed(request.hires, _HIRES)
    if request.tiled_diffusion is not None:
        yield "--tiled-diffusion", request.tiled_diffusion.method
        yield from _changed(request.tiled_diffusion, {"size": "--window", "overlap": "--window-overlap"})
    yield from _files(around)


def _editing(request: GenerationRequest, around: Surroundings) -> Iterator[tuple[str, Any]]:
    assert request.init_image is not None
    yield "--init-img", around.picture(request.init_image)
    if request.mask_image is not None:
        yield "--mask", around.picture(request.mask_image)
    for side, pixels in request.outpaint._asdict().items():
        if pixels:
            yield "--outpaint", f"{side}={pixels}"
    yield from _changed(request, _EDITING)
    if not request.match_colors:
        yield "--no-match-colors", True


def _controls(units: Sequence[ControlUnit], around: Surroundings) -> Iterator[tuple[str, Any]]:
    """Each flag as often as there are controls, so that the first of each belongs to the first."""
    for unit in units:
        yield "--control", f"{unit.model}:{unit.weight}:{unit.start}:{unit.end}"
        yield "--control-image", around.picture(unit.image)
        yield "--control-preprocessor", ":".join([unit.preprocessor, *map(str, _settings(unit))])
        yield "--control-mode", unit.mode
        yield "--control-resize", unit.resize_mode
        yield "--control-resolution", unit.resolution or 0
        if unit.mask is not None:
            yield "--control-mask", around.picture(unit.mask)


def _settings(unit: ControlUnit) -> tuple[float, ...]:
    if (unit.threshold_a, unit.threshold_b) == (None, None):
        return ()
    from inkbloom.pipelines.preprocessing import find_preprocessor

    return find_preprocessor(unit.preprocessor).checked(unit.threshold_a, unit.threshold_b)


def _files(around: Surroundings) -> Iterator[tuple[str, Any]]:
    for name in around.styles:
        yield "--style", name
    if around.styles and around.styles_file is not None:
        yield "--styles-file", around.styles_file
    if around.wildcards is not None:
        yield "--wildcards", around.wildcards
    if around.checkpoint is not None:
        yield "--ckpt", around.checkpoint
    if around.vae is not None:
        yield "--vae", around.vae
    if around.models_dir is not None:
        yield "--models-dir", around.models_dir
    if around.format != "png":
        yield "--format", around.format


def _changed(settings: Any, flags: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """The flags of those fields that are not as usual."""
    for name, flag in flags.items():
        value = getattr(settings, name)
        if value != type(settings).model_fields[name].default:
            yield flag, value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check(request: GenerationRequest) -> None:
    """`RequestError` for what no flag says."""
    unsaid = [name for name in _NO_FLAG if getattr(request, name) != GenerationRequest.model_fields[name].default]
    unsaid += ["regions"] if any(region.invert for region in request.regions) else []
    if any(unit.style_fidelity != 0.5 for unit in request.controls):
        unsaid.append("style_fidelity")
    masked = [unit.mask is not None for unit in request.controls]
    if any(masked) and not all(masked):
        unsaid.append("controls")
    tiled = request.tiled_diffusion
    if tiled is not None and (request.init_image is not None or tiled.at_once != 4):
        unsaid.append("tiled_diffusion")
    if unsaid:
        raise RequestError(f"{unsaid[0]}: the command line has no flag that says this; copy the request as JSON.")
