"""The samplers by name, with what each can do.

A sampler registers itself by its decorator; interfaces read this and keep no list.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Latent

SamplerFunction = Callable[..., Latent]
"""`(denoise, x, sigmas, *, on_step, [noise], [options...]) -> x at the last sigma`."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    function: SamplerFunction
    name: str
    """The name on disk and in every interface, as A1111 spells it: "DPM++ 2M"."""
    aliases: tuple[str, ...]
    order: int
    """Order of convergence of the deterministic part, as measured by the tests."""
    calls_per_step: int
    """Model calls for each step but the last; 0 where the sampler chooses its own number."""
    stochastic: bool
    """Draws noise while sampling (takes `noise`)."""
    schedule: str
    """The schedule that "automatic" stands for."""
    variance_preserving: bool
    """The reference starts from x = noise * sqrt(1 + sigma^2), not noise * sigma."""
    discard_penultimate: bool
    """The reference makes one step more and leaves out the last sigma but one."""
    needs_uncond: bool
    """Takes a `GuidedDenoiser` (CFG++)."""
    options: Mapping[str, Any]
    """Further keyword options and their defaults, read off the function."""

    def start_scale(self, sigma: float) -> float:
        """What the initial noise is multiplied by where sampling starts from it alone, at `sigma`."""
        return math.hypot(1.0, sigma) if self.variance_preserving else sigma


_SAMPLERS: dict[str, Sampler] = {}
_BY_ALIAS: dict[str, str] = {}


def sampler(
    name: str,
    *,
    order: int,
    calls_per_step: int = 1,
    stochastic: bool = False,
    aliases: tuple[str, ...] = (),
    schedule: str = "uniform",
    variance_preserving: bool = False,
    discard_penultimate: bool = False,
    needs_uncond: bool = False,
) -> Callable[[SamplerFunction], SamplerFunction]:
    """Register the decorated function as a sampler; the arguments are `Sampler`'s fields."""

    def register(function: SamplerFunction) -> SamplerFunction:
        parameters = inspect.signature(function).parameters.values()
        options = {
            p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("on_step", "noise")
        }
        _SAMPLERS[name] = Sampler(
            function=function,
            name=name,
            aliases=aliases,
            order=order,
            calls_per_step=calls_per_step,
            stochastic=stochastic,
            schedule=schedule,
            variance_preserving=variance_preserving,
            discard_penultimate=discard_penultimate,
            needs_uncond=needs_uncond,
            options=options,
        )
        for alias in (name, function.__name__, *aliases):
            _BY_ALIAS[alias.lower()] = name
        return function

    return register


def all_samplers() -> tuple[Sampler, ...]:
    """Every sampler, in the order in which interfaces show them."""
    _fill()
    return tuple(_SAMPLERS.values())


def find_sampler(name: str) -> Sampler:
    """The sampler of that name or alias, whatever the case; a `RequestError` that names the nearest otherwise."""
    _fill()
    known = _BY_ALIAS.get(name.strip().lower())
    if known is None:
        raise RequestError(f'Unknown sampler "{name}".{nearest(name, _SAMPLERS)}')
    return _SAMPLERS[known]


def _fill() -> None:
    # Here and not above, since the samplers import this module to register themselves.
    import inkbloom.sampling.samplers  # noqa: F401
