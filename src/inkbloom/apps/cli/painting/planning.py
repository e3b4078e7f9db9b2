"""`--dry-run`: what would be painted, whether it fits and how long it takes. No picture is made, nothing is written."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inkbloom.apps.cli.painting.asking import dtype_of
from inkbloom.apps.cli.painting.options import RequestOptions
from inkbloom.core.errors import Stopped

if TYPE_CHECKING:
    from inkbloom.pipelines.request import GenerationRequest, ResolvedRequest
    from inkbloom.pipelines.stable_diffusion import Progress, StableDiffusion


def tell_request(request: GenerationRequest, options: RequestOptions, pictures: int) -> None:
    """Say what would be painted and the memory it takes, off the model's header; nothing is loaded.

    `MemoryNeededError` where it surely does not fit, and what the request itself raises.
    """
    from inkbloom.apps.service.library import size_of
    from inkbloom.checkpoints import detect
    from inkbloom.families.starter import FOLDER
    from inkbloom.pipelines.device import choose_compute
    from inkbloom.pipelines.memory import available_bytes, painting_bytes, require

    path = options.ckpt or FOLDER
    facts = detect(path, config=options.config)
    compute = choose_compute(options.device, dtype_of(options))
    resolved = request.resolved(facts)
    size = f"{resolved.width} x {resolved.height} pixels"
    if resolved.hires is not None:
        width, height = resolved.hires.size(resolved.width, resolved.height)
        size += f" and then {width} x {height}"
    what = f"{pictures} pictures of {size} each" if pictures > 1 else f"a picture of {size}"
    at_once = f", {resolved.batch_size} at once" if 1 < resolved.batch_size <= pictures else ""
    precision = str(compute.dtype).removeprefix("torch.")
    print(f"To be painted: {what}{at_once}, by {path.stem} on {compute.device} in {precision}.")
    needed = size_of(path) + painting_bytes(facts, resolved, compute.dtype)
    free = available_bytes(compute.device)
    require(needed, free, "This")
    print(f"Memory: at least {_size(needed)}{f'; it fits into the {_size(free)} that are free' if free else ''}.")


def tell_time(model: StableDiffusion, batch: Sequence[ResolvedRequest], pictures: int) -> None:
    """Say how many steps there are and how long they take, from the first two of the first batch."""
    from inkbloom.sampling.registry import find_sampler

    request, second = batch[0], model.second_pass(batch[0])
    how = f"{request.sampler}, {request.schedule}"
    if find_sampler(request.sampler).calls_per_step == 0:
        print(f"Time: not known, since {how} chooses its own number of steps.")
        return
    steps, first = (model.num_steps(one) for one in (request, request.model_copy(update={"hires": None})))
    larger = 1.0 if second is None else second.width * second.height / (request.width * request.height)
    pace, decoding = _measured(model, batch)
    seconds = pictures * (pace * (first + (steps - first) * larger) + decoding * larger)
    print(f"Time: about {_duration(seconds)}, for {steps} step{'s' if steps > 1 else ''} a picture ({how}).")


def _measured(model: StableDiffusion, batch: Sequence[ResolvedRequest]) -> tuple[float, float]:
    """Seconds for one picture's step, after the first one, which warms up; and for decoding one picture."""
    moments, pictures = [time.perf_counter()], []

    def watch(progress: Progress) -> None:
        progress.denoised.sum().item()  # waits for a GPU
        moments.append(time.perf_counter())
        pictures[:] = [progress.denoised]
        if progress.step == 2:
            raise Stopped

    with contextlib.suppress(Stopped):
        model.paint(batch, on_progress=watch)
    pace = (moments[-1] - moments[-2]) / len(pictures[0])
    started = time.perf_counter()
    model.autoencoder.decode(pictures[0][:1]).sum().item()
    return pace, time.perf_counter() - started


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _duration(seconds: float) -> str:
    return f"{max(seconds, 0.1):.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
