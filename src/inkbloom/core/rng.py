"""Random numbers of one run, each picture from streams of its own, so that no picture depends on its batch.

Streams of a picture with seed s:
    initial noise, then all normal draws    one generator seeded with s (as A1111, and diffusers with a list of them)
    with `eta_noise_seed_delta` d           all but the initial noise from a fresh one seeded with s + d (A1111's ENSD)
    Brownian path                           a generator seeded with s XOR the eight ASCII bytes "BROWNIAN"
    variation of seed v                     the initial noise goes towards that of a generator seeded with v
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.philox import PhiloxGenerator
from inkbloom.core.types import Latent, Tensor

NoiseSource = Literal["cpu", "nv"]
"""cpu: PyTorch's CPU generator. nv: what PyTorch draws on an NVIDIA GPU (A1111's "NV"), without needing one."""

_BROWNIAN = int.from_bytes(b"BROWNIAN")
_SEEDS = 2**64


@dataclass(frozen=True, kw_only=True)
class Variation:
    """How the initial noise of a run leaves that of its seeds, as A1111's "Extra" seed options have it."""

    seeds: Sequence[int]
    """One for each picture."""
    strength: float
    """0 to 1: `slerp` from the seed's noise to that of the variation's seed."""


class ImageNoise:
    """The noise of one run; fulfils `sampling.denoiser.Noise`. It holds the streams' state, so each run makes its own.

    `seeds`: one for each picture, whole numbers in [0, 2**64); PyTorch's CPU generator uses the lower 32 bits only.
    `shape`: one picture's (c, h, w). Draws are made on the CPU in float32, then moved and cast, so that a seed means
    the same picture on each device. `RequestError` for other seeds, none at all, or an unknown source.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: tuple[int, int, int],
        *,
        source: NoiseSource = "cpu",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        eta_noise_seed_delta: int = 0,
        variation: Variation | None = None,
        resize_from: tuple[int, int] | None = None,
        initial: Tensor | None = None,
    ) -> None:
        """`resize_from` (height, width) makes the initial noise as for latents of that size, and sets it into the
        middle of this size's, so that what it shows stays. `initial` (1, c, h, w) takes the place of the seeds' own in
        every picture."""
        if source not in get_args(NoiseSource):
            raise RequestError(f'Unknown noise source "{source}".{nearest(source, get_args(NoiseSource))}')
        if not seeds:
            raise RequestError("Noise needs a seed for each picture; none was given.")
        for seed in seeds:
            if not 0 <= seed < _SEEDS:
                raise RequestError(f"Seed {seed} is out of range; allowed are 0 to {_SEEDS - 1}.")
        self._shape, self._source, self._device, self._dtype = shape, source, device, dtype
        streams = self._open(seeds)
        # Drawn at once, so that later draws do not depend on whether the initial noise was asked for
        self._initial = self._draw(streams)
        if initial is not None:
            self._initial = initial.float().expand_as(self._initial)
        elif variation is not None or resize_from is not None:
            self._initial = self._varied(seeds, variation, resize_from or shape[1:])
        if eta_noise_seed_delta:
            streams = self._open([(seed + eta_noise_seed_delta) % _SEEDS for seed in seeds])
        self._streams = streams
        self._brownian_streams = self._open([seed ^ _BROWNIAN for seed in seeds])
        # The known points of the path, by increasing sigma; it starts as W(0) = 0
        self._path_sigmas = [0.0]
        self._path = [torch.zeros_like(self._initial)]

    def _varied(self, seeds: Sequence[int], variation: Variation | None, size: tuple[int, ...]) -> Tensor:
        shape = self._shape[0], *size
        noise = torch.stack([_randn(stream, shape) for stream in self._open(seeds)])
        if variation is not None:
            other = torch.stack([_randn(stream, shape) for stream in self._open(variation.seeds)])
            noise = torch.stack([slerp(a, b, variation.strength) for a, b in zip(noise, other, strict=True)])
        return _set_into(self._initial, noise)

    def initial(self) -> Latent:
        """The first standard normal draw of every picture, the same at each call."""
        return self._hand_out(self._initial)

    def normal(self) -> Latent:
        """The next standard normal draw of every picture, from the second on."""
        return self._hand_out(self._draw(self._streams))

    def brownian(self, sigma: float, sigma_next: float) -> Latent:
        """(W(sigma) - W(sigma_next)) / sqrt(sigma - sigma_next), unit variance, W a Brownian path for each picture.

        The path is fixed at the points asked for, in the order of asking, each drawn from its law given the points
        known before (a Brownian bridge between neighbours); so overlapping intervals agree, and the same sequence of
        questions gets the same answers. Keeps a latent for each point. `RequestError` unless sigma > sigma_next >= 0.
        """
        if not sigma > sigma_next >= 0:
            raise RequestError(f"No Brownian step from sigma {sigma} to {sigma_next}; it must go down, to 0 at least.")
        step = self._walked_to(sigma) - self._walked_to(sigma_next)
        return self._hand_out(step / math.sqrt(sigma - sigma_next))

    def _walked_to(self, sigma: float) -> Tensor:
        """W(sigma)."""
        after = bisect(self._path_sigmas, sigma)
        low, at_low = self._path_sigmas[after - 1], self._path[after - 1]
        if low == sigma:
            return at_low
        if after == len(self._path):
            mean, variance = at_low, sigma - low
        else:
            high = self._path_sigmas[after]
            weight = (sigma - low) / (high - low)
            mean, variance = at_low.lerp(self._path[after], weight), (sigma - low) * (1 - weight)
        point = mean + math.sqrt(variance) * self._draw(self._brownian_streams)
        self._path_sigmas.insert(after, sigma)
        self._path.insert(after, point)
        return point

    def _open(self, seeds: Sequence[int]) -> list[torch.Generator] | list[PhiloxGenerator]:
        if self._source == "nv":
            return [PhiloxGenerator(seed) for seed in seeds]
        return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def _draw(self, streams: list[torch.Generator] | list[PhiloxGenerator]) -> Tensor:
        return torch.stack([_randn(stream, self._shape) for stream in streams])

    def _hand_out(self, drawn: Tensor) -> Tensor:
        """A copy, so that no caller can change the stored noise."""
        return drawn.to(self._device, self._dtype, copy=True)


def _randn(stream: torch.Generator | PhiloxGenerator, shape: tuple[int, ...]) -> Tensor:
    if isinstance(stream, PhiloxGenerator):
        return torch.from_numpy(stream.randn(shape))
    return torch.randn(shape, generator=stream, dtype=torch.float32)


def slerp(a: Tensor, b: Tensor, amount: float) -> Tensor:
    """From `a` (amount 0) to `b` (1), both (c, h, w), along great circles (Shoemake 1985).

    The vectors are the columns, each for itself, as in A1111. Where they point nearly the same way on the average, the
    straight line.
    """
    unit_a, unit_b = (noise / noise.norm(dim=1, keepdim=True) for noise in (a, b))
    cosine = (unit_a * unit_b).sum(dim=1, keepdim=True)
    if cosine.mean() > 0.9995:
        return torch.lerp(a, b, amount)
    angle = cosine.acos()
    return (((1 - amount) * angle).sin() * a + (amount * angle).sin() * b) / angle.sin()


def _set_into(canvas: Tensor, patch: Tensor) -> Tensor:
    """`canvas` with the middle of `patch` in its middle."""
    result = canvas.clone()
    here, there = [], []
    for large, small in zip(canvas.shape[2:], patch.shape[2:], strict=True):
        offset = (large - small) // 2
        length = min(large, small)
        here.append(slice(max(0, offset), max(0, offset) + length))
        there.append(slice(max(0, -offset), max(0, -offset) + length))
    result[:, :, here[0], here[1]] = patch[:, :, there[0], there[1]]
    return result
