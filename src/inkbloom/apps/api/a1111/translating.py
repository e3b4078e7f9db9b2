"""From A1111's fields to our request: other names, other numbers for choices, and its settings beside the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inkbloom.apps.api.a1111 import units
from inkbloom.apps.api.a1111.fields import Img2Img, Painting, Txt2Img
from inkbloom.apps.api.a1111.pictures import Store
from inkbloom.core.errors import RequestError, nearest
from inkbloom.pipelines.request import GenerationRequest

RESIZE_MODES = ("stretch", "crop", "fill", "latent")
FILLS = ("fill", "original", "noise", "nothing")
_SAME = ("", "None", "Use same checkpoint", "Use same sampler", "Use same scheduler")
_PARTS_OF_PAINTING = ("seed", "sampler", "refiner", "comments", "extra options", "hypertile")
"""A1111's built-in scripts, whose fields the request has by itself; clients send them without arguments."""


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
    hires = isinstance(body, Txt2Img) and body.enable_hr
    controls = units.controls(body.alwayson_scripts, fields.get("init_image"), store, hires=hires)
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
    given["s_tmax"] = given["s_tmax"] or None  # 0 is A1111's word for no upper end
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
    if isinstance(body, Txt2Img) and body.firstpass_image:
        raise RequestError("firstpass_image: the second pass begins with what the first one painted; use img2img.")
    if isinstance(body, Img2Img) and body.latent_mask:
        raise RequestError("latent_mask: a mask is given in pixels; give it as mask.")
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
