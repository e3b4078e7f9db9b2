"""What to paint: one frozen description, for Python, the command line and the provenance in the picture alike.

Names, ranges and defaults are said here and nowhere else. A field that is None takes the model's default; `resolved`
fills all of them, so that a resolved request paints the same picture again.
"""

import json
import math
import secrets
from typing import TYPE_CHECKING, Any, Literal, get_args

from annotated_types import Ge, Le, MultipleOf
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from inkbloom.core.errors import RequestError, nearest
from inkbloom.pipelines.control.unit import ControlUnit
from inkbloom.pipelines.editing.outpainting import Margins
from inkbloom.pipelines.editing.regions import RegionMask
from inkbloom.pipelines.editing.sources import NoiseSource, PictureSource
from inkbloom.pipelines.upscaling.settings import HiresPass, TiledDiffusion

if TYPE_CHECKING:
    from inkbloom.families.spec import ModelSpec
    from inkbloom.sampling.registry import Sampler

# Samplers and schedules are imported inside functions here: they bring torch, and `import inkbloom` must stay light.

OptionValue = bool | int | float | str

MAX_SEED = 2**64 - 1
RANDOM_SEEDS = 2**32 - 2
"""A random seed is below this, as A1111's are, so that every program accepts it."""


class GenerationRequest(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Everything that decides a picture. Constructing it checks each field; `RequestError` says what is wrong."""

    prompt: str = Field(description="what to paint, in any language the model knows")
    negative_prompt: str = Field("", description="what to keep away from")
    dialect: Literal["a1111", "comfy", "plain"] = Field("a1111", description="whose rules both prompts are read by")
    emphasis: Literal["None", "Ignore", "Original", "No norm"] = Field(
        "Original", description="what the brackets of the dialect a1111 do, by A1111's names"
    )
    lora_application: Literal["merge", "live"] = Field(
        "merge", description="LoRAs are merged into the weights, or live beside them; the same up to rounding"
    )
    width: int | None = Field(None, ge=64, le=8192, multiple_of=8, description="pixels")
    height: int | None = Field(None, ge=64, le=8192, multiple_of=8, description="pixels")
    steps: int | None = Field(None, ge=1, le=10_000, description="sampling steps")
    sampler: str | None = Field(None, description='such as "Euler a"; "DPM++ 2M Karras" names the schedule too')
    schedule: str | None = Field(None, description='the list of sigmas; "automatic" means the same as None')
    sampler_options: dict[str, OptionValue] = Field(default_factory=dict, description='such as {"eta": 1.0}')
    sigma_min: float | None = Field(None, gt=0, description="lowest sigma above 0 of the schedule")
    sigma_max: float | None = Field(None, gt=0, description="highest sigma of the schedule")
    rho: float | None = Field(None, gt=0, description="the exponent of karras and polyexponential")
    guidance_scale: float | None = Field(None, description="classifier-free guidance; 1 = off")
    guidance_rescale: float = Field(0.0, ge=0, le=1, description="Lin et al. 2023, section 3.4; 0 = off")
    guidance_interval: tuple[float, float] | None = Field(
        None, description="guide only at sigmas from the first to the second number"
    )
    clip_skip: int = Field(1, ge=1, le=64, description="1 = the text encoder's last layer, 2 = the last but one, ...")
    seed: int | None = Field(None, ge=-1, le=MAX_SEED, description="None or -1 = random; picture i takes seed + i")
    num_images: int = Field(1, ge=1, le=10_000, description="how many pictures")
    batch_size: int = Field(1, ge=1, le=1024, description="at most so many at once; does not change the pictures")
    variation_seed: int | None = Field(None, ge=-1, le=MAX_SEED, description="of the noise to go towards")
    variation_strength: float = Field(0.0, ge=0, le=1, description="how far; above 0 the variation seed counts up")
    seed_width: int | None = Field(
        None, ge=64, le=8192, multiple_of=8, description="seed resize: noise as of that size"
    )
    seed_height: int | None = Field(
        None, ge=64, le=8192, multiple_of=8, description="seed resize: noise as of that size"
    )
    init_noise: NoiseSource | None = Field(None, description="the initial noise of every picture, not the seed's")
    tiling: Literal["none", "x", "y", "both"] = Field("none", description="the axes along which the picture repeats")
    init_image: PictureSource | None = Field(None, description="the picture to start from")
    strength: float | None = Field(
        None, ge=0, le=1, description="how much of it is new, from 0 to 1; None: 0.75, for models that instruct 1"
    )
    step_rule: Literal["a1111", "exact", "diffusers"] = Field(
        "a1111", description="how many of the steps run: strength * steps, or with exact all of them"
    )
    resize_mode: Literal["stretch", "crop", "fill", "latent"] = Field(
        "stretch", description="how it comes to another size than its own"
    )
    noise_multiplier: float = Field(1.0, ge=0, le=2, description="of the noise it is given")
    extra_noise: float = Field(0.0, ge=0, le=1, description="added once more, unknown to the sampler; brings detail")
    image_guidance_scale: float = Field(1.5, ge=0, description="for models that edit by instruction; 1 = off")
    mask_image: PictureSource | None = Field(None, description="white is repainted, black is kept to the bit")
    mask_blur: float = Field(4.0, ge=0, le=256, description="standard deviation in pixels")
    mask_invert: bool = Field(False, description="repaint what is black")
    mask_soft: bool = Field(False, description="greys say how much a place may change")
    mask_grow: int = Field(1, ge=0, le=16, description="latent points that are repainted around the mask, unseen")
    mask_strength: float = Field(
        1.0, ge=0, le=1, description="for inpainting models: how much the old picture is hidden under the mask"
    )
    masked_content: Literal["fill", "original", "noise", "nothing"] = Field(
        "original", description="what the masked part starts from"
    )
    inpaint_area: Literal["whole", "masked"] = Field(
        "whole", description="masked: only the mask's surroundings are painted, at the full size, and put back"
    )
    inpaint_padding: int = Field(32, ge=0, le=4096, description="pixels of surroundings for the masked area")
    outpaint_left: int = Field(0, ge=0, le=4096, description="pixels by which the picture is extended there")
    outpaint_right: int = Field(0, ge=0, le=4096, description="the same to the right")
    outpaint_top: int = Field(0, ge=0, le=4096, description="the same upwards")
    outpaint_bottom: int = Field(0, ge=0, le=4096, description="the same downwards")
    match_colors: bool = Field(True, description="bring the repainted part to the colours around it")
    hires: HiresPass | None = Field(None, description="a second pass at a higher resolution")
    tiled_diffusion: TiledDiffusion | None = Field(None, description="paint in overlapping windows, at bounded memory")
    controls: tuple[ControlUnit, ...] = Field((), description="ControlNets and adapters that steer, each by a picture")
    regions: tuple[RegionMask, ...] = Field((), description="masks, each for one of the parts that AND joins")
    watermark: bool = Field(False, description="an invisible one that says StableDiffusionV1, as CompVis's script adds")
    safety_checker: bool = Field(False, description="blacken what the model's safety checker finds unsafe")
    noise_source: Literal["cpu", "nv"] = Field("cpu", description="torch's CPU generator, or CUDA's (\"nv\"), anywhere")
    eta_noise_seed_delta: int = Field(0, ge=0, le=MAX_SEED, description="ENSD: added to the seed of later noise")
    model: str | None = Field(None, description="the name of the model that must be loaded")
    model_hash: str | None = Field(None, description="the first ten hexadecimal digits of its file's SHA-256")
    vae: str | None = Field(None, description="the file name of the autoencoder, where it is not the model's own")
    vae_hash: str | None = Field(None, description="the first ten hexadecimal digits of its SHA-256")
    network_hashes: dict[str, str] = Field(
        default_factory=dict, description='of the files that the prompts name, such as {"lora:film": "21895f3ba9"}'
    )
    a1111_hashes: dict[str, str] = Field(
        default_factory=dict, description='of the same, as A1111 writes them, such as {"lora:film": "aaebf6360f7d"}'
    )
    device: str | None = Field(None, description="such as cpu or cuda:0, as the model was loaded")
    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(None, description="the U-Net's numbers")

    if not TYPE_CHECKING:  # pyright takes the constructor's arguments from the fields

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise RequestError(_explain(error)) from None

    @classmethod
    def from_json(cls, text: str) -> "GenerationRequest":
        """Read what `model_dump_json` wrote."""
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise RequestError(f"The request is not JSON: {error}.") from None
        if not isinstance(fields, dict):
            raise RequestError(f"The request must be a JSON object, got {type(fields).__name__}.")
        return cls(**fields)

    @field_validator("prompt", "negative_prompt")
    @classmethod
    def _check_text(cls, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("is not valid Unicode; was it written in another encoding than UTF-8?") from None
        if "\0" in text:
            raise ValueError("holds a NUL character, which cannot be written into a picture")
        return text

    @model_validator(mode="after")
    def _check_editing(self) -> "GenerationRequest":
        if self.mask_image is not None and self.init_image is None:
            raise ValueError("mask_image: a mask needs the picture it belongs to; give init_image too")
        if self.resize_mode == "latent" and (self.mask_image is not None or any(self.outpaint)):
            raise ValueError("resize_mode 'latent': a mask cannot follow there; choose stretch, crop or fill")
        if any(self.outpaint) and self.init_image is None:
            raise ValueError("outpaint: there is no picture to extend; give init_image too")
        if self.hires is not None and self.init_image is not None:
            raise ValueError("hires: a second pass goes over what the first one painted; leave init_image out")
        if self.tiled_diffusion is not None and self.controls:
            raise ValueError("tiled_diffusion: controls see the picture whole, so they cannot steer its tiles")
        if self.regions and self.dialect != "a1111":
            raise ValueError(f'regions: prompts of the dialect "{self.dialect}" have no parts; AND is one of a1111')
        parts = [region.part for region in self.regions]
        if len(set(parts)) < len(parts):
            raise ValueError(f"regions: part {max(parts, key=parts.count)} has several masks; give each part one")
        if (self.seed_width is None) != (self.seed_height is None):
            raise ValueError("seed_width: give seed_width and seed_height together")
        return self

    @property
    def outpaint(self) -> Margins:
        return Margins(self.outpaint_left, self.outpaint_top, self.outpaint_right, self.outpaint_bottom)

    @field_validator("guidance_interval")
    @classmethod
    def _check_interval(cls, interval: tuple[float, float] | None) -> tuple[float, float] | None:
        if interval is not None and not 0 <= interval[0] < interval[1]:
            raise ValueError(f"{interval}: the first sigma must be at least 0 and below the second")
        return interval

    @model_validator(mode="before")
    @classmethod
    def _name_sampler(cls, fields: Any) -> Any:
        """Bring sampler and schedule to their names on disk, and take a combined name apart."""
        if not isinstance(fields, dict):
            return fields
        fields = dict(fields)
        sampler, schedule = fields.get("sampler"), fields.get("schedule")
        if isinstance(schedule, str):
            schedule = fields["schedule"] = _schedule_name(schedule)
        if isinstance(sampler, str):
            sampler, named = _split_sampler(sampler)
            if named and schedule not in (None, named):
                raise RequestError(f'sampler "{fields["sampler"]}" names its schedule, but schedule is "{schedule}".')
            fields |= {"sampler": sampler, "schedule": named or schedule}
        return fields

    def resolved(self, spec: "ModelSpec") -> "ResolvedRequest":
        """Fill every field that was left to the model, and draw the seed; `RequestError` where the model cannot do it.

        "automatic" is the model's own schedule with the model's own sampler, and with every sampler where the noise has
        zero terminal SNR: other schedules would not start there, or stay too long at its huge sigmas. Else it is the
        sampler's.
        """
        sampler = _find_sampler(self.sampler or spec.default_sampler)
        as_model = spec.noise_schedule.zero_terminal_snr or sampler.name == _find_sampler(spec.default_sampler).name
        automatic = (as_model and _schedule_name(spec.default_schedule)) or sampler.schedule
        default_width, default_height = self._default_size(spec)
        resolved = ResolvedRequest(
            **dict(self)
            | {
                "width": self.width or default_width,
                "height": self.height or default_height,
                "steps": self.steps or spec.default_steps,
                "sampler": sampler.name,
                "schedule": self.schedule or automatic,
                "guidance_scale": spec.default_guidance_scale if self.guidance_scale is None else self.guidance_scale,
                "seed": _drawn(self.seed),
                "variation_seed": _drawn(self.variation_seed) if self.variation_strength else None,
                "strength": _default_strength(spec) if self.strength is None else self.strength,
                "init_image": self.init_image and self.init_image.opened(),
                "mask_image": self.mask_image and self.mask_image.opened(),
                "init_noise": self.init_noise and self.init_noise.opened(),
                "controls": tuple(unit.opened() for unit in self.controls),
                "regions": tuple(region.opened() for region in self.regions),
            }
        )
        _check_options(sampler, self.sampler_options)
        last_seed = resolved.seed + resolved.num_images - 1
        if last_seed > MAX_SEED:
            raise RequestError(
                f"seed {resolved.seed}: with {resolved.num_images} pictures the last exceeds {MAX_SEED}."
            )
        layers = spec.text.num_layers
        if self.clip_skip > layers:
            raise RequestError(f"clip_skip {self.clip_skip}: must be from 1 to {layers}, the text encoder's layers.")
        return resolved

    def _default_size(self, spec: "ModelSpec") -> tuple[int, int]:
        """Width and height where they are not given: the picture's to start from, or the noise's, or the model's.

        The picture's, with what it is extended by, are rounded up; it is drawn out to them, and what was added is cut
        off in the end.
        """
        if self.init_noise is not None and self.init_image is None:
            height, width = (spec.autoencoder.downscale * side for side in self.init_noise.open().shape[2:])
            return width, height
        if self.init_image is None or self.inpaint_area == "masked":
            return spec.default_size, spec.default_size
        step = max(8, spec.autoencoder.downscale)
        left, top, right, bottom = self.outpaint
        width, height = self.init_image.open().size
        width, height = (max(64, -(-side // step) * step) for side in (width + left + right, height + top + bottom))
        return width, height


class ResolvedRequest(GenerationRequest, frozen=True):
    """A request without gaps, as `resolved` makes it."""

    width: int
    height: int
    steps: int
    sampler: str
    schedule: str
    guidance_scale: float
    seed: int
    strength: float

    def singles(self) -> list["ResolvedRequest"]:
        """One request for each picture; each paints its picture alone.

        Seeds count up; with a variation only the variation seed does, as in A1111.
        """
        counted = "variation_seed" if self.variation_strength else "seed"
        first = getattr(self, counted)
        return [self.model_copy(update={counted: first + i, "num_images": 1}) for i in range(self.num_images)]


def _default_strength(spec: "ModelSpec") -> float:
    from inkbloom.pipelines.editing.conditions import purpose

    return 1.0 if purpose(spec) == "instruct" else 0.75


def _drawn(seed: int | None) -> int:
    """The seed, or a random one for None and -1."""
    return secrets.randbelow(RANDOM_SEEDS) if seed in (None, -1) else seed


def _schedule_name(name: str) -> str | None:
    """The schedule's name on disk; None for "automatic"."""
    from inkbloom.sampling.sigmas import find_schedule

    found = find_schedule(name).name
    return None if found == "automatic" else found


def _find_sampler(name: str) -> "Sampler":
    from inkbloom.sampling.registry import find_sampler

    return find_sampler(name)


def _split_sampler(name: str) -> tuple[str, str | None]:
    """The sampler's name, and the schedule's where `name` ends in one."""
    from inkbloom.sampling.sigmas import split_name

    sampler, schedule = split_name(name)
    return _find_sampler(sampler).name, _schedule_name(schedule) if schedule else None


def _check_options(sampler: "Sampler", options: dict[str, OptionValue]) -> None:
    for name, value in options.items():
        if name not in sampler.options:
            known = nearest(name, sampler.options) if sampler.options else " It has none."
            raise RequestError(f'Sampler "{sampler.name}" has no option "{name}".{known}')
        default = sampler.options[name]
        # bool is a kind of int to Python, not to us; None stands for a number that the sampler works out itself.
        if default is None or type(default) in (int, float):
            fits, wanted = type(value) in (int, float) and math.isfinite(float(value)), "a finite number"
        else:
            fits, wanted = type(value) is type(default), "true or false" if type(default) is bool else "text"
        if not fits:
            raise RequestError(f"sampler_options {name} {value!r}: must be {wanted}, such as {default!r}.")


def _explain(error: ValidationError) -> str:
    """The first thing that is wrong, in one line: the field, its value, what is allowed."""
    # A misspelt field leaves the right one missing: the misspelling is what helps.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    field = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return f'Unknown field "{field}".{nearest(field, GenerationRequest.model_fields)}'
    if first["type"] == "missing" and len(first["loc"]) == 1:
        return f"{field} is missing."
    if first["type"] == "value_error":
        return f"{field} {first.get('ctx', {}).get('error')}".strip()
    place = " ".join(str(part) for part in first["loc"][:2])
    return f"{place} {_short(first['input'])}: must be {_allowed(field)}."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _allowed(field: str) -> str:
    """The values that a field takes, read off its declaration."""
    if field in _SHAPES:
        return _SHAPES[field]
    info = GenerationRequest.model_fields[field]
    kinds = get_args(info.annotation) or (info.annotation,)
    bounds = {type(item): item for item in info.metadata}
    if Ge in bounds and Le in bounds:
        noun = "a whole number" if int in kinds else "a number"
        words = f"{noun} from {bounds[Ge].ge} to {bounds[Le].le}"
        return f"{words} divisible by {bounds[MultipleOf].multiple_of}" if MultipleOf in bounds else words
    if float in kinds:
        return "a finite number above 0" if info.metadata else "a finite number"
    if str in kinds:
        return "text"
    choices = [choice for kind in kinds for choice in get_args(kind) or (kind,) if isinstance(choice, str)]
    return " or ".join(choices)


_SHAPES = {
    "sampler_options": "finite numbers, true, false or text, by name",
    "network_hashes": "hexadecimal digits, by name",
    "a1111_hashes": "hexadecimal digits, by name",
    "guidance_interval": "two finite numbers, the sigmas between which to guide",
    "init_image": "the file of a picture",
    "mask_image": "the file of a picture",
    "init_noise": "a file of noise",
    "controls": "a list of controls, each with model and image",
    "regions": "a list of regions, each with part and image",
    "hires": "the settings of a second pass, by name",
    "tiled_diffusion": "the settings of tiled diffusion, by name",
}
