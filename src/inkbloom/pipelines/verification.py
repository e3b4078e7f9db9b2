"""Painting a picture again from its metadata, and telling where the two differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.pipelines.device import devices
from inkbloom.pipelines.metadata import FORMATS, Metadata, read_metadata
from inkbloom.pipelines.pictures import open_picture
from inkbloom.pipelines.quality import psnr
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.pipelines.stable_diffusion import OnProgress, Result, StableDiffusion, find_vae
from inkbloom.pipelines.stages import StageHashes, hash_picture

LOSSY = FORMATS.keys() - {".png"}
COPY_PSNR = 20.0
"""Decibels from which on a file in a lossy format counts as a copy of a picture."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    same: bool
    """Whether the picture was made again: bit for bit, or, where only the file's format loses bits, up to those."""
    explanation: str
    """One line: that it is the same, or the first stage that differs."""
    notes: list[str]
    """What may be the reason, one line each."""
    picture: PILImage.Image
    """The one painted now."""


def paintable(metadata: Metadata) -> GenerationRequest:
    """The request of a picture; `RequestError` where there is none."""
    if metadata.request is None:
        raise RequestError(" ".join(metadata.warnings) or "The picture does not tell its prompt.")
    return metadata.request


def load_like(
    request: GenerationRequest,
    path: str | Path | None,
    *,
    device: str | None = None,
    dtype: str | None = None,
    config: str | Path | None = None,
    vae: str | Path | None = None,
    library: Library | None = None,
    lenient: bool = False,
) -> StableDiffusion:
    """Load a model on the device and in the numbers of a request, unless told otherwise or the device is not here.

    Its autoencoder too, where the request names one beside the model; where that is not found, `lenient` takes the
    model's own.
    """
    here = request.device if request.device in devices() else None
    if vae is None and request.vae is not None:
        try:
            vae = find_vae(request.vae, library)
        except CheckpointError:
            if not lenient:
                raise
    return StableDiffusion.load(
        path,
        device=device or here,
        dtype=dtype or request.dtype,
        config=config,
        vae=vae,
        library=library,
        lenient=lenient,
    )


def another_model(model: StableDiffusion, request: GenerationRequest) -> str | None:
    """One line where the request names another model than the loaded one: by its hash, or by its name without one."""
    same = request.model_hash == model.hash if request.model_hash else request.model in (None, model.name)
    if same:
        return None
    return f"It was painted with model {request.model} ({request.model_hash}); now with {model.name} ({model.hash})."


def differences(model: StableDiffusion, request: GenerationRequest, painted: GenerationRequest) -> list[str]:
    """What the request names that was not `painted` with, one line each: model, device, numbers, LoRAs, embeddings."""
    compute = {"vae": painted.vae, "device": str(model.compute.device), "dtype": model.compute.dtype_name}
    told = [another_model(model, request)]
    for name, present in compute.items():
        wanted = getattr(request, name)
        if wanted not in (None, present):
            told.append(f"It was painted with {name} {wanted}; now with {present}.")
    for name, wanted in request.a1111_hashes.items():
        present = painted.a1111_hashes.get(name)
        if present != wanted:
            told.append(f"It was painted with {name} ({wanted}); now with {present or 'none of that name'}.")
    return [line for line in told if line is not None]


def repaint(
    model: StableDiffusion,
    request: GenerationRequest,
    stages: StageHashes | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> Result:
    """Paint one picture again, whatever model, device and numbers its request names.

    Where `stages` say that it was painted in a batch, as many are painted at once, all of them this one, since the
    arithmetic depends on their number; the result holds the one at its place. Raises as `StableDiffusion.generate`.
    """
    free = request.model_copy(
        update=dict.fromkeys(("model", "model_hash", "vae", "vae_hash", "device", "dtype")) | {"num_images": 1}
    )
    batch_size, place = (stages.batch_size, stages.place) if stages else (1, 0)
    resolved = model.resolve(free.model_copy(update={"num_images": batch_size, "batch_size": batch_size}))
    single = resolved.model_copy(update={"num_images": 1, "batch_size": request.batch_size})
    result = model.paint([single] * batch_size, on_progress=on_progress)
    return Result(
        images=[result.images[place]],
        latents=result.latents[place : place + 1],
        request=single,
        requests=[single],
        stages=[result.stages[place]],
        warnings=result.warnings,
        stopped=False,
    )


def verify(model: StableDiffusion, path: Path, *, on_progress: OnProgress | None = None) -> Verdict:
    """Paint the picture in a file again and compare.

    The pixels are compared, and the hashes of the stages where the picture has them. In lossy formats the file's pixels
    never are the painted ones: there the hashes decide, and the file must look like a copy (`COPY_PSNR`).
    `RequestError` for a file that is no picture, tells no request, or names another model. `Stopped` from the callback
    passes through.
    """
    metadata = read_metadata(path)
    request = paintable(metadata)
    wrong = another_model(model, request)
    if wrong is not None:
        raise RequestError(f"{wrong} Load the one it was painted with.")
    found = open_picture(path)
    result = repaint(model, request, metadata.stages, on_progress=on_progress)
    again, stages = result.images[0], result.stages[0]
    lossy = path.suffix.lower() in LOSSY
    same, explanation = _compare(found, again, metadata.stages, stages, lossy=lossy)
    notes = [*metadata.warnings, *differences(model, request, result.request)]
    if metadata.stages is not None and not same:
        notes += _environment(metadata.stages, stages)
    return Verdict(same=same, explanation=explanation, notes=notes, picture=again)


def _compare(
    found: PILImage.Image, again: PILImage.Image, kept: StageHashes | None, now: StageHashes, *, lossy: bool
) -> tuple[bool, str]:
    if kept is not None:
        stage = kept.first_difference(now)
        if stage is not None:
            return False, f"The first stage that differs is: {stage}. {_measured(found, again)}"
    if hash_picture(found) == now.pixels:
        return True, "It is the same, bit for bit."
    if kept is None:
        return False, f"The pixels differ, and the picture keeps no hashes of its stages. {_measured(found, again)}"
    if lossy and found.size == again.size and psnr(found, again) >= COPY_PSNR:
        return True, f"It was made again bit for bit; the file is a lossy copy ({psnr(found, again):.1f} dB)."
    return False, f"It was made again bit for bit, but the file was changed since. {_measured(found, again)}"


def _measured(found: PILImage.Image, again: PILImage.Image) -> str:
    if found.size != again.size:
        return f"The file has {found.width} x {found.height} pixels, the new picture {again.width} x {again.height}."
    apart = np.abs(np.asarray(found, np.int16) - np.asarray(again, np.int16))
    return f"The pixels differ by {apart.max()} of 255 at most, {apart.mean():.3g} in the mean."


def _environment(kept: StageHashes, now: StageHashes) -> list[str]:
    return [
        f"It was painted with {name} {kept.made_with.get(name, '(unknown)')}; now with {value}."
        for name, value in now.made_with.items()
        if kept.made_with.get(name) != value
    ]
