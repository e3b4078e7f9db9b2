"""From A1111's fields to our request: other names, other numbers for choices, and its settings beside the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from inkbloom.apps.api.a1111.fields import Img2Img, Painting, Txt2Img
from inkbloom.core.errors import RequestError, nearest
from inkbloom.pipelines.request import GenerationRequest

Store = Callable[[str], str]
"""Takes a picture, base64 or a data URL, and gives the name under which a request finds it."""

RESIZE_MODES = ("stretch", "crop", "fill", "latent")
FILLS = ("fill", "original", "noise", "nothing")
_SAME = ("", "None", "Use same checkpoint", "Use same sampler", "Use same scheduler")
_PARTS_OF_PAINTING = ("seed", "sampler", "refiner", "comments", "extra options", "hypertile")
"""A1111's built-in scripts, whose fields the request has by itself; clients send them without arguments."""

CONTROL_MODES = {
    "balanced": "balanced",
    "my prompt is more important": "prompt",
    "controlnet is more important": "control",
}
CONTROL_RESIZES = {
    "just resize": "stretch",
    "crop and resize": "crop",
    "scale to fit (inner fit)": "crop",
    "resize and fill": "fill",
    "envelope (outer fit)": "fill",
    "inner fit (scale to fit)": "crop",
    "outer fit (shrink to fit)": "fill",
}


def generation_request(body: Txt2Img | Img2Img, settings: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """The fields of our request. `settings` are A1111's options, those of the request laid over the server's.

    `RequestError` for what is not there: other scripts, refiners, faces while painting.
    """
    body = filled(body)
    _refuse(body)
    fields = _common(body, settings)
    if isinstance(body, Txt2Img):
        fields |= _hires(body) if body.enable_hr else {}
    else:
        fields |= _from_picture(body, settings, store)
    controls = _controls(body.alwayson_scripts, fields.get("init_image"), store)
    return fields | ({"controls": controls} if controls else {})


def filled(body: Any) -> Any:
    """The body with the fields that its infotext says and itself does not."""
    if not body.infotext:
        return body
    from inkbloom.pipelines.metadata.a1111 import read_infotext  # here, since it brings torch

    read = read_infotext(body.infotext)
    request = read and read.request
    if request is None:
        raise RequestError("infotext: it says no prompt that could be painted.")
    said = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "steps": request.steps,
        "sampler_name": request.sampler,
        "scheduler": request.schedule,
        "cfg_scale": request.guidance_scale,
        "width": request.width,
        "height": request.height,
        "denoising_strength": request.strength,
        "subseed": request.variation_seed,
        "subseed_strength": request.variation_strength or None,
    }
    settings = {"sd_model_checkpoint": request.model_hash or request.model}
    settings |= {"CLIP_stop_at_last_layers": request.clip_skip} if request.clip_skip > 1 else {}
    new = {name: value for name, value in said.items() if value is not None and name not in body.model_fields_set}
    over = {name: value for name, value in settings.items() if value is not None} | (body.override_settings or {})
    return body.model_copy(update=new | {"override_settings": over})


def _common(body: Painting, settings: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "prompt": body.prompt,
        "negative_prompt": body.negative_prompt,
        "seed": body.seed,
        "sampler": body.sampler_name or body.sampler_index or "Euler",
        "schedule": None if body.scheduler in (None, "", "Automatic") else body.scheduler,
        "num_images": body.batch_size * body.n_iter,
        "batch_size": body.batch_size,
        "steps": body.steps,
        "guidance_scale": body.cfg_scale,
        "width": body.width,
        "height": body.height,
        "variation_strength": body.subseed_strength,
        "tiling": "both" if body.tiling or (body.tiling is None and settings.get("tiling")) else "none",
        "clip_skip": settings.get("CLIP_stop_at_last_layers") or 1,
        "emphasis": settings.get("emphasis") or "Original",
        "noise_source": "cpu" if settings.get("randn_source") == "CPU" else "nv",
        "eta_noise_seed_delta": settings.get("eta_noise_seed_delta") or 0,
        "model": settings.get("sd_model_checkpoint") or None,
        "vae": None if settings.get("sd_vae") in (None, "", "Automatic", "None") else settings["sd_vae"],
    }
    if body.subseed_strength:
        fields["variation_seed"] = body.subseed
    if body.seed_resize_from_w > 0 and body.seed_resize_from_h > 0:
        fields |= {"seed_width": body.seed_resize_from_w, "seed_height": body.seed_resize_from_h}
    fields["sampler_options"] = _sampler_options(body, fields["sampler"])
    return fields


def _sampler_options(body: Painting, sampler: str) -> dict[str, float]:
    """Those that are given and that the sampler knows; A1111 sends all of them to all samplers."""
    from inkbloom.sampling.registry import find_sampler
    from inkbloom.sampling.sigmas import split_name

    known = find_sampler(split_name(sampler)[0]).options
    given = {name: getattr(body, name) for name in ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise")}
    return {name: value for name, value in given.items() if value is not None and name in known}


def _hires(body: Txt2Img) -> dict[str, Any]:
    same = [getattr(body, name) for name in ("hr_sampler_name", "hr_scheduler")]
    sampler, schedule = (None if name in (None, *_SAME) else name for name in same)
    hires: dict[str, Any] = {
        "scale": body.hr_scale,
        "width": body.hr_resize_x or None,
        "height": body.hr_resize_y or None,
        "upscaler": body.hr_upscaler or "Latent",
        "steps": body.hr_second_pass_steps or None,
        "strength": 0.75 if body.denoising_strength is None else body.denoising_strength,
        "sampler": sampler,
        "schedule": None if schedule == "Automatic" else schedule,
        "prompt": body.hr_prompt or None,
        "negative_prompt": body.hr_negative_prompt or None,
    }
    if not (body.firstphase_width and body.firstphase_height):
        return {"hires": hires}
    # In the old way of asking, the size is that of the end
    small = {"width": body.firstphase_width, "height": body.firstphase_height}
    return small | {"hires": hires | {"width": body.width, "height": body.height}}


def _from_picture(body: Img2Img, settings: Mapping[str, Any], store: Store) -> dict[str, Any]:
    if not body.init_images:
        raise RequestError("init_images: give the picture to start from, base64.")
    if len(body.init_images) > 1:
        raise RequestError(f"init_images: {len(body.init_images)} were given; one picture is painted from at a time.")
    fields: dict[str, Any] = {
        "init_image": store(body.init_images[0]),
        "strength": body.denoising_strength,
        "resize_mode": RESIZE_MODES[body.resize_mode],
        "step_rule": "exact" if settings.get("img2img_fix_steps") else "a1111",
        "match_colors": bool(settings.get("img2img_color_correction")),
        "extra_noise": settings.get("img2img_extra_noise") or 0.0,
    }
    if body.image_cfg_scale is not None:
        fields["image_guidance_scale"] = body.image_cfg_scale
    if body.initial_noise_multiplier is not None:
        fields["noise_multiplier"] = body.initial_noise_multiplier
    if body.mask is None:
        return fields
    if body.mask_blur is None and body.mask_blur_x != body.mask_blur_y:
        raise RequestError("mask_blur_x and mask_blur_y: the mask is blurred alike in both directions; give mask_blur.")
    return fields | {
        "mask_image": store(body.mask),
        "mask_blur": body.mask_blur_x if body.mask_blur is None else body.mask_blur,
        "mask_invert": bool(body.inpainting_mask_invert),
        "mask_soft": not body.mask_round,
        "masked_content": FILLS[body.inpainting_fill],
        "inpaint_area": "masked" if body.inpaint_full_res else "whole",
        "inpaint_padding": body.inpaint_full_res_padding,
    }


def _refuse(body: Painting) -> None:
    """`RequestError` for what would change the picture and is not there."""
    if body.restore_faces:
        raise RequestError("restore_faces: faces are restored in the extras, not while painting; leave it out.")
    if body.refiner_checkpoint not in (None, "", "None"):
        raise RequestError("refiner_checkpoint: there are no refiners for Stable Diffusion 1; leave it out.")
    if body.s_min_uncond:
        raise RequestError("s_min_uncond: steps without guidance are not left out here; give 0.")
    if isinstance(body, Txt2Img) and body.hr_checkpoint_name not in (None, *_SAME):
        raise RequestError("hr_checkpoint_name: the second pass is painted by the same model; leave it out.")
    if body.script_name not in (None, "", "None"):
        raise RequestError(
            f'script_name "{body.script_name}": scripts are not run here; X/Y/Z plots are jobs of /api/v1/jobs.'
        )
    for name in body.alwayson_scripts:
        if name.lower() not in (*_PARTS_OF_PAINTING, "controlnet"):
            raise RequestError(f'alwayson_scripts: there is no script "{name}".{nearest(name, ["controlnet"])}')
    if body.disable_extra_networks and "<" in body.prompt:
        raise RequestError("disable_extra_networks: leave the tags of LoRAs out of the prompt instead.")


def _controls(scripts: Mapping[str, Any], init_image: str | None, store: Store) -> list[dict[str, Any]]:
    """Our control units of `alwayson_scripts.controlnet.args`, those that are enabled."""
    found = next((script for name, script in scripts.items() if name.lower() == "controlnet"), None) or {}
    units = found.get("args", []) if isinstance(found, dict) else found
    if not isinstance(units, list) or not all(isinstance(unit, dict) for unit in units):
        raise RequestError("alwayson_scripts controlnet: args must be a list of units, each an object.")
    return [
        _control(unit, f"alwayson_scripts controlnet unit {i}", init_image, store)
        for i, unit in enumerate(units)
        if unit.get("enabled", True)
    ]


def _control(unit: Mapping[str, Any], where: str, init_image: str | None, store: Store) -> dict[str, Any]:
    image = unit.get("image") or unit.get("input_image")
    if isinstance(image, dict):  # as its page sends it, with a mask painted over
        image = image.get("image")
    if not image and init_image is None:
        raise RequestError(f"{where}: give it an image, base64.")
    module = str(unit.get("module") or "none")
    fields: dict[str, Any] = {
        "image": store(image) if image else init_image,
        "preprocessor": "none" if module.lower() == "none" or module.startswith("reference") else module,
        "model": "reference_only" if module.startswith("reference") else _untitled(str(unit.get("model") or "None")),
        "weight": unit.get("weight", 1.0),
        "start": unit.get("guidance_start", 0.0),
        "end": unit.get("guidance_end", 1.0),
        "mode": _choice(unit.get("control_mode", "balanced"), CONTROL_MODES, f"{where}: control_mode"),
        "resize_mode": _choice(unit.get("resize_mode", "crop and resize"), CONTROL_RESIZES, f"{where}: resize_mode"),
    }
    if unit.get("mask") or unit.get("mask_image"):
        fields["mask"] = store(unit.get("mask") or unit["mask_image"])
    resolution = unit.get("processor_res", -1)
    if not unit.get("pixel_perfect") and isinstance(resolution, int) and resolution > 0:
        fields["resolution"] = resolution
    for name in ("threshold_a", "threshold_b"):
        value = unit.get(name, -1)
        if isinstance(value, int | float) and value >= 0 and fields["preprocessor"] != "none":
            fields[name] = value
    return fields


def _choice(value: Any, choices: Mapping[str, str], where: str) -> str:
    """A choice by its label, or by its number in A1111's order."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 3:
        return list(choices.values())[value] if choices is CONTROL_MODES else RESIZE_MODES[value]
    found = choices.get(str(value).lower())
    if found is None:
        raise RequestError(f'{where} "{value}" is unknown.{nearest(str(value), choices)}')
    return found


def _untitled(name: str) -> str:
    """A model's name without the hash that titles carry behind it."""
    return name.rpartition(" [")[0] or name


def to_request(fields: Mapping[str, Any]) -> GenerationRequest:
    """Our request; its errors name A1111's fields where these have other names."""
    try:
        return GenerationRequest(**fields)
    except RequestError as error:
        message = str(error)
        for ours, theirs in _THEIR_NAMES.items():
            if message.startswith(f"{ours} "):
                message = theirs + message.removeprefix(ours)
        raise RequestError(message) from None


_THEIR_NAMES = {
    "guidance_scale": "cfg_scale",
    "variation_seed": "subseed",
    "variation_strength": "subseed_strength",
    "strength": "denoising_strength",
    "schedule": "scheduler",
    "num_images": "n_iter",
}
