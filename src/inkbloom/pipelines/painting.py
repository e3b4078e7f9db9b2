"""One group of pictures through the networks at once: where sampling starts, what denoises, and how it ends."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image as PILImage
from torch.nn import functional as F

from inkbloom.core.errors import InkbloomError, MemoryNeededError, RequestError
from inkbloom.core.rng import ImageNoise, Variation
from inkbloom.core.types import Latent
from inkbloom.families.spec import ModelSpec
from inkbloom.models.unet import UNet
from inkbloom.nn.seamless import seamless
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.pipelines.control.controls import Controls
from inkbloom.pipelines.device import Compute
from inkbloom.pipelines.editing.canvas import Canvas, prepare_canvas
from inkbloom.pipelines.editing.conditions import WithChannels, inpaint_channels, instruct_channels, purpose
from inkbloom.pipelines.editing.regions import Masks, region_masks, uncovered
from inkbloom.pipelines.memory import is_out_of_memory
from inkbloom.pipelines.pictures import to_pictures
from inkbloom.pipelines.prompts import BatchConditions, PictureConditions
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.pipelines.safety import Safety
from inkbloom.pipelines.spool import Spool
from inkbloom.pipelines.stages import StageHashes, StageRecorder
from inkbloom.pipelines.upscaling.settings import TiledDiffusion
from inkbloom.pipelines.watermark import add_watermark
from inkbloom.sampling.control import Controlled
from inkbloom.sampling.denoiser import GuidedDenoiser, Step
from inkbloom.sampling.editing import DifferentialDenoiser, MaskedDenoiser, latent_mask, schedule_steps
from inkbloom.sampling.guidance import ClassifierFreeGuidance
from inkbloom.sampling.instruct import InstructGuidance
from inkbloom.sampling.inversion import InversionRule, invert
from inkbloom.sampling.prediction import ModelDenoiser
from inkbloom.sampling.pure_noise import sample
from inkbloom.sampling.registry import find_sampler
from inkbloom.sampling.sigmas import make_sigmas
from inkbloom.sampling.tape import Tape, TapedDenoiser
from inkbloom.sampling.tiling import TiledModel

CFGPP_SCALE = 12.5
Guidance = ClassifierFreeGuidance | InstructGuidance

OnStep = Callable[[int, int | None, float, Latent, Latent, bool], None]
"""Told after each step: (steps done, steps in all or None, sigma reached, latents of unit variance, denoised, whether
the step came from a tape)."""
Painted = tuple[list[PILImage.Image], Latent, list[StageHashes], list[str]]
"""Pictures, scaled latents, stage hashes, and what the user should know."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """What sampling begins from."""

    sigmas: torch.Tensor
    """Those that run; one alone where nothing is to be painted."""
    init: Latent | None = None
    """The scaled latent of the picture to start from, 1 or one for each picture; None: pure noise."""
    kept: Latent | None = None
    """What stays outside the mask; `init` but for the masked content."""
    mask: torch.Tensor | None = None
    """On the latent grid, 1 = repaint."""


class Painter:
    def __init__(
        self,
        spec: ModelSpec,
        unet: UNet,
        autoencoder: Autoencoder,
        compute: Compute,
        controls: Controls,
        safety: Safety,
    ) -> None:
        self.spec, self.unet, self.autoencoder, self.compute = spec, unet, autoencoder, compute
        self.controls = controls
        self.safety = safety
        self.noise_schedule = spec.noise_schedule.build()

    def paint(
        self,
        requests: Sequence[ResolvedRequest],
        conditions: Sequence[PictureConditions],
        on_step: OnStep,
        spool: Spool | None = None,
        begin: Latent | None = None,
        tape: Path | None = None,
    ) -> Painted:
        """Paint requests that differ in prompts and seeds alone, from the scaled latents `begin` where it is given.

        The latents are written to the spool before they are decoded. `tape` is the file by which the sampling, where
        it is interrupted, goes on exactly (`sampling.tape`); whoever gave it removes it.
        """
        with seamless(requests[0].tiling):
            return self._paint(requests, conditions, on_step, spool, begin, tape)

    def _paint(
        self,
        requests: Sequence[ResolvedRequest],
        conditions: Sequence[PictureConditions],
        on_step: OnStep,
        spool: Spool | None,
        begin: Latent | None,
        tape_file: Path | None,
    ) -> Painted:
        request = requests[0]
        stages = StageRecorder(len(requests), self.compute.device)
        noise = self._noise(requests)
        canvas = prepare_canvas(request) if request.init_image is not None else None
        start = self._start(request, canvas, noise, begin)
        stages.record("sigmas", start.sigmas.expand(len(requests), -1))
        regions = self._regions(request, canvas, enlarged=begin is not None)
        with _tape(tape_file, requests, noise.initial(), begin) as tape:
            calls = itertools.count(tape.calls if tape else 0)
            guidance = self._guide(request, conditions, canvas, start.sigmas, regions, calls)
            stages.record("tokens", [each.tokens for each in conditions])
            with_uncond = guidance.uncond is not None
            stages.record("conditioning", [each.values(with_uncond=with_uncond) for each in conditions])
            stages.record("noise", noise.initial())
            latents = self._sample(request, start, guidance, noise, stages, on_step, tape)
        stages.record("latent", latents)
        if canvas is not None and len(start.sigmas) < 2:
            images = [canvas.finish(canvas.picture)] * len(requests)
        else:
            if spool is not None:
                spool.write(latents, requests)
            images = self._develop(request, latents, canvas, start.kept)
        images, warnings = self._finish(requests, images)
        bare = uncovered(regions, len(conditions[0].cond.parts))
        warnings += [] if bare is None else [bare]
        return images, latents.cpu(), stages.finish(images), warnings

    @torch.inference_mode()
    def decode(self, requests: Sequence[ResolvedRequest], latents: Latent) -> tuple[list[PILImage.Image], list[str]]:
        """Pictures and warnings of scaled latents that were sampled for these requests, as `paint` would have ended."""
        request = requests[0]
        with seamless(request.tiling):
            canvas = prepare_canvas(request) if request.init_image is not None else None
            kept = None
            if canvas is not None and canvas.latent_mask_pixels() is not None:
                kept = self._encode(request, canvas.picture)
            return self._finish(requests, self._develop(request, latents, canvas, kept))

    def _develop(
        self, request: ResolvedRequest, latents: Latent, canvas: Canvas | None, kept: Latent | None
    ) -> list[PILImage.Image]:
        images = to_pictures(self.autoencoder.decode(latents))
        if canvas is None:
            return images
        decoded = None
        if kept is not None and request.match_colors:
            decoded = to_pictures(self.autoencoder.decode(kept))[0]
        return [canvas.finish(image, decoded) for image in images]

    def _finish(
        self, requests: Sequence[ResolvedRequest], images: list[PILImage.Image]
    ) -> tuple[list[PILImage.Image], list[str]]:
        """Blacken what is unsafe, and add the watermark, where that is asked for; with a line for each unsafe one."""
        warnings: list[str] = []
        if requests[0].safety_checker:
            found = self.safety.unsafe(images)
            images = [
                PILImage.new("RGB", image.size) if bad else image for image, bad in zip(images, found, strict=True)
            ]
            warnings = [
                f"The safety checker blackened the picture with seed {request.seed}."
                for request, bad in zip(requests, found, strict=True)
                if bad
            ]
        if requests[0].watermark:
            images = [add_watermark(image) for image in images]
        return images, warnings

    def invert(
        self,
        request: ResolvedRequest,
        conditions: PictureConditions,
        canvas: Canvas,
        rule: InversionRule,
        rounds: int,
    ) -> tuple[Latent, PILImage.Image]:
        """The noise (1, c, h, w) that the request's sampler makes the canvas of, and the canvas as the decoder has it.

        `sampling.inversion.invert` says what `rule` and `rounds` mean.
        """
        sigmas = self.sigmas(request)
        init = self._encode(request, canvas.picture)
        first, last = sigmas[0].item(), sigmas[-1].item()
        with seamless(request.tiling):
            guidance = self._guide(request, [conditions], canvas, sigmas, self._regions(request, canvas))
            x = invert(guidance, init * math.hypot(1.0, last), sigmas, rule=rule, rounds=rounds)
            (decoded,) = to_pictures(self.autoencoder.decode(init))
        return (x / find_sampler(request.sampler).start_scale(first)).float().cpu(), decoded

    def sigmas(self, request: ResolvedRequest, *, begun: bool = False) -> torch.Tensor:
        """Those of the request's steps that run, in a pass that begins with a picture where it has one or is `begun`.

        `RequestError` where the schedule cannot be made.
        """
        steps, running = request.steps, request.steps
        if request.init_image is not None or begun:
            steps, running = schedule_steps(request.steps, request.strength, request.step_rule)
        sigmas = make_sigmas(
            request.schedule,
            steps,
            self.noise_schedule,
            sigma_min=request.sigma_min,
            sigma_max=request.sigma_max,
            rho=request.rho,
            discard_penultimate=find_sampler(request.sampler).discard_penultimate,
            family=self.spec.family,
        )
        return sigmas[-(running + 1) :] if running < steps else sigmas

    def latent_shape(self, request: ResolvedRequest) -> tuple[int, int, int]:
        step = self.autoencoder.downscale
        return self.spec.autoencoder.latent_channels, request.height // step, request.width // step

    def _noise(self, requests: Sequence[ResolvedRequest]) -> ImageNoise:
        request, step = requests[0], self.autoencoder.downscale
        variation = None
        if request.variation_strength:
            seeds = [single.variation_seed or 0 for single in requests]
            variation = Variation(seeds=seeds, strength=request.variation_strength)
        resized = request.seed_height is not None and request.seed_width is not None
        return ImageNoise(
            [single.seed for single in requests],
            self.latent_shape(request),
            source=request.noise_source,
            device=self.compute.device,
            eta_noise_seed_delta=request.eta_noise_seed_delta,
            variation=variation,
            initial=self._given_noise(request),
            resize_from=(request.seed_height // step, request.seed_width // step) if resized else None,  # type: ignore[operator] - just checked
        )

    def _given_noise(self, request: ResolvedRequest) -> Latent | None:
        if request.init_noise is None:
            return None
        noise, shape = request.init_noise.open(), self.latent_shape(request)
        if noise.shape[1:] != shape:
            raise RequestError(
                f"init_noise has the shape {tuple(noise.shape[1:])}, a latent of {request.width} x {request.height} "
                f"pixels {shape}; they must agree."
            )
        return noise

    def _start(self, request: ResolvedRequest, canvas: Canvas | None, noise: ImageNoise, begin: Latent | None) -> Start:
        sigmas = self.sigmas(request, begun=begin is not None)
        if canvas is None:
            return Start(sigmas=sigmas, init=begin)
        init = self._encode(request, canvas.filled)
        pixels = canvas.latent_mask_pixels()
        if pixels is None and purpose(self.spec) == "instruct" and request.strength == 1:
            return Start(sigmas=sigmas)  # it sees the picture anyway, and learned to begin from noise alone
        if pixels is None:
            return Start(sigmas=sigmas, init=init)
        kept = init if canvas.filled is canvas.picture else self._encode(request, canvas.picture)
        mask = latent_mask(pixels.to(init), self.autoencoder.downscale, request.mask_grow)
        if not request.mask_soft:
            mask = (mask > 0).to(init)
        if request.masked_content == "noise":
            init = torch.lerp(init, noise.initial(), mask)
        elif request.masked_content == "nothing":
            init = init * (1 - mask)
        return Start(sigmas=sigmas, init=init, kept=kept, mask=mask)

    def _encode(self, request: ResolvedRequest, picture: PILImage.Image) -> Latent:
        latent = self.autoencoder.encode(picture)
        size = self.latent_shape(request)[1:]
        return latent if latent.shape[2:] == size else F.interpolate(latent, size=size, mode="bilinear")

    def _sample(
        self,
        request: ResolvedRequest,
        start: Start,
        guidance: Guidance,
        noise: ImageNoise,
        stages: StageRecorder,
        on_step: OnStep,
        tape: Tape | None,
    ) -> Latent:
        sampler, sigmas = find_sampler(request.sampler), start.sigmas
        first, last = sigmas[0].item(), sigmas[-1].item()
        if start.init is None:
            x = noise.initial() * sampler.start_scale(first)
        else:
            init = start.init.to(noise.initial()).expand(noise.initial().shape)
            if len(sigmas) < 2:
                return init
            x = init + noise.initial() * (first * request.noise_multiplier + request.extra_noise)

        def told(step: Step, x: Latent, denoised: Latent) -> None:
            stages.step(step.index + 1, x)
            total = len(sigmas) - 1 if sampler.calls_per_step else None
            replayed = isinstance(denoise, TapedDenoiser) and denoise.replaying
            on_step(step.index + 1, total, step.sigma_next, x / math.hypot(1.0, step.sigma_next), denoised, replayed)

        options = dict(request.sampler_options) | ({"noise": noise} if sampler.stochastic else {})
        denoise = _masked(guidance, start, soft=request.mask_soft)
        if tape is not None:
            denoise = TapedDenoiser(inner=denoise, tape=tape)
        try:
            x = sample(sampler, denoise, x, sigmas, on_step=told, **options)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise MemoryNeededError(
                f"Painting {len(x)} of {request.width} x {request.height} pixels at once ran out of memory; "
                "choose a smaller size, fewer pictures at once, or tiled diffusion."
            ) from error
        # Where the sigmas stop above 0, the picture is the variance-preserving latent there, as CompVis decodes it.
        latents = x / math.hypot(1.0, last)
        if start.mask is not None and start.kept is not None:
            latents = torch.where(start.mask > 0, latents, start.kept)  # without the noise that such sigmas leave
        if not latents.isfinite().all():
            raise InkbloomError(
                f"Sampling with {sampler.name} in {self.compute.dtype_name} gave numbers that are not finite; "
                "try dtype float32, a lower guidance scale or another sampler."
            )
        return latents

    def _regions(self, request: ResolvedRequest, canvas: Canvas | None, *, enlarged: bool = False) -> Masks:
        masks = region_masks(request, canvas, self.autoencoder.downscale, enlarged=enlarged)
        return {part: mask.to(self.compute.device) for part, mask in masks.items()}

    def _tiled(self, request: ResolvedRequest) -> UNet | TiledModel:
        """The U-Net, which sees windows of the picture where the request says so."""
        tiles = request.tiled_diffusion
        if tiles is None:
            return self.unet
        size = self.window(tiles)
        overlap = int(size * tiles.overlap)
        return TiledModel(network=self.unet, size=size, overlap=overlap, method=tiles.method, at_once=tiles.at_once)

    def window(self, tiles: TiledDiffusion) -> int:
        """The side of a window in latent points."""
        return (tiles.size or self.spec.default_size) // self.autoencoder.downscale

    def _guide(
        self,
        request: ResolvedRequest,
        conditions: Sequence[PictureConditions],
        canvas: Canvas | None,
        sigmas: torch.Tensor,
        regions: Masks,
        calls: Iterator[int] | None = None,
    ) -> Guidance:
        calls = calls or itertools.count()
        sampler = find_sampler(request.sampler)
        controls = self.controls.at_work(request, canvas)

        unet = self._tiled(request)

        def denoiser(network: UNet | TiledModel | WithChannels) -> ModelDenoiser:
            return ModelDenoiser(
                network,
                self.noise_schedule,
                self.spec.prediction,
                dtype=self.compute.dtype,
                controls=Controlled(model=network, controls=controls, sigmas=sigmas) if controls else None,
            )

        cond = BatchConditions([each.cond for each in conditions], regions)
        uncond = BatchConditions([each.uncond for each in conditions])
        # CFG++ has its own, smaller scale; A1111 divides the usual one by this
        scale = request.guidance_scale / CFGPP_SCALE if sampler.needs_uncond else request.guidance_scale
        if purpose(self.spec) == "instruct" and canvas is not None:
            channels = instruct_channels(self.autoencoder, canvas)
            return InstructGuidance(
                with_picture=denoiser(WithChannels(unet, channels)),
                without_picture=denoiser(WithChannels(unet, torch.zeros_like(channels))),
                cond=cond,
                uncond=uncond,
                scale=scale,
                image_scale=request.image_guidance_scale,
                calls=calls,
            )
        network = unet
        if purpose(self.spec) == "inpaint":
            network = WithChannels(unet, inpaint_channels(self.autoencoder, request, canvas))
        guided = request.guidance_scale != 1 or sampler.needs_uncond or not cond.at(0).is_plain
        return ClassifierFreeGuidance(
            model=denoiser(network),
            cond=cond,
            uncond=uncond if guided else None,
            scale=scale,
            rescale=request.guidance_rescale,
            interval=request.guidance_interval or (0.0, math.inf),
            calls=calls,
        )


def _masked(guidance: Guidance, start: Start, *, soft: bool) -> GuidedDenoiser:
    if start.mask is None or start.kept is None:
        return guidance
    if soft:
        return DifferentialDenoiser(inner=guidance, init=start.kept, mask=start.mask, sigmas=start.sigmas)
    return MaskedDenoiser(inner=guidance, init=start.kept, mask=start.mask)


def _tape(
    path: Path | None, requests: Sequence[ResolvedRequest], x: Latent, begin: Latent | None
) -> AbstractContextManager[Tape | None]:
    """The tape, if one is asked for. Its key is what decides a run: requests, and the latents that it begins with."""
    if path is None:
        return nullcontext()
    digest = hashlib.sha256("\n".join(request.model_dump_json() for request in requests).encode())
    if begin is not None:
        digest.update(begin.float().cpu().contiguous().numpy().tobytes())
    return Tape(path, digest.hexdigest(), x.shape, x.dtype)
