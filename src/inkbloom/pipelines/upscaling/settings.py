"""What a request says of more resolution: its second pass, and the tiles that a large picture is painted in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from inkbloom.core.errors import nearest
from inkbloom.pipelines.settings import Settings

if TYPE_CHECKING:
    from inkbloom.pipelines.request import ResolvedRequest

LATENT_UPSCALERS: dict[str, tuple[str, bool]] = {
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}
"""A1111's names: the mode of `torch.nn.functional.interpolate`, and whether it is antialiased."""

_STEP = 8


class HiresPass(Settings, frozen=True):
    """A1111's "Hires. fix": the finished picture is enlarged, noised by the same seeds and painted again."""

    scale: float = Field(2.0, ge=1, le=8, description="how many times as high and wide")
    width: int | None = Field(None, ge=64, le=8192, multiple_of=8, description="pixels, in place of scale")
    height: int | None = Field(
        None, ge=64, le=8192, multiple_of=8, description="pixels; with width alone the aspect ratio stays"
    )
    upscaler: str = Field("Latent", description='one of the latents, or of pixels, such as "Lanczos"')
    steps: int | None = Field(None, ge=1, le=10_000, description="that run; None: as many as in the first pass")
    strength: float = Field(0.7, ge=0, le=1, description="how much is new, from 0 to 1")
    sampler: str | None = Field(None, description="None: that of the first pass")
    schedule: str | None = Field(None, description="None: that of the first pass, or the sampler's where that is named")
    prompt: str | None = Field(None, description="None: that of the first pass")
    negative_prompt: str | None = Field(None, description="None: that of the first pass")
    guidance_scale: float | None = Field(None, description="None: that of the first pass")

    @model_validator(mode="after")
    def _check_latent_name(self) -> HiresPass:
        if self.upscaler.startswith("Latent") and self.upscaler not in LATENT_UPSCALERS:
            raise ValueError(f'upscaler "{self.upscaler}" is unknown.{nearest(self.upscaler, LATENT_UPSCALERS)}')
        return self

    def enlarged(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that a picture comes to first; it covers `size` and keeps its aspect ratio."""
        if self.width is None and self.height is None:
            sides = width * self.scale, height * self.scale
        else:
            factor = max((self.width or 0) / width, (self.height or 0) / height)
            sides = width * factor, height * factor
        # What is meant to be a multiple may lie a rounding error below it
        across, down = (int(side + 1e-6) // _STEP * _STEP for side in sides)
        return max(across, self.width or 0), max(down, self.height or 0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the second pass: where both are given, what is too much of one side is cut."""
        across, down = self.enlarged(width, height)
        return self.width or across, self.height or down

    def second(self, request: ResolvedRequest) -> dict[str, Any]:
        """The fields of the second pass' request, unresolved; exactly `steps` run."""
        width, height = self.size(request.width, request.height)
        return dict(request) | {
            "hires": None,
            "width": width,
            "height": height,
            "steps": self.steps or request.steps,
            "strength": self.strength,
            "step_rule": "exact",
            "sampler": self.sampler or request.sampler,
            "schedule": self.schedule if self.sampler or self.schedule else request.schedule,
            "sampler_options": {} if self.sampler else request.sampler_options,
            "prompt": self.prompt or request.prompt,
            "negative_prompt": self.negative_prompt or request.negative_prompt,
            "guidance_scale": request.guidance_scale if self.guidance_scale is None else self.guidance_scale,
            "init_noise": None,
            "network_hashes": {},
            "a1111_hashes": {},
        }


class TiledDiffusion(Settings, frozen=True):
    """The network sees windows of a larger picture, and its answers are averaged where they overlap."""

    method: Literal["multidiffusion", "mixture"] = Field(
        "multidiffusion", description="plain averages (Bar-Tal et al. 2023), or Gaussian weights (Jiménez 2023)"
    )
    size: int | None = Field(
        None, ge=64, le=8192, multiple_of=8, description="a window's side in pixels; None: the model's own size"
    )
    overlap: float = Field(0.5, ge=0, le=0.9, description="of neighbours, as a part of the side")
    at_once: int = Field(4, ge=1, le=1024, description="windows that go through the network together")
