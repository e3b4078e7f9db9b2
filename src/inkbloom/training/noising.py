"""What is drawn for an example before the network sees it: a time step, noise, and what is done to the noise.

All of it follows from (seed, step, row), on the CPU, so that it does not depend on micro-batches, processes or device;
each kind of draw has a generator of its own, so that an option does not change the draws of another.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Self, get_args

import torch
from torch.nn import functional as F

from inkbloom.core.errors import TrainingError, nearest
from inkbloom.core.types import Float, Int, Latent, Tensor
from inkbloom.sampling.process import add_noise
from inkbloom.sampling.schedules import NoiseSchedule
from inkbloom.training.batches import Batch, row_generator

TimestepSampling = Literal["uniform", "stratified", "logit_normal"]


class Purpose(IntEnum):
    """What a generator of `row_generator` is for; those of data sets and adapters are from 16 on."""

    TIME_STEP = 1
    PARTS = 2
    NOISE = 3
    OFFSET = 4
    PYRAMID = 5
    PERTURBATION = 6
    HELD_OUT_LOSS = 7
    HELD_OUT_BOUND = 8


def check_choice(name: str, value: object, kind: object) -> None:
    """`TrainingError` unless a setting's value is one of a `Literal`'s."""
    if value not in get_args(kind):
        raise TrainingError(f'{name} is "{value}".{nearest(str(value), get_args(kind))}')


def check_range(name: str, value: float, low: float = 0.0, high: float = math.inf, *, above: bool = False) -> None:
    """`TrainingError` unless low <= value <= high, and low < value where `above`; infinity and NaN are not allowed."""
    if not (low <= value <= high and math.isfinite(value)) or (above and value == low):
        least = "finite" if math.isinf(low) else f"above {low:g}" if above else f"at least {low:g}"
        most = "" if math.isinf(high) else f" and at most {high:g}"
        raise TrainingError(f"{name} is {value}; it must be {least}{most}.")


@dataclass(frozen=True, kw_only=True)
class NoisingSettings:
    """`TrainingError` where a value is outside its range."""

    timestep_sampling: TimestepSampling = "stratified"
    """How time steps are drawn: uniform; stratified (one from each of as many equal parts as the batch has examples:
    the same mean, less variance); logit_normal (the middle more often, see logit_normal_mean and logit_normal_std)."""
    logit_normal_mean: float = 0.0
    """For logit_normal: below 0 draws cleaner time steps more often, above 0 noisier ones."""
    logit_normal_std: float = 1.0
    """For logit_normal: how wide it draws."""
    min_timestep: int = 0
    """The first time step that is trained on; 0 is nearly clean."""
    max_timestep: int | None = None
    """The first time step that is no longer trained on. None: all, up to pure noise."""
    noise_offset: float = 0.0
    """Adds so much noise that is one number a channel, so that the model learns very dark and very bright pictures;
    0.05 to 0.1 is usual, 0 is off."""
    noise_offset_random: bool = False
    """Take a strength between 0 and noise_offset, another for each example."""
    noise_offset_adaptive: float = 0.0
    """Adds so many times the mean of a latent's channel, without its sign, to noise_offset."""
    pyramid_noise_iterations: int = 0
    """Adds noise of so many sizes, ever coarser; 6 to 10 is usual, 0 is off."""
    pyramid_noise_discount: float = 0.3
    """Each coarser noise counts so many times the one before."""
    input_perturbation: float = 0.0
    """Adds so much noise to what the model sees and not to what it should predict; 0.1 is usual, 0 is off."""
    input_perturbation_random: bool = False
    """Take a strength between 0 and input_perturbation, another for each example."""

    def __post_init__(self) -> None:
        check_choice("timestep_sampling", self.timestep_sampling, TimestepSampling)
        check_range("logit_normal_mean", self.logit_normal_mean, -math.inf)
        check_range("logit_normal_std", self.logit_normal_std, above=True)
        check_range("min_timestep", self.min_timestep)
        if self.max_timestep is not None and self.max_timestep <= self.min_timestep:
            raise TrainingError(
                f"max_timestep is {self.max_timestep}; it must be above min_timestep, which is {self.min_timestep}."
            )
        check_range("noise_offset", self.noise_offset)
        check_range("noise_offset_adaptive", self.noise_offset_adaptive, -math.inf)
        check_range("pyramid_noise_iterations", self.pyramid_noise_iterations)
        check_range("pyramid_noise_discount", self.pyramid_noise_discount, 0, 1, above=True)
        check_range("input_perturbation", self.input_perturbation)

    def timestep_range(self, timesteps: int) -> tuple[int, int]:
        """The first time step and the one after the last; `TrainingError` where the model does not have so many."""
        high = timesteps if self.max_timestep is None else self.max_timestep
        if high > timesteps or self.min_timestep >= timesteps:
            name = "max_timestep" if high > timesteps else "min_timestep"
            raise TrainingError(
                f"{name} is {getattr(self, name)}; the model's noise schedule has {timesteps} time steps."
            )
        return self.min_timestep, high


@dataclass(frozen=True)
class Noised:
    """Examples as the network is asked about them."""

    x: Latent
    """x_t = sqrt(alpha-bar_t) x0 + sqrt(1 - alpha-bar_t) noise, float32; with input perturbation, of more noise."""
    t: Int[Tensor, "batch"]
    """On the CPU, where the noise schedule is: looking it up never waits for a device."""
    x0: Latent
    noise: Latent
    """What the target is made of."""

    def to(self, device: torch.device) -> Self:
        """The same elsewhere, but for `t`."""
        return type(self)(self.x.to(device), self.t, self.x0.to(device), self.noise.to(device))


def noised(batch: Batch, settings: NoisingSettings, schedule: NoiseSchedule, seed: int) -> Noised:
    """The batch's latents with the noise of its step and rows, on the CPU."""
    assert batch.latents is not None, "the data set of a diffusion training has latents"
    noise = torch.stack(
        [_noise(batch.step, row, x0, settings, seed) for row, x0 in zip(batch.rows, batch.latents, strict=True)]
    )
    t = time_steps(batch, settings, schedule.timesteps, seed)
    seen = noise
    if settings.input_perturbation:
        seen = torch.stack(
            [_perturbed(batch.step, row, one, settings, seed) for row, one in zip(batch.rows, noise, strict=True)]
        )
    return Noised(add_noise(batch.latents, seen, t, schedule), t, batch.latents, noise)


def time_steps(batch: Batch, settings: NoisingSettings, timesteps: int, seed: int) -> Int[Tensor, "batch"]:
    """t = low + floor(u (high - low)), u in [0, 1) by `TimestepSampling`.

    stratified: u = (p + v) / n with p of a permutation of the n rows of the global batch, v uniform. logit_normal: u =
    1 / (1 + exp(-z)), z normal (Esser et al. 2024, Eq. 19).
    """
    low, high = settings.timestep_range(timesteps)
    generators = [row_generator(seed, batch.step, row, Purpose.TIME_STEP) for row in batch.rows]
    if settings.timestep_sampling == "logit_normal":
        z = torch.cat([torch.randn(1, generator=one, dtype=torch.float64) for one in generators])
        u = torch.sigmoid(settings.logit_normal_mean + settings.logit_normal_std * z)
    else:
        u = torch.cat([torch.rand(1, generator=one, dtype=torch.float64) for one in generators])
    if settings.timestep_sampling == "stratified":
        order = torch.randperm(batch.global_size, generator=row_generator(seed, batch.step, 0, Purpose.PARTS))
        u = (order[list(batch.rows)] + u) / batch.global_size
    return (low + u * (high - low)).long().clamp(max=high - 1)


def offset_noise(
    noise: Float[Tensor, "channels height width"],
    x0: Float[Tensor, "channels height width"],
    drawn: Float[Tensor, "channels 1 1"],
    *,
    strength: float,
    adaptive: float = 0.0,
) -> Float[Tensor, "channels height width"]:
    """noise + max(0, strength + adaptive |mean of x0's channel|) drawn, `drawn` standard normal (Guttenberg 2023)."""
    return noise + (strength + adaptive * x0.mean((1, 2), keepdim=True).abs()).clamp(min=0) * drawn


def pyramid_noise(
    noise: Float[Tensor, "channels height width"], generator: torch.Generator, *, iterations: int, discount: float
) -> Float[Tensor, "channels height width"]:
    """Add standard normal noise of ever coarser sizes, bring the deviation back to 1 (Whitaker 2023).

    Level i is drawn at 1 / r_i^i of both sides, r_i uniform in [2, 4), enlarged bilinearly and weighted by discount^i;
    the last is the first with a side of 1.
    """
    channels, *size = noise.shape
    for level in range(iterations):
        ratio = 2 + 2 * torch.rand(1, generator=generator, dtype=torch.float64).item()
        coarse = [max(1, int(side / ratio**level)) for side in size]
        drawn = torch.randn(1, channels, *coarse, generator=generator)
        noise = noise + F.interpolate(drawn, size=size, mode="bilinear")[0] * discount**level
        if 1 in coarse:
            break
    return noise / noise.std()


def _noise(step: int, row: int, x0: Tensor, settings: NoisingSettings, seed: int) -> Tensor:
    noise = torch.randn(x0.shape, generator=row_generator(seed, step, row, Purpose.NOISE))
    if settings.noise_offset or settings.noise_offset_adaptive:
        generator = row_generator(seed, step, row, Purpose.OFFSET)
        drawn = torch.randn(len(x0), 1, 1, generator=generator)
        strength = _strength(settings.noise_offset, generator, random=settings.noise_offset_random)
        noise = offset_noise(noise, x0, drawn, strength=strength, adaptive=settings.noise_offset_adaptive)
    if settings.pyramid_noise_iterations:
        generator = row_generator(seed, step, row, Purpose.PYRAMID)
        iterations, discount = settings.pyramid_noise_iterations, settings.pyramid_noise_discount
        noise = pyramid_noise(noise, generator, iterations=iterations, discount=discount)
    return noise


def _perturbed(step: int, row: int, noise: Tensor, settings: NoisingSettings, seed: int) -> Tensor:
    """Ning et al. 2023, Eq. 7: the network sees noise + gamma xi and should still say noise."""
    generator = row_generator(seed, step, row, Purpose.PERTURBATION)
    drawn = torch.randn(noise.shape, generator=generator)
    return noise + _strength(settings.input_perturbation, generator, random=settings.input_perturbation_random) * drawn


def _strength(strength: float, generator: torch.Generator, *, random: bool) -> float:
    return strength * torch.rand(1, generator=generator).item() if random else strength
