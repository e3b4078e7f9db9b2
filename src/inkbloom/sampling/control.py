"""How pictures steer a network while it samples: which of them act at a noise level, how strongly, and on what.

Words: a row is *prompted* where it is answered under the prompt, not under the unconditional (negative) one. The soft
weights are those of guess mode in ControlNet's original code: 0.825^(n - 1 - i) for output i of n, so that the coarse
ones near the middle keep their strength and the fine ones lose it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Conditioning, Float, Latent, Sigmas
from inkbloom.nn.attention import Attention, Beside
from inkbloom.nn.steering import Reference, Steering, together
from inkbloom.sampling.prediction import Model
from inkbloom.sampling.schedules import NoiseSchedule

ControlMode = Literal["balanced", "prompt", "control"]
"""Who is more important. "prompt": soft weights. "control": soft weights, and prompted rows only, so that guidance
strengthens the control; with an empty prompt this is guess mode."""

SOFTENING = 0.825

Rows = Float[Tensor, "batch 1 1 1"]
"""1 for prompted rows, 0 for the others."""


class SteerableModel(Protocol):
    def __call__(
        self, x: Latent, t: Float[Tensor, "batch"], conditioning: Conditioning, steering: Steering, /
    ) -> Latent:
        """As `Model`, with additions inside."""
        ...


class Steer(Protocol):
    """One control at work."""

    def __call__(self, x: Latent, t: Float[Tensor, "batch"], conditioning: Conditioning, prompted: Rows, /) -> Steering:
        """What it adds to the network's answer to the same `x`, `t` and `conditioning`."""
        ...


class ControlNetwork(Protocol):
    def __call__(
        self, x: Latent, t: Float[Tensor, "batch"], conditioning: Conditioning, hint: Tensor, /
    ) -> Steering: ...


@dataclass(frozen=True, kw_only=True)
class ByControlNet:
    """A `Steer` that asks a ControlNet; several are added up."""

    network: ControlNetwork
    hint: Float[Tensor, "#batch channels height width"]
    weight: float = 1.0
    mode: ControlMode = "balanced"
    pooled: bool = False
    """The network steers by means over the picture: as in diffusers, prompted rows only and no soft weights."""

    def __post_init__(self) -> None:
        check_mode(self.mode)

    def __call__(self, x: Latent, t: Tensor, conditioning: Conditioning, prompted: Rows, /) -> Steering:
        found = self.network(x, t, conditioning, self.hint.expand(len(x), -1, -1, -1))
        count = len(found.skips) + 1
        soft = self.mode != "balanced" and not self.pooled
        weights = [self.weight * (SOFTENING ** (count - 1 - i) if soft else 1.0) for i in range(count)]
        if self.mode == "control" or self.pooled:
            return found.scaled([weight * prompted for weight in weights])
        return found.scaled(weights)


@dataclass(frozen=True, kw_only=True)
class ByAdapter:
    """A `Steer` by the features of a T2I-Adapter (Mou et al. 2023), which do not depend on the noise level."""

    levels: tuple[Tensor, ...]
    weight: float = 1.0
    mode: ControlMode = "balanced"
    """Its levels are what the soft weights go over."""

    def __post_init__(self) -> None:
        check_mode(self.mode)

    def __call__(self, x: Latent, t: Tensor, conditioning: Conditioning, prompted: Rows, /) -> Steering:
        last = len(self.levels) - 1
        soft = self.mode != "balanced"
        rows = prompted if self.mode == "control" else prompted.new_ones(())
        weights = [self.weight * (SOFTENING ** (last - i) if soft else 1.0) * rows for i in range(last + 1)]
        return Steering(levels=tuple(each * weight for each, weight in zip(self.levels, weights, strict=True)))


KeysValues = tuple[Tensor, Tensor]
"""Both (1, tokens, width)."""


@dataclass(frozen=True, kw_only=True)
class ByImagePrompt:
    """A `Steer` by an IP-Adapter (Ye et al. 2023): prompted rows see a picture, the others the lack of one."""

    seen: Mapping[Attention, tuple[KeysValues, KeysValues]]
    """For each cross-attention the keys and values of the picture, and of no picture."""
    weight: float = 1.0

    def __call__(self, x: Latent, t: Tensor, conditioning: Conditioning, prompted: Rows, /) -> Steering:
        rows = prompted[:, :, :, 0] > 0  # b 1 1
        beside = {}
        for attention, (picture, nothing) in self.seen.items():
            k, v = (torch.where(rows, one, other) for one, other in zip(picture, nothing, strict=True))
            beside[attention] = (Beside(k, v, self.weight),)
        return Steering(beside=beside)


@dataclass(frozen=True, kw_only=True)
class ByReference:
    """A `Steer` by a picture that the network looks at while it paints, without any further network.

    It costs a second call of the model: of the picture's latent, noised to the same level. The noise is the same at
    all levels, so that a run depends on nothing but its own seed.
    """

    model: SteerableModel
    latent: Latent
    """The picture's (1, ...), scaled."""
    noise: Latent
    noise_schedule: NoiseSchedule
    attentions: frozenset[Attention]
    """The self-attentions that look."""
    fidelity: float = 0.5

    def __call__(self, x: Latent, t: Tensor, conditioning: Conditioning, prompted: Rows, /) -> Steering:
        sigma = self.noise_schedule.sigma(t[0].item())
        noised = ((self.latent + sigma * self.noise) / math.hypot(1.0, sigma)).to(x).expand(len(x), -1, -1, -1)
        collecting = Reference(tokens={}, collects=self.attentions)
        self.model(noised, t, conditioning, Steering(reference=collecting))
        looking = Reference(tokens=collecting.tokens, fidelity=self.fidelity, prompted=prompted[:, :, :, 0])
        return Steering(reference=looking)


@dataclass(frozen=True, kw_only=True)
class Control:
    """A `Steer` and the part of the run in which it acts."""

    steer: Steer
    start: float = 0.0
    end: float = 1.0
    """Parts of the steps, from 0 to 1: it acts in step i of n where start <= i / n and (i + 1) / n <= end."""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= 1:
            raise RequestError(
                f"A control from {self.start:g} to {self.end:g} never acts; needed are parts of the run with "
                "0 <= start < end <= 1."
            )

    def acts(self, step: int, num_steps: int) -> bool:
        return self.start <= step / num_steps and (step + 1) / num_steps <= self.end


@dataclass(frozen=True, kw_only=True)
class Controlled:
    """A network under several controls: what `ModelDenoiser.controls` takes."""

    model: SteerableModel
    controls: Sequence[Control]
    sigmas: Sigmas
    """Of the run, by which a noise level is known to belong to a step."""

    def at(self, sigma: float, prompted: Rows) -> Model:
        """The network as it is steered at a noise level; `prompted` are the rows that it will be asked for."""
        step = max(int((self.sigmas >= sigma).sum()) - 1, 0)
        acting = [each.steer for each in self.controls if each.acts(step, len(self.sigmas) - 1)]

        def model(x: Latent, t: Tensor, conditioning: Conditioning, /) -> Latent:
            steering = together([steer(x, t, conditioning, prompted.to(x)) for steer in acting])
            return self.model(x, t, conditioning, steering)

        return model


def check_mode(mode: str) -> None:
    """`RequestError` unless it is a `ControlMode`."""
    if mode not in get_args(ControlMode):
        raise RequestError(f'Unknown control mode "{mode}".{nearest(mode, get_args(ControlMode))}')
