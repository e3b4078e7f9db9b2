"""Hashes of what a picture went through, so that a later painting can tell where it first differs.

Stages, in order: the tokens, the conditioning, the initial noise, the sigmas, the latent after each step, the last
latent, the picture. A hash is the first 16 hexadecimal digits of the SHA-256 of the values' bytes as float32 (whole
numbers: int64), in row-major order. Equal hashes mean equal bits. Arithmetic depends on the number of pictures painted
at once, on the machine and on PyTorch, so these are kept beside the hashes.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from typing import Annotated

import torch
from PIL import Image as PILImage
from pydantic import BaseModel, Field, model_validator

import inkbloom
from inkbloom.core.types import Latent

STEPS_KEPT = 64
"""At most so many steps of a picture are kept: of longer runs every second, fourth, ..., to fit into JPEG's 64 KB."""

Rows = torch.Tensor | Sequence[torch.Tensor]
"""Values with a row for each picture; the rows of a list may differ in length."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class StageHashes(BaseModel, frozen=True, extra="forbid"):
    """The hashes of one picture, as they stand in its metadata."""

    tokens: Digest
    """Of the prompt and the negative prompt."""
    conditioning: Digest
    """Of both, as far as the guidance uses them."""
    noise: Digest
    sigmas: Digest
    steps: dict[int, Digest]
    """By the number of the step, from 1."""
    latent: Digest
    pixels: Digest
    """Of the 8-bit RGB picture."""
    batch_size: int = Field(ge=1, le=1024)
    """How many pictures were painted at once."""
    place: int = Field(ge=0)
    """Which of them this is, from 0."""
    made_with: dict[str, str]
    """What the bits may depend on: the versions of inkbloom and PyTorch, the device, the number of threads."""

    @model_validator(mode="after")
    def _check_place(self) -> StageHashes:
        if self.place >= self.batch_size:
            raise ValueError(f"place {self.place} of {self.batch_size} pictures")
        return self

    def followed_by(self, second: StageHashes) -> StageHashes:
        """Those of a picture that went through two passes: steps count on; the end is the second's."""
        before = max(self.steps, default=0)
        steps = self.steps | {before + number: digest for number, digest in second.steps.items()}
        last = {name: getattr(second, name) for name in ("latent", "pixels", "batch_size", "place")}
        return self.model_copy(update={"steps": steps, **last})

    def first_difference(self, other: StageHashes) -> str | None:
        """The first stage in which the two differ, in words; None where all that both kept agree."""
        common = sorted(self.steps.keys() & other.steps.keys())
        compared = [
            ("tokens", self.tokens, other.tokens),
            ("conditioning", self.conditioning, other.conditioning),
            ("initial noise", self.noise, other.noise),
            ("sigmas", self.sigmas, other.sigmas),
            *((f"latent after step {n}", self.steps[n], other.steps[n]) for n in common),
            ("number of steps", max(self.steps, default=0), max(other.steps, default=0)),
            ("last latent", self.latent, other.latent),
            ("decode", self.pixels, other.pixels),
        ]
        return next((stage for stage, ours, theirs in compared if ours != theirs), None)


class StageRecorder:
    """Collects the hashes of one batch while it is painted: `record` and `step` on the way, `finish` at the end."""

    def __init__(self, batch_size: int, device: torch.device) -> None:
        self._batch_size = batch_size
        self._device = device
        self._stages: list[dict[str, str]] = [{} for _ in range(batch_size)]
        self._steps: list[dict[int, str]] = [{} for _ in range(batch_size)]
        self._stride = 1

    def record(self, stage: str, values: Rows) -> None:
        """Hash a stage named as in `StageHashes`."""
        for stages, digest in zip(self._stages, self._hash(values), strict=True):
            stages[stage] = digest

    def step(self, number: int, x: Latent) -> None:
        """Hash the latents after step `number`, counted from 1."""
        if number % self._stride:
            return
        for steps, digest in zip(self._steps, self._hash(x), strict=True):
            steps[number] = digest
        if len(self._steps[0]) > STEPS_KEPT:
            self._stride *= 2
            self._steps = [{n: d for n, d in steps.items() if n % self._stride == 0} for steps in self._steps]

    def finish(self, pictures: list[PILImage.Image]) -> list[StageHashes]:
        """The hashes of each picture; every stage but the picture must have been recorded."""
        made_with = environment(self._device)
        return [
            StageHashes(
                **self._stages[place],  # type: ignore[arg-type] - the names are checked by the model
                steps=self._steps[place],
                pixels=hash_picture(picture),
                batch_size=self._batch_size,
                place=place,
                made_with=made_with,
            )
            for place, picture in enumerate(pictures)
        ]

    def _hash(self, values: Rows) -> list[str]:
        return [_digest(_as_kept(row).numpy().tobytes()) for row in values]


def hash_picture(picture: PILImage.Image) -> str:
    """The hash of a picture's 8-bit RGB values."""
    return _digest(picture.convert("RGB").tobytes())


def environment(device: torch.device) -> dict[str, str]:
    """What equal requests may differ by: `StageHashes.made_with` of this process."""
    if device.type == "cuda":
        unit = torch.cuda.get_device_name(device)
    else:
        unit = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {
        "inkbloom": inkbloom.__version__,
        "torch": torch.__version__,
        "device": f"{device.type}, {unit}",
        "threads": str(torch.get_num_threads()),
    }


def _as_kept(values: torch.Tensor) -> torch.Tensor:
    kept = torch.float32 if values.is_floating_point() else torch.int64
    return values.detach().to("cpu", kept).contiguous()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
