"""A1111's request bodies: its field names, and its own defaults, which are not those of its page.

Fields that other versions and extensions add are let pass, as A1111 does; what is known and cannot be done here is
refused in `translating`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Painting(BaseModel):
    """What txt2img and img2img have in common."""

    prompt: str = ""
    negative_prompt: str = ""
    styles: list[str] | None = None
    seed: int = -1
    subseed: int = -1
    subseed_strength: float = 0.0
    seed_resize_from_h: int = -1
    seed_resize_from_w: int = -1
    sampler_name: str | None = None
    sampler_index: str | None = Field("Euler", description="the sampler's name, where sampler_name is not given")
    scheduler: str | None = None
    batch_size: int = Field(1, ge=1, le=64)
    n_iter: int = Field(1, ge=1, le=1000)
    steps: int = 50
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    restore_faces: bool | None = None
    tiling: bool | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    eta: float | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool = True
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    comments: dict[str, Any] | None = None
    script_name: str | None = None
    script_args: list[Any] = Field(default_factory=list)
    alwayson_scripts: dict[str, Any] = Field(default_factory=dict)
    send_images: bool = True
    save_images: bool = False
    force_task_id: str | None = Field(None, max_length=200)
    infotext: str | None = Field(None, description="fills the fields that are not given")


class Txt2Img(Painting):
    """`POST /sdapi/v1/txt2img`."""

    denoising_strength: float | None = 0.75
    enable_hr: bool = False
    firstpass_image: str | None = None
    firstphase_width: int = 0
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str = ""
    hr_negative_prompt: str = ""


class Img2Img(Painting):
    """`POST /sdapi/v1/img2img`."""

    init_images: list[str] | None = Field(None, description="base64, with or without data:")
    resize_mode: int = Field(0, ge=0, le=3)
    denoising_strength: float = 0.75
    image_cfg_scale: float | None = None
    mask: str | None = None
    latent_mask: str | None = None
    mask_blur: int | None = None
    mask_blur_x: int = 4
    mask_blur_y: int = 4
    mask_round: bool = True
    inpainting_fill: int = Field(0, ge=0, le=3)
    inpaint_full_res: bool = True
    inpaint_full_res_padding: int = 0
    inpainting_mask_invert: int = Field(0, ge=0, le=1)
    initial_noise_multiplier: float | None = None
    include_init_images: bool = False


class Painted(BaseModel):
    """What both answer."""

    images: list[str] | None = Field(description="base64 of PNG files")
    parameters: dict[str, Any] = Field(description="the request, with its defaults")
    info: str = Field(description="JSON: seeds, prompts and parameter texts of all pictures")


class Extra(BaseModel):
    """What the two extras endpoints have in common."""

    resize_mode: int = Field(0, ge=0, le=1)
    gfpgan_visibility: float = Field(0.0, ge=0, le=1)
    codeformer_visibility: float = Field(0.0, ge=0, le=1)
    upscaling_resize: float = Field(2.0, ge=1, le=8)
    upscaling_resize_w: int = Field(512, ge=1)
    upscaling_resize_h: int = Field(512, ge=1)
    upscaling_crop: bool = True
    upscaler_1: str = "None"
    upscaler_2: str = "None"
    extras_upscaler_2_visibility: float = Field(0.0, ge=0, le=1)


class ExtraSingle(Extra):
    image: str = Field(description="base64")


class NamedImage(BaseModel):
    data: str = Field(description="base64")
    name: str = ""


class ExtraBatch(Extra):
    imageList: list[NamedImage] = Field(min_length=1, max_length=1000)  # noqa: N815 - A1111's own name
