"""Pictures on the way between two prompts, two seeds or both, and moving pictures made of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import torch
from PIL import Image as PILImage

from inkbloom.core.errors import OutputError, RequestError
from inkbloom.pipelines.prompts import PictureConditions, ReadRequest
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.pipelines.stable_diffusion import StableDiffusion
from inkbloom.text.prompt.conditioning import ScheduledConditioning, ScheduledPart, repeat_last

MovieFormat = Literal[".gif", ".webp", ".mp4"]
MAX_FRAMES = 10_000


def interpolate(
    model: StableDiffusion,
    request: GenerationRequest,
    *,
    to_prompt: str | None = None,
    to_seed: int | None = None,
    frames: int = 16,
) -> Iterator[PILImage.Image]:
    """Paint `frames` pictures, the first from the request's own prompt and seed, the last from the others.

    Initial noise goes by `core.rng.slerp`, conditionings (of both prompts with their weights) go straight. Prompts are
    read at once; `RequestError` for fewer than two frames, nothing to go to, prompts with other LoRAs or numbers of
    `AND` parts.
    """
    if not 2 <= frames <= MAX_FRAMES:
        raise RequestError(f"{frames} frames: must be from 2 to {MAX_FRAMES}.")
    if to_prompt is None and to_seed is None:
        raise RequestError("Between what? Give a second prompt, a second seed, or both.")
    if to_seed is not None and request.variation_strength:
        raise RequestError("variation_strength: on the way to another seed the variation is that seed.")
    start = model.resolve(request.model_copy(update={"num_images": 1}))
    end = model.resolve(start.model_copy(update={} if to_prompt is None else {"prompt": to_prompt, **_UNHASHED}))
    reads = [model.prompts.read(one) for one in (start, end)]
    if reads[0].networks != reads[1].networks:
        raise RequestError("The two prompts name different LoRAs; they cannot be merged half.")
    counts = [len(read.prompt.parts) for read in reads]
    if counts[0] != counts[1]:
        raise RequestError(f"The two prompts have {counts[0]} and {counts[1]} AND parts; they must have as many.")
    return _frames(model, reads, to_seed, frames)


_UNHASHED = {"network_hashes": {}, "a1111_hashes": {}}


def _frames(
    model: StableDiffusion, reads: Sequence[ReadRequest], to_seed: int | None, frames: int
) -> Iterator[PILImage.Image]:
    with torch.inference_mode(), model.adapters.applied(reads[0].uses):
        first, last = model.prompts.encode(reads)
    for index in range(frames):
        amount = index / (frames - 1)
        varied = {} if to_seed is None else {"variation_seed": to_seed, "variation_strength": amount}
        request = reads[0].request.model_copy(update=varied)
        with torch.inference_mode(), model.adapters.applied(reads[0].uses):
            images = model.painter.paint([request], [between(first, last, amount)], lambda *told: None)[0]
        yield images[0]


def between(first: PictureConditions, last: PictureConditions, amount: float) -> PictureConditions:
    """The conditions the straight way from `first` (amount 0) to `last` (1); both have as many `AND` parts."""
    return replace(first, cond=_mixed(first.cond, last.cond, amount), uncond=_mixed(first.uncond, last.uncond, amount))


def _mixed(first: ScheduledConditioning, last: ScheduledConditioning, amount: float) -> ScheduledConditioning:
    return ScheduledConditioning(tuple(_part(a, b, amount) for a, b in zip(first.parts, last.parts, strict=True)))


def _part(first: ScheduledPart, last: ScheduledPart, amount: float) -> ScheduledPart:
    """Texts that change on the way change at the steps of either."""
    ends = sorted({until for part in (first, last) for until, _ in part.schedule})
    schedule = []
    for until in ends:
        a, b = (
            next((rows for end, rows in part.schedule if until <= end), part.schedule[-1][1]) for part in (first, last)
        )
        tokens = max(a.shape[1], b.shape[1])
        schedule.append((until, torch.lerp(repeat_last(a, tokens), repeat_last(b, tokens), amount)))
    return ScheduledPart(first.weight + amount * (last.weight - first.weight), tuple(schedule))


def movie_format(path: Path) -> MovieFormat:
    """The format by the ending; `RequestError` for others, and for .mp4 where there is no encoder."""
    ending = path.suffix.lower()
    if ending not in get_args(MovieFormat):
        raise RequestError(f'"{path.name}": a moving picture ends in {", ".join(get_args(MovieFormat))}.')
    if ending == ".mp4":
        find_encoder()
    return ending  # type: ignore[return-value] - just checked


def find_encoder() -> str:
    """The program ffmpeg; `RequestError` where neither the package imageio-ffmpeg nor the PATH has it."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-not-found] - optional
    except ImportError:
        found = shutil.which("ffmpeg")
        if found is None:
            raise RequestError(
                "MP4 needs the program ffmpeg: pip install imageio-ffmpeg, or write .gif or .webp."
            ) from None
        return found
    return get_ffmpeg_exe()


def save_movie(frames: Sequence[PILImage.Image], path: Path, format: MovieFormat, *, seconds: float) -> None:
    """Write the frames, which have one size, as a moving picture that lasts `seconds` and (but for MP4) begins again.

    WebP keeps every pixel, a GIF 256 colours; MP4 is H.264 and rounds sides up to even ones. `OutputError` where the
    encoder fails.
    """
    if format == ".mp4":
        _save_mp4(frames, path, len(frames) / seconds)
        return
    options = {"lossless": True} if format == ".webp" else {}
    # A GIF counts in hundredths of seconds
    duration = max(20, round(1000 * seconds / len(frames)))
    first, *rest = frames
    first.save(path, format[1:], save_all=True, append_images=rest, duration=duration, loop=0, **options)


def _save_mp4(frames: Sequence[PILImage.Image], path: Path, rate: float) -> None:
    width, height = frames[0].size
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{rate:.6g}", "-i", "-"]
    target = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-f", "mp4", str(path)]
    done = subprocess.run(
        [find_encoder(), "-loglevel", "error", "-y", *source, *target],
        input=b"".join(frame.tobytes() for frame in frames),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise OutputError(f'ffmpeg could not write "{path}": {reason[:300]}')
