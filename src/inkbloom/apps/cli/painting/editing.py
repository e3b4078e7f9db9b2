"""The options of commands that start from a picture."""

# Annotations stay real objects here, as in `options`.

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from inkbloom.apps.cli.painting.options import flag, switch
from inkbloom.core.errors import RequestError

EDIT = Group("How the picture is repainted", sort_key=3)
SOURCE = Group("Size, mask and margins", sort_key=4)


Strength = Annotated[
    float | None,
    flag("--strength", group=EDIT, help="0 keeps the picture, 1 is all new. [default: 0.75; to instruct 1]"),
]
MaskedContent = Annotated[
    Literal["fill", "original", "noise", "nothing"],
    flag("--masked-content", "--content", group=EDIT, help="What the masked part starts from."),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EditOptions:
    """How much and where is repainted."""

    strength: Strength = None
    step_rule: Annotated[
        Literal["a1111", "exact", "diffusers"],
        flag("--step-rule", group=EDIT, help="Steps that run: strength * steps + 1, all, or strength * steps."),
    ] = "a1111"
    noise_multiplier: Annotated[
        float, flag("--noise-multiplier", group=EDIT, help="Of the noise that the picture is given; 0 to 2.")
    ] = 1.0
    extra_noise: Annotated[
        float, flag("--extra-noise", group=EDIT, help="Noise that the sampler does not know of; brings detail.")
    ] = 0.0
    image_scale: Annotated[
        float,
        flag("--image-guidance-scale", group=EDIT, help="Guidance by the picture, of models that edit as instructed."),
    ] = 1.5
    mask_blur: Annotated[float, flag("--mask-blur", group=EDIT, help="Standard deviation in pixels.")] = 4.0
    mask_invert: Annotated[bool, switch("--mask-invert", group=EDIT, help="Repaint what is black.")] = False
    mask_soft: Annotated[
        bool, switch("--mask-soft", group=EDIT, help="Greys of the mask say how much a place may change.")
    ] = False
    mask_grow: Annotated[
        int, flag("--mask-grow", group=EDIT, help="Latent points repainted around the mask, unseen.")
    ] = 1
    mask_strength: Annotated[
        float, flag("--mask-strength", group=EDIT, help="Inpainting models: how much is hidden under the mask.")
    ] = 1.0
    masked_content: MaskedContent = "original"
    inpaint_area: Annotated[
        Literal["whole", "masked"],
        flag("--inpaint-area", "--area", group=EDIT, help="masked: paint only the mask's surroundings, at full size."),
    ] = "whole"
    inpaint_padding: Annotated[
        int, flag("--inpaint-padding", group=EDIT, help="Pixels of surroundings for the masked area.")
    ] = 32
    keep_colors: Annotated[
        bool, switch("--no-match-colors", group=EDIT, help="Do not bring the new part to the colours around it.")
    ] = False

    def fields(self) -> dict[str, Any]:
        """Those of the request."""
        return {
            "strength": self.strength,
            "step_rule": self.step_rule,
            "noise_multiplier": self.noise_multiplier,
            "extra_noise": self.extra_noise,
            "image_guidance_scale": self.image_scale,
            "mask_blur": self.mask_blur,
            "mask_invert": self.mask_invert,
            "mask_soft": self.mask_soft,
            "mask_grow": self.mask_grow,
            "mask_strength": self.mask_strength,
            "masked_content": self.masked_content,
            "inpaint_area": self.inpaint_area,
            "inpaint_padding": self.inpaint_padding,
            "match_colors": not self.keep_colors,
        }


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The picture, its mask, and how it comes to size."""

    init_img: Annotated[Path | None, flag("--init-img", group=SOURCE, help="The picture to start from.")] = None
    mask: Annotated[Path | None, flag("--mask", group=SOURCE, help="White is repainted, black kept to the bit.")] = None
    resize_mode: Annotated[
        Literal["stretch", "crop", "fill", "latent"],
        flag("--resize-mode", group=SOURCE, help="How it comes to another size than its own."),
    ] = "stretch"
    outpaint: Annotated[
        tuple[str, ...],
        flag(
            "--outpaint",
            group=SOURCE,
            negative_iterable="",
            help="SIDE=PIXELS to extend it by, such as right=64; all=32 means every side; repeatable.",
        ),
    ] = field(default=())

    def fields(self) -> dict[str, Any]:
        """Those of the request. `RequestError` where there is no picture, or a margin cannot be read."""
        if self.init_img is None:
            raise RequestError("Which picture? Give it by --init-img, as in: inkbloom img2img --init-img photo.jpg ...")
        sources = {"init_image": self.init_img, "mask_image": self.mask, "resize_mode": self.resize_mode}
        return sources | _margins(self.outpaint)


def _margins(texts: tuple[str, ...]) -> dict[str, int]:
    sides = ("left", "right", "top", "bottom")
    found: dict[str, int] = {}
    for text in texts:
        side, _, pixels = text.partition("=")
        if side not in (*sides, "all") or not (pixels.isascii() and pixels.isdigit()):
            raise RequestError(f'--outpaint "{text}": must be SIDE=PIXELS; the sides are {", ".join(sides)} and all.')
        found |= {f"outpaint_{one}": int(pixels) for one in (sides if side == "all" else (side,))}
    return found
