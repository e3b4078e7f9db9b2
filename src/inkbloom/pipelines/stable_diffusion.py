"""A prompt becomes a picture: text encoder, guided U-Net under a sampler, autoencoder.

model = StableDiffusion.load()                                 # the starter; or a .safetensors, .ckpt, diffusers folder
result = model.generate("a big castle under a starry night sky", seed=7)
result.images[0].save("castle.png")
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PILImage

from inkbloom.checkpoints import LoadedModel, file_hash, load
from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import CheckpointError, RequestError, Stopped
from inkbloom.core.types import Latent
from inkbloom.families import starter
from inkbloom.families.spec import ModelSpec
from inkbloom.pipelines.adapters import Adapters
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.pipelines.control.controls import Controls
from inkbloom.pipelines.control.unit import REFERENCE
from inkbloom.pipelines.device import Compute, choose_compute
from inkbloom.pipelines.editing.conditions import purpose
from inkbloom.pipelines.memory import available_bytes, require, steering_bytes, unet_bytes
from inkbloom.pipelines.painting import Painter
from inkbloom.pipelines.prompts import PictureConditions, PromptReader
from inkbloom.pipelines.request import GenerationRequest, ResolvedRequest
from inkbloom.pipelines.safety import Safety
from inkbloom.pipelines.spool import Spool
from inkbloom.pipelines.stages import StageHashes
from inkbloom.pipelines.upscaling.hires import second_latents
from inkbloom.pipelines.upscaling.settings import LATENT_UPSCALERS
from inkbloom.pipelines.upscaling.upscalers import Enlarger, find_upscaler
from inkbloom.pipelines.watermark import check_markable
from inkbloom.sampling.registry import find_sampler


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a progress callback is told after each step of a batch. Raise `core.errors.Stopped` from it to stop."""

    step: int
    """Steps done, from 1."""
    total: int | None
    """Steps of this batch; None for a sampler that chooses its own number."""
    sigma: float
    """The noise level reached; mostly 0 at the end."""
    latents: Latent
    """The batch's noised latents, scaled to unit variance."""
    denoised: Latent
    """The present estimate of the batch's scaled latents, for previews (`pipelines.previews`)."""
    first: int
    """The number of the batch's first picture, from 0."""
    num_images: int
    """Pictures in the whole run."""
    replayed: bool = False
    """Whether the step was done before, and came from a tape."""


OnProgress = Callable[[Progress], None]

OWN_FIELDS = {"prompt", "negative_prompt", "seed", "variation_seed", "network_hashes", "a1111_hashes"}
"""In these the pictures that are painted at once may differ."""


@dataclass(frozen=True, kw_only=True)
class Result:
    images: list[PILImage.Image]
    """RGB."""
    latents: Latent
    """Scaled, float32, on the CPU; one for each image."""
    request: ResolvedRequest
    """What was painted, every field filled."""
    requests: list[ResolvedRequest]
    """For each image the request that paints it alone."""
    stages: list[StageHashes]
    """For each image the hashes of what it went through."""
    warnings: list[str]
    """What the user should know, one line each."""
    stopped: bool
    """Whether a callback stopped the run, so that images are missing."""

    @property
    def seeds(self) -> list[int]:
        return [request.seed for request in self.requests]


class StableDiffusion:
    """A loaded model. Between calls it only remembers encoded texts; threads may share it where the device allows."""

    def __init__(
        self,
        loaded: LoadedModel,
        autoencoder: Autoencoder,
        compute: Compute,
        *,
        library: Library | None = None,
        lenient: bool = False,
        vae: Path | None = None,
    ) -> None:
        """`loaded` has text encoder and U-Net, in `compute.dtype`; `load` makes all three, and says the rest.

        `vae` is the file of an autoencoder that is not the model's own.
        """
        assert loaded.tokenizer is not None
        assert loaded.text is not None
        assert loaded.unet is not None
        self.spec = loaded.spec
        self.name = loaded.name
        self.path = loaded.path
        self.vae = vae
        self.compute = compute
        self.library = library
        self.tokenizer = loaded.tokenizer
        self.text = loaded.text
        self.adapters = Adapters(loaded, library)
        self.prompts = PromptReader(loaded.tokenizer, loaded.text, compute.device, self.adapters, lenient=lenient)
        self.unet = loaded.unet
        self.autoencoder = autoencoder
        self.controls = Controls(loaded.spec, loaded.unet, autoencoder, compute, library)
        self.safety = Safety(loaded.path, compute.device)
        self.painter = Painter(loaded.spec, loaded.unet, autoencoder, compute, self.controls, self.safety)

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        device: str | None = None,
        dtype: str | None = None,
        ema: bool = False,
        config: str | Path | None = None,
        vae: str | Path | None = None,
        library: Library | str | Path | None = None,
        lenient: bool = False,
    ) -> "StableDiffusion":
        """Open a model file or diffusers folder; None is the starter, which comes with the package.

        `device` and `dtype` are chosen by `choose_compute` where they are None. `ema` takes the averaged weights that
        some training checkpoints hold; `config` is a CompVis YAML. `vae` is another autoencoder than the model's own: a
        file, a diffusers folder, or a name in the library. `library` is a folder of models, in which prompts
        find LoRAs and embeddings by name; where it knows none of a name, `lenient` makes that a line in
        `Result.warnings` in place of an error. Raises `CheckpointError`; for device and dtype `RequestError`.
        """
        compute = choose_compute(device, dtype)
        known = library if isinstance(library, Library) or library is None else Library(library)
        loaded = load(
            starter.FOLDER if path is None else path,
            components=("text", "unet"),
            dtype=compute.dtype,
            device=compute.device,
            ema=ema,
            config=config,
        )
        # The autoencoder is read apart, since its numbers may be finer than the U-Net's.
        other = None if vae is None else find_vae(vae, known)
        autoencoder = load_autoencoder(path if other is None else other, compute, config=None if other else config)
        if other is not None:
            autoencoder = _fitted(autoencoder, other, loaded.spec)
        return cls(loaded, autoencoder, compute, library=known, lenient=lenient, vae=other)

    @cached_property
    def hash(self) -> str:
        """The first ten hexadecimal digits of the file's SHA-256, by which A1111 and picture sites know a model.

        Of a folder, that of its U-Net's (first) weights file.
        """
        if self.path.is_dir():
            return file_hash(min(f for f in (self.path / "unet").iterdir() if f.suffix != ".json"))[:10]
        return file_hash(self.path)[:10]

    @cached_property
    def vae_hash(self) -> str | None:
        """The same of an autoencoder that is not the model's own."""
        if self.vae is None:
            return None
        file = self.vae if self.vae.is_file() else min(f for f in self.vae.iterdir() if f.suffix != ".json")
        return file_hash(file)[:10]

    def generate(
        self,
        request: GenerationRequest | str | None = None,
        /,
        *,
        on_progress: OnProgress | None = None,
        **fields: Any,
    ) -> Result:
        """Paint what is asked: a `GenerationRequest`, or its fields with the prompt as the plain argument.

        Picture i takes seed + i and is the same in any batch. When the callback raises `Stopped`, the result holds the
        batches that were finished. Raises `RequestError` and `MemoryNeededError`.
        """
        if isinstance(request, GenerationRequest):
            if fields:
                raise RequestError(f"Give a request or fields, not both; beside the request came {', '.join(fields)}.")
        else:
            request = GenerationRequest(**({} if request is None else {"prompt": request}), **fields)
        resolved = self.resolve(request)
        finished: list[Result] = []
        stopped = False
        try:
            singles = resolved.singles()
            for first in range(0, len(singles), resolved.batch_size):
                batch = singles[first : first + resolved.batch_size]
                finished.append(self.paint(batch, on_progress=on_progress, first=first, num_images=len(singles)))
        except Stopped:
            stopped = True
        return self._join(finished, resolved, stopped=stopped)

    def resolve(self, request: GenerationRequest) -> ResolvedRequest:
        """The request with every field filled, checked against this model and the memory at hand."""
        self._check_provenance(request)
        resolved = request.resolved(self.spec)
        self._check_purpose(resolved)
        step = self.autoencoder.downscale
        if resolved.width % step or resolved.height % step:
            raise RequestError(f"size {resolved.width}x{resolved.height}: both sides must divide by {step}.")
        self.painter.sigmas(resolved)
        controls = self.controls.resolve(resolved.controls)  # loaded now, so that their weights count
        second = self.second_pass(resolved)
        if second is not None:
            self.painter.sigmas(second, begun=True)
            self._pixel_upscaler(resolved)
            self._require_memory(second, len(self.prompts.read(second).prompt.parts))
        if resolved.watermark:
            last = self.second_pass(resolved) or resolved
            check_markable(last.width, last.height)
        if resolved.safety_checker:
            self.safety.require()
        read = self.prompts.read(resolved)
        self._require_memory(resolved, len(read.prompt.parts))
        present = read.request.network_hashes
        for name, wanted in request.network_hashes.items():
            if present.get(name) != wanted:
                found = f'has "{present[name]}"' if name in present else "is not in the prompt"
                raise RequestError(f'network_hashes "{wanted}": {name} {found}; leave the field out, or get that file.')
        return read.request.model_copy(
            update={
                "model": self.name,
                "model_hash": self.hash,
                "vae": self.vae and self.vae.name,
                "vae_hash": self.vae_hash,
                "device": str(self.compute.device),
                "dtype": self.compute.dtype_name,
                "controls": controls,
            }
        )

    @torch.inference_mode()
    def paint(
        self,
        requests: Sequence[ResolvedRequest],
        *,
        on_progress: OnProgress | None = None,
        first: int = 0,
        num_images: int | None = None,
        spool: Spool | None = None,
        tapes: Path | None = None,
    ) -> Result:
        """Paint one batch, a picture for each request; they are resolved and differ in prompts and seed alone.

        Each is painted with the LoRAs in its own prompt; the weights are the very same afterwards, also after an error.
        Those that stand together, have the same LoRAs and whose prompts are alike in length go through the network at
        once. `first` and `num_images` say where in a longer run the batch stands, for the callback. `Stopped` passes
        through. Latents are written to the `spool` before they are decoded; whoever gave it clears it.

        `tapes` is a folder for what samplings need to go on: painted again with the same folder, requests and `first`,
        what was interrupted comes to the same bits without asking the model twice; steps done before are told to the
        callback again. Whoever gave the folder removes it.
        """
        self._check_alike(requests)
        count = num_images or len(requests)
        if requests[0].hires is None:
            return self._paint_pass(requests, None, on_progress, first, count, spool, tapes)
        return self._paint_twice(requests, on_progress, first, count, spool, tapes)

    def second_pass(self, request: ResolvedRequest) -> ResolvedRequest | None:
        """What its high-resolution pass paints; None where it has none."""
        if request.hires is None:
            return None
        return GenerationRequest(**request.hires.second(request)).resolved(self.spec)

    def num_steps(self, request: ResolvedRequest) -> int:
        """Steps of one picture, those of a second pass too."""
        second = self.second_pass(request)
        more = 0 if second is None else len(self.painter.sigmas(second, begun=True)) - 1
        return len(self.painter.sigmas(request)) - 1 + more

    def _pixel_upscaler(self, request: ResolvedRequest) -> Enlarger | None:
        """That of the second pass; None where it enlarges latents."""
        if request.hires is None or request.hires.upscaler in LATENT_UPSCALERS:
            return None
        return find_upscaler(request.hires.upscaler, library=self.library, device=self.compute.device)

    def _paint_twice(
        self,
        requests: Sequence[ResolvedRequest],
        on_progress: OnProgress | None,
        first: int,
        num_images: int,
        spool: Spool | None,
        tapes: Path | None,
    ) -> Result:
        """Each picture, then the same at a higher resolution."""
        hires, total = requests[0].hires, self.num_steps(requests[0])
        assert hires is not None

        def told(before: int) -> OnProgress | None:
            tell = on_progress
            return tell and (lambda p: tell(replace(p, step=p.step + before, total=p.total and total)))

        plain = {"hires": None, "watermark": False, "safety_checker": False}
        plains = [request.model_copy(update=plain) for request in requests]
        small = self._paint_pass(plains, None, told(0), first, num_images, None, tapes)
        upscaler = self._pixel_upscaler(requests[0])
        begin = second_latents(hires, small.latents, small.images, self.autoencoder, upscaler)
        seconds = [second for request in requests if (second := self.second_pass(request)) is not None]
        before = len(self.painter.sigmas(requests[0])) - 1
        large = self._paint_pass(seconds, begin, told(before), first, num_images, spool, tapes)
        passes = list(zip(small.requests, large.requests, strict=True))
        own = [
            request.model_copy(
                update={
                    "network_hashes": one.network_hashes | two.network_hashes,
                    "a1111_hashes": one.a1111_hashes | two.a1111_hashes,
                }
            )
            for request, (one, two) in zip(requests, passes, strict=True)
        ]
        return replace(
            large,
            request=own[0],
            requests=own,
            stages=[one.followed_by(two) for one, two in zip(small.stages, large.stages, strict=True)],
            warnings=list(dict.fromkeys((*small.warnings, *large.warnings))),
        )

    def _paint_pass(
        self,
        requests: Sequence[ResolvedRequest],
        begin: Latent | None,
        on_progress: OnProgress | None,
        first: int,
        num_images: int,
        spool: Spool | None,
        tapes: Path | None,
    ) -> Result:
        """`paint` of requests without a second pass, from the scaled latents `begin` where it is one."""
        self.controls.resolve(requests[0].controls)  # loaded before LoRAs change the U-Net, on which some build
        results: list[Result] = []
        reads = [self.prompts.read(request) for request in requests]
        for _, alike in groupby(reads, key=lambda read: read.networks):
            same = list(alike)
            with self.adapters.applied(same[0].uses):
                for group in _group([read.request for read in same], self.prompts.encode(same)):
                    place = sum(len(result.images) for result in results)
                    start = None if begin is None else begin[place : place + len(group)]
                    at_once = self._paint_at_once(group, start, on_progress, first + place, num_images, spool, tapes)
                    results.append(at_once)
        result = self._join(results, reads[0].request)
        told = (line for read in reads for line in read.warnings)
        return replace(result, warnings=[*dict.fromkeys((*told, *result.warnings))])

    def _paint_at_once(
        self,
        group: Sequence[tuple[ResolvedRequest, PictureConditions]],
        begin: Latent | None,
        on_progress: OnProgress | None,
        first: int,
        num_images: int,
        spool: Spool | None,
        tapes: Path | None,
    ) -> Result:
        requests, conditions = zip(*group, strict=True)

        def on_step(
            step: int, total: int | None, sigma: float, latents: Latent, denoised: Latent, replayed: bool
        ) -> None:
            if on_progress is not None:
                on_progress(
                    Progress(
                        step=step,
                        total=total,
                        sigma=sigma,
                        latents=latents,
                        denoised=denoised,
                        first=first,
                        num_images=num_images,
                        replayed=replayed,
                    )
                )

        tape = tapes and tapes / f"pass{1 if begin is None else 2}-{first}.tape"
        images, latents, stages, warnings = self.painter.paint(requests, conditions, on_step, spool, begin, tape)
        return Result(
            images=images,
            latents=latents,
            request=requests[0],
            requests=list(requests),
            stages=stages,
            warnings=warnings,
            stopped=False,
        )

    def _join(self, results: Sequence[Result], request: ResolvedRequest, *, stopped: bool = False) -> Result:
        empty = torch.empty(0, *self.painter.latent_shape(request))
        latents = torch.cat([result.latents for result in results]) if results else empty
        return Result(
            images=[image for result in results for image in result.images],
            latents=latents,
            request=request,
            requests=[single for result in results for single in result.requests],
            stages=[hashes for result in results for hashes in result.stages],
            warnings=list(dict.fromkeys(line for result in results for line in result.warnings)),
            stopped=stopped,
        )

    def _check_provenance(self, request: GenerationRequest) -> None:
        """A request that names model, device or dtype means just that one."""
        asked: dict[str, tuple[Any, Any]] = {
            "model": (request.model, self.name),
            "device": (request.device and choose_compute(request.device).device, self.compute.device),
            "dtype": (request.dtype, self.compute.dtype_name),
        }
        if request.model_hash is not None:
            asked["model_hash"] = (request.model_hash, self.hash)
        if request.vae_hash is not None:
            asked["vae_hash"] = (request.vae_hash, self.vae_hash)
        for field, (wanted, present) in asked.items():
            if wanted is not None and wanted != present:
                raise RequestError(f'{field} "{wanted}": the loaded model has "{present}"; load the one you mean.')

    def _check_purpose(self, request: ResolvedRequest) -> None:
        match purpose(self.spec):
            case None:
                raise RequestError(
                    f'Model "{self.name}" reads {self.spec.unet.in_channels} channels beside a latent\'s '
                    f"{self.spec.autoencoder.latent_channels}; what they are is not known."
                )
            case "instruct" if request.init_image is None:
                raise RequestError(f'Model "{self.name}" changes a given picture by instruction; give it init_image.')

    def _check_alike(self, requests: Sequence[ResolvedRequest]) -> None:
        own: Any = {**dict.fromkeys(OWN_FIELDS, True), "hires": {"prompt", "negative_prompt"}}
        common = requests[0].model_dump(exclude=own)
        for request in requests[1:]:
            other = request.model_dump(exclude=own)
            differing = [field for field in common if common[field] != other[field]]
            if differing:
                raise RequestError(f"The pictures of a batch must agree in {differing[0]}.")

    def _require_memory(self, request: ResolvedRequest, num_parts: int) -> None:
        width, height = request.width, request.height
        _, latent_height, latent_width = self.painter.latent_shape(request)
        together = min(request.batch_size, request.num_images)
        rows = together * (num_parts + (num_parts > 1 or request.guidance_scale != 1))
        if request.tiled_diffusion is not None:
            window = self.painter.window(request.tiled_diffusion)
            latent_height, latent_width = min(latent_height, window), min(latent_width, window)
            rows *= request.tiled_diffusion.at_once
        needed = unet_bytes(self.spec.unet, latent_width, latent_height, rows, self.compute.dtype)
        if any(unit.model != REFERENCE for unit in request.controls):
            needed += steering_bytes(self.spec.unet, latent_width, latent_height, rows, self.compute.dtype)
        require(
            needed, available_bytes(self.compute.device), f"Painting {together} of {width} x {height} pixels at once"
        )
        self.autoencoder.require_decode(width, height)


def load_autoencoder(path: str | Path | None, compute: Compute, *, config: str | Path | None = None) -> Autoencoder:
    """The autoencoder of a model file or folder alone; nothing else is read. None is the starter's."""
    loaded = load(
        starter.FOLDER if path is None else path,
        components=("autoencoder",),
        dtype=compute.autoencoder_dtype,
        device=compute.device,
        config=config,
    )
    assert loaded.autoencoder is not None
    return Autoencoder(loaded.autoencoder, loaded.spec.latent_scale)


def find_vae(name: str | Path, library: Library | None) -> Path:
    """The autoencoder of this name: a file or folder, or one in the library; `CheckpointError` where there is none."""
    if Path(name).exists():
        return Path(name)
    if library is None:
        raise CheckpointError(f'There is no autoencoder "{name}".')
    return library.find(str(name), "vae")


def _fitted(autoencoder: Autoencoder, path: Path, spec: ModelSpec) -> Autoencoder:
    """The autoencoder for a model's latents, whose scale it takes; `CheckpointError` where it has others."""
    own, other = spec.autoencoder, autoencoder.network.spec
    if (own.latent_channels, own.downscale) != (other.latent_channels, other.downscale):
        raise CheckpointError(
            f"{path}: its latents have {other.latent_channels} channels at 1/{other.downscale} of the size, the "
            f"model's {own.latent_channels} at 1/{own.downscale}; it belongs to another family."
        )
    return Autoencoder(autoencoder.network, spec.latent_scale)


def _group(
    requests: Sequence[ResolvedRequest], conditions: Sequence[PictureConditions]
) -> list[list[tuple[ResolvedRequest, PictureConditions]]]:
    """The pictures of a batch in groups that can go through the network together, in their order."""
    pairs = zip(requests, conditions, strict=True)
    if not find_sampler(requests[0].sampler).calls_per_step:  # the steps are the picture's own, so each goes alone
        return [[pair] for pair in pairs]
    return [list(group) for _, group in groupby(pairs, key=lambda pair: pair[1].shape)]
