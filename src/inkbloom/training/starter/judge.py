"""Who says whether a picture shows what was asked for: a small classifier of scenes.

It is trained on true renders of all combinations, the held-out ones too, blurred, shifted, tinted and noised so that it
is fair to soft pictures, and never on a generated one. It knows the small edition's objects and the two that no starter
sees (`catalogue.UNSEEN`). `judge.safetensors` ships with the package; `python -m inkbloom.training.starter.judge`
trains it anew. Beside every score it gives belongs its own accuracy on renders that it never saw: `measure`.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.checkpoints.tensors import open_tensors
from inkbloom.core.errors import KeyMismatchError, RequestError
from inkbloom.core.types import Float, Image, Int
from inkbloom.training.autoencoder import to_image
from inkbloom.training.ema import averaged
from inkbloom.training.learner import Learner
from inkbloom.training.loop import Budget, Progress, run
from inkbloom.training.rates import LearningRate
from inkbloom.training.starter.catalogue import (
    ARRANGEMENTS,
    COLOR_NAMES,
    COLORLESS,
    EDITIONS,
    PLACE_NAMES,
    STYLE_NAMES,
    UNSEEN,
)
from inkbloom.training.starter.scenes import BASE_SIZE, Placement, Scene, box, render, sample_scenes

JUDGE_PATH = Path(__file__).with_name("judge.safetensors")
STEPS = 3_000
KNOWN = (*EDITIONS["small"].objects, *UNSEEN)
"""The objects that it knows, by their numbers in the catalogue."""
_KNOWN_EDITION = dataclasses.replace(EDITIONS["small"], objects=KNOWN)
_STYLES = (None, *STYLE_NAMES)
_ARRANGEMENTS = tuple(ARRANGEMENTS)
_CHANNELS = (24, 48, 96, 128)
_GROUPS = 8
_CELL = BASE_SIZE // 8
"""Pixels of 128 to a point of the last features."""
_POINTS_WEIGHT = 8.0
"""An object covers some eight of 64 points."""
_TEST_SEEDS = 2**40
"""No training step has a seed from here on."""
_IGNORED = -100
"""cross_entropy's word for rows that do not count."""


class Reading(NamedTuple):
    """Logits, and the features they came from."""

    place: Float[Tensor, "batch places"]
    color: Float[Tensor, "batch colors"]
    """Counts for plain places only, in styles that have colours."""
    style: Float[Tensor, "batch styles"]
    """None first, then those of the catalogue."""
    arrangement: Float[Tensor, "batch arrangements"]
    presence: Float[Tensor, "batch known"]
    """Of every object, each for itself."""
    where: Float[Tensor, "batch known 8 8"]
    """Of every object, at each point of the picture."""
    features: Float[Tensor, "batch 256"]


@dataclass(frozen=True)
class Scores:
    """Shares of pictures, from 0 to 1; None where no scene could be counted."""

    scene: float | None
    """The place is right, and its colour where it is plain and the style shows colours."""
    style: float | None
    """The style is right; no style is one too."""
    objects: tuple[float | None, float | None, float | None]
    """Of scenes with one, two, three different objects: they are the one, two, three seen most clearly."""
    positions: float | None
    """Of scenes with several different objects: arranged as asked, and at each spot the one asked for is clearest."""
    counts: float | None
    """The same of scenes with two or three of one thing."""


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(_GROUPS, channels), nn.GroupNorm(_GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class Judge(nn.Module):
    """A residual network of four halvings (0.7 M parameters) whose last features are pooled by mean and by maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _CHANNELS[0], 3, stride=2, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(_CHANNELS))
        self.blocks = nn.ModuleList(_Residual(channels) for channels in _CHANNELS[1:])
        self.norm = nn.GroupNorm(_GROUPS, _CHANNELS[-1])
        width = 2 * _CHANNELS[-1]
        self.place = nn.Linear(width, len(PLACE_NAMES))
        self.color = nn.Linear(width, len(COLOR_NAMES))
        self.style = nn.Linear(width, len(_STYLES))
        self.arrangement = nn.Linear(width, len(_ARRANGEMENTS))
        self.presence = nn.Linear(width, len(KNOWN))
        self.where = nn.Conv2d(_CHANNELS[-1], len(KNOWN), 1)
        for head in (self.presence, self.where):
            nn.init.constant_(cast("Tensor", head.bias), -4.0)  # an object is rarely there

    def forward(self, images: Image) -> Reading:
        """Read pictures of 128 x 128 in [-1, 1]."""
        x = self.stem(images)
        for down, block in zip(self.down, self.blocks, strict=True):
            x = block(down(F.silu(x)))
        x = F.silu(self.norm(x))  # b 128 8 8
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        return Reading(
            place=self.place(pooled).float(),
            color=self.color(pooled).float(),
            style=self.style(pooled).float(),
            arrangement=self.arrangement(pooled).float(),
            presence=self.presence(pooled).float(),
            where=self.where(x).float(),
            features=pooled.float(),
        )

    @torch.no_grad()
    def read(self, pictures: Int[Tensor, "batch 3 height width"]) -> Reading:
        """Read pictures, uint8 of any size."""
        read = []
        for chunk in pictures.split(64):
            images = to_image(chunk).to(self.stem.weight.device)
            read.append(self(F.interpolate(images, size=(BASE_SIZE, BASE_SIZE), mode="bilinear", antialias=True)))
        return Reading(*(torch.cat(parts) for parts in zip(*read, strict=True)))

    def score(self, pictures: Int[Tensor, "batch 3 height width"], scenes: Sequence[Scene]) -> Scores:
        """Compare pictures (uint8, of any size) with the scenes that they should show.

        Raises `RequestError` where their numbers differ or are 0.
        """
        if len(pictures) != len(scenes) or not scenes:
            counts = f"{len(pictures)} pictures and {len(scenes)} scenes"
            raise RequestError(f"The judge got {counts}; it needs a scene for each picture, and one picture at least.")
        return tally(self.read(pictures), scenes)

    def save(self, path: Path = JUDGE_PATH) -> None:
        """Write the weights as float16."""
        save_file({name: value.half().contiguous() for name, value in self.state_dict().items()}, path)

    @classmethod
    def load(cls, path: Path = JUDGE_PATH) -> Judge:
        """The trained judge, on the CPU in float32; `CheckpointError` where the file cannot be used."""
        file = open_tensors(path)
        judge = cls()
        own = {name: tuple(value.shape) for name, value in judge.state_dict().items()}
        if file.shapes != own:
            differing = sorted(set(own.items()) ^ set(file.shapes.items()))
            raise KeyMismatchError(f"{path} holds no judge: {differing[0][0]} and {len(differing) - 1} more differ.")
        judge.load_state_dict({name: file.take(name).float() for name in own})
        return judge.eval().requires_grad_(False)


def tally(reading: Reading, scenes: Sequence[Scene]) -> Scores:
    """Count what was read right."""
    scene_hits, style_hits, position_hits, count_hits = [], [], [], []
    object_hits: tuple[list[bool], list[bool], list[bool]] = ([], [], [])
    rows = zip(
        scenes,
        reading.place.argmax(dim=1).tolist(),
        reading.color.argmax(dim=1).tolist(),
        reading.style.argmax(dim=1).tolist(),
        reading.arrangement.argmax(dim=1).tolist(),
        reading.presence.topk(3, dim=1).indices.tolist(),
        reading.where,
        strict=True,
    )
    for scene, place, color, style, arrangement, clearest, where in rows:
        right_color = not _shows_color(scene) or COLOR_NAMES[color] == scene.color
        scene_hits.append(PLACE_NAMES[place] == scene.place and right_color)
        style_hits.append(_STYLES[style] == scene.style)
        asked = {KNOWN.index(thing) for thing in scene.objects}
        if asked and not scene.same:
            object_hits[len(asked) - 1].append(asked == set(clearest[: len(asked)]))
        if len(scene.placements) > 1:
            there = _ARRANGEMENTS[arrangement] == scene.arrangement and all(
                where[:, *_points(scene, placement)].mean(dim=(1, 2)).argmax() == KNOWN.index(placement.object)
                for placement in scene.placements
            )
            (count_hits if scene.same else position_hits).append(there)

    def share(hits: list[bool]) -> float | None:
        return sum(hits) / len(hits) if hits else None

    one, two, three = (share(hits) for hits in object_hits)
    return Scores(share(scene_hits), share(style_hits), (one, two, three), share(position_hits), share(count_hits))


def _shows_color(scene: Scene) -> bool:
    return scene.color is not None and scene.style not in COLORLESS


def _points(scene: Scene, placement: Placement) -> tuple[slice, slice]:
    """Rows and columns of the 8 x 8 points whose centres lie in the middle of a placement's cell."""
    left, top, side = box(scene, placement)

    def inside(start: int) -> slice:
        return slice(round((start + side / 4) / _CELL), round((start + side * 3 / 4) / _CELL))

    return inside(top), inside(left)


def soften(images: Image, generator: torch.Generator) -> Image:
    """Make true renders as imperfect as generated pictures are: blur, a shift of up to 4 pixels, tint, contrast, noise.

    Blur and shift are the batch's, all else the picture's own; what comes out may leave [-1, 1] a little.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator).to(images.device)

    size = images.shape[-1]
    coarse = round(size * uniform(0.3, 1.3).item())
    if coarse < size:
        images = F.interpolate(images, size=(coarse, coarse), mode="bilinear", antialias=True)
        images = F.interpolate(images, size=(size, size), mode="bilinear")
    top, left = (int(value) for value in torch.randint(9, (2,), generator=generator))
    images = F.pad(images, (4, 4, 4, 4), mode="replicate")[:, :, top : top + size, left : left + size]
    count = len(images)
    images = images * uniform(0.8, 1.1, count, 1, 1, 1) + uniform(-0.15, 0.15, count, 3, 1, 1)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return images + noise * uniform(0.0, 0.12, count, 1, 1, 1)


class JudgeJob:
    """Trains a judge on fresh renders in every step; measured on the renders of another seed."""

    name = "judge"

    def __init__(self, judge: Judge, *, seed: int = 0, batch_size: int = 48, num_test: int = 512) -> None:
        self.judge, self.seed, self.batch_size = judge, seed, batch_size
        self.device = judge.stem.weight.device
        optimizer = torch.optim.AdamW(judge.parameters(), lr=0.0, weight_decay=0.01)
        self.learner = Learner(judge, optimizer, 0.995)
        self.test = _scenes(num_test, _TEST_SEEDS + seed)

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        scenes = _scenes(self.batch_size, self.seed * 1_000_003 + step)
        images = soften(to_image(render(scenes)).to(self.device), generator)
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = judge_loss(self.judge(images), scenes)
        self.learner.learn(loss, learning_rate)
        return {"loss": loss.item()}

    def evaluate(self) -> dict[str, float]:
        with averaged(self.judge, self.learner.ema):
            scores = self.judge.score(render(self.test), self.test)
        one, two, three = scores.objects
        named = {"scene": scores.scene, "style": scores.style, "one": one, "two": two, "three": three}
        named |= {"positions": scores.positions, "counts": scores.counts}
        return {name: value for name, value in named.items() if value is not None}

    def state_dict(self) -> dict[str, Any]:
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)


def judge_loss(reading: Reading, scenes: Sequence[Scene]) -> Tensor:
    """Cross-entropies of place, style, arrangement and, where it is seen, colour; binary ones of all objects, summed.

    The objects count once for the whole picture, and once as the mean over its points.
    """
    device = reading.place.device
    wanted = torch.tensor(
        [
            (
                PLACE_NAMES.index(scene.place),
                COLOR_NAMES.index(scene.color) if scene.color and _shows_color(scene) else _IGNORED,
                _STYLES.index(scene.style),
                _ARRANGEMENTS.index(scene.arrangement),
            )
            for scene in scenes
        ],
        device=device,
    )
    presence, where = torch.zeros_like(reading.presence), torch.zeros_like(reading.where)
    for row, scene in enumerate(scenes):
        for placement in scene.placements:
            presence[row, KNOWN.index(placement.object)] = 1
            where[row, KNOWN.index(placement.object), *_points(scene, placement)] = 1
    choices = zip(reading[:4], wanted.unbind(dim=1), strict=True)
    loss = sum(F.cross_entropy(logits, right, reduction="sum", ignore_index=_IGNORED) for logits, right in choices)
    loss = loss + F.binary_cross_entropy_with_logits(reading.presence, presence, reduction="sum")
    points = F.binary_cross_entropy_with_logits(reading.where, where, reduction="none").mean(dim=(2, 3)).sum()
    return (loss + _POINTS_WEIGHT * points) / len(scenes)


def train_judge(
    folder: Path,
    budget: Budget,
    *,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Judge:
    """Train (or resume, or just load) a judge in `folder`; returns it with its averaged weights."""
    torch.manual_seed(seed)
    judge = Judge()
    job = JudgeJob(judge, seed=seed)
    run(job, folder, budget, LearningRate(peak=3e-3, warmup_steps=100, decay_from=0.4), on_progress=on_progress)
    job.learner.ema.copy_to(judge)
    return judge.eval().requires_grad_(False)


def measure(judge: Judge, num_scenes: int = 1_024, seed: int = 0, *, softened: bool = False) -> Scores:
    """The judge's own accuracy on true renders that it never saw, softened as in training or clean."""
    scenes = _scenes(num_scenes, _TEST_SEEDS + seed)
    pictures = render(scenes)
    if softened:
        generator = torch.Generator().manual_seed(seed)
        images = torch.cat([soften(to_image(chunk), generator) for chunk in pictures.split(32)])
        pictures = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return judge.score(pictures, scenes)


def _scenes(count: int, seed: int) -> list[Scene]:
    """Of all combinations, with all objects that the judge knows."""
    return sample_scenes(count, seed, edition=_KNOWN_EDITION, held_out=None)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        train_judge(Path(scratch), Budget(steps=STEPS)).save()
