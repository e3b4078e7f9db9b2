"""The options of more resolution: A1111's "Hires. fix", and tiled diffusion."""

# Annotations stay real objects here, as in `options`.

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from inkbloom.core.errors import RequestError

HIRES = Group("A second pass at a higher resolution", sort_key=4)


def _flag(name: str, help: str) -> Parameter:
    return Parameter(name=name, group=HIRES, help=help)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ResolutionOptions:
    """Any of the first ones asks for a second pass."""

    hires_scale: Annotated[
        float | None, _flag("--hires-scale", "Paint again, so many times as large. [default: 2 with the others]")
    ] = None
    hires_size: Annotated[
        tuple[int, int] | None, _flag("--hires-size", "WIDTH HEIGHT in place of a scale; 0 = by the aspect ratio.")
    ] = None
    hires_upscaler: Annotated[
        str | None,
        _flag("--hires-upscaler", 'Such as "Latent (bicubic)", Lanczos, Starter or a file. [default: Latent]'),
    ] = None
    hires_steps: Annotated[int | None, _flag("--hires-steps", "Steps that run. [default: --steps]")] = None
    hires_strength: Annotated[float | None, _flag("--hires-strength", "How much is new. [default: 0.7]")] = None
    hires_sampler: Annotated[str | None, _flag("--hires-sampler", "[default: --sampler]")] = None
    hires_schedule: Annotated[str | None, _flag("--hires-schedule", "[default: --schedule]")] = None
    hires_prompt: Annotated[str | None, _flag("--hires-prompt", "[default: the prompt]")] = None
    hires_negative_prompt: Annotated[str | None, _flag("--hires-negative-prompt", "[default: --negative-prompt]")] = (
        None
    )
    hires_guidance: Annotated[float | None, _flag("--hires-guidance-scale", "[default: --scale]")] = None
    tiled_diffusion: Annotated[
        Literal["multidiffusion", "mixture"] | None,
        _flag("--tiled-diffusion", "Paint in overlapping windows: averaged, or with Gaussian weights."),
    ] = None
    window: Annotated[int | None, _flag("--window", "Side of a window in pixels. [default: the model's own size]")] = (
        None
    )
    window_overlap: Annotated[float | None, _flag("--window-overlap", "Part of it, 0 to 0.9. [default: 0.5]")] = None

    def fields(self) -> dict[str, Any]:
        """Those of the request. `RequestError` where a window is described and no tiled diffusion asked for."""
        width, height = self.hires_size or (0, 0)
        hires = {
            "scale": self.hires_scale,
            "width": width or None,
            "height": height or None,
            "upscaler": self.hires_upscaler,
            "steps": self.hires_steps,
            "strength": self.hires_strength,
            "sampler": self.hires_sampler,
            "schedule": self.hires_schedule,
            "prompt": self.hires_prompt,
            "negative_prompt": self.hires_negative_prompt,
            "guidance_scale": self.hires_guidance,
        }
        tiled = {"method": self.tiled_diffusion, "size": self.window, "overlap": self.window_overlap}
        given = [{name: value for name, value in one.items() if value is not None} for one in (hires, tiled)]
        if given[1] and self.tiled_diffusion is None:
            raise RequestError("--window and --window-overlap describe --tiled-diffusion; give that too.")
        return {"hires": given[0] or None, "tiled_diffusion": given[1] or None}
