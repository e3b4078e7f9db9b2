"""Who says whether a picture shows what was asked for: a small classifier of scenes.

It is trained on true renders of all combinations, the held-out ones too, blurred, shifted, tinted and noised so that it
is fair to soft pictures, and never on a generated one. `judge.safetensors` ships with the package;
`python -m inkbloom.training.starter.judge` trains it anew. Beside every score it gives belongs its own accuracy on
renders that it never saw: `measure`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

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
from inkbloom.training.loop import Budget, LearningRate, Progress, run
from inkbloom.training.starter.catalogue import COLOR_NAMES, OBJECTS, PLACE_NAMES
from inkbloom.training.starter.scenes import BASE_SIZE, Scene, render, sample_scenes

JUDGE_PATH = Path(__file__).with_name("judge.safetensors")
STEPS = 3_000
_CHANNELS = (24, 48, 96, 128)
_GROUPS = 8


class Logits(NamedTuple):
    place: Float[Tensor, "batch 9"]
    color: Float[Tensor, "batch 6"]
    """Counts for plain places only."""
    presence: Float[Tensor, "batch 36"]
    """Of every object, each for itself."""


@dataclass(frozen=True)
class Scores:
    """Shares of pictures, from 0 to 1; None where no scene could be counted."""

    scene: float | None
    """The place is right, and its colour where it is plain."""
    first_object: float | None
    """The scene's first object is the one that is seen most clearly; of two objects, among the two clearest."""
    both_objects: float | None
    """Of scenes with two objects: both are the two clearest."""


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
    """A residual network of four halvings (0.67 M parameters) whose last features are pooled by mean and by maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _CHANNELS[0], 3, stride=2, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(_CHANNELS))
        self.blocks = nn.ModuleList(_Residual(channels) for channels in _CHANNELS[1:])
        self.norm = nn.GroupNorm(_GROUPS, _CHANNELS[-1])
        width = 2 * _CHANNELS[-1]
        self.place = nn.Linear(width, len(PLACE_NAMES))
        self.color = nn.Linear(width, len(COLOR_NAMES))
        self.presence = nn.Linear(width, len(OBJECTS))

    def forward(self, images: Image) -> Logits:
        """Read pictures of 128 x 128 in [-1, 1]."""
        x = self.stem(images)
        for down, block in zip(self.down, self.blocks, strict=True):
            x = block(down(F.silu(x)))
        x = F.silu(self.norm(x))  # b 128 8 8
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
        return Logits(self.place(pooled).float(), self.color(pooled).float(), self.presence(pooled).float())

    @torch.no_grad()
    def score(self, pictures: Int[Tensor, "batch 3 height width"], scenes: Sequence[Scene]) -> Scores:
        """Compare pictures (uint8, of any size) with the scenes that they should show.

        Raises `RequestError` where their numbers differ or are 0.
        """
        if len(pictures) != len(scenes) or not scenes:
            counts = f"{len(pictures)} pictures and {len(scenes)} scenes"
            raise RequestError(f"The judge got {counts}; it needs a scene for each picture, and one picture at least.")
        read = []
        for chunk in pictures.split(64):
            images = to_image(chunk).to(self.stem.weight.device)
            read.append(self(F.interpolate(images, size=(BASE_SIZE, BASE_SIZE), mode="bilinear", antialias=True)))
        return tally(Logits(*(torch.cat(parts) for parts in zip(*read, strict=True))), scenes)

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


def tally(logits: Logits, scenes: Sequence[Scene]) -> Scores:
    """Count what was read right."""
    scene_hits, first_hits, both_hits = [], [], []
    rows = zip(
        scenes,
        logits.place.argmax(dim=1).tolist(),
        logits.color.argmax(dim=1).tolist(),
        logits.presence.topk(2, dim=1).indices.tolist(),
        strict=True,
    )
    for scene, place, color, clearest in rows:
        right_color = scene.color is None or COLOR_NAMES[color] == scene.color
        scene_hits.append(PLACE_NAMES[place] == scene.place and right_color)
        asked = [placement.object for placement in scene.placements]
        if asked:
            first_hits.append(asked[0] in clearest[: len(asked)])
        if len(asked) == 2:
            both_hits.append(set(asked) == set(clearest))
    return Scores(*(sum(hits) / len(hits) if hits else None for hits in (scene_hits, first_hits, both_hits)))


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
        self.test = _test_scenes(num_test, seed)

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        scenes = sample_scenes(self.batch_size, seed=self.seed * 1_000_003 + step, held_out=None)
        images = soften(to_image(render(scenes)).to(self.device), generator)
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = judge_loss(self.judge(images), scenes)
        self.learner.learn(loss, learning_rate)
        return {"loss": loss.item()}

    def evaluate(self) -> dict[str, float]:
        with averaged(self.judge, self.learner.ema):
            scores = self.judge.score(render(self.test), self.test)
        return {name: value for name, value in vars(scores).items() if value is not None}

    def state_dict(self) -> dict[str, Any]:
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)


def judge_loss(logits: Logits, scenes: Sequence[Scene]) -> Tensor:
    """Cross-entropies of place and, where it is plain, colour, plus the sum of all objects' binary cross-entropies."""
    device = logits.place.device
    place = torch.tensor([PLACE_NAMES.index(scene.place) for scene in scenes], device=device)
    ignored = -100  # cross_entropy's word for rows that do not count
    color = torch.tensor([COLOR_NAMES.index(s.color) if s.color else ignored for s in scenes], device=device)
    presence = torch.zeros_like(logits.presence)
    for row, scene in enumerate(scenes):
        presence[row, [placement.object for placement in scene.placements]] = 1
    objects = F.binary_cross_entropy_with_logits(logits.presence, presence, reduction="sum")
    colors = F.cross_entropy(logits.color, color, reduction="sum")
    return (F.cross_entropy(logits.place, place, reduction="sum") + colors + objects) / len(scenes)


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
    scenes = _test_scenes(num_scenes, seed)
    pictures = render(scenes)
    if softened:
        generator = torch.Generator().manual_seed(seed)
        images = torch.cat([soften(to_image(chunk), generator) for chunk in pictures.split(32)])
        pictures = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return judge.score(pictures, scenes)


def _test_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes of all combinations from a seed that no training step has."""
    return sample_scenes(count, seed=2**40 + seed, held_out=None)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        train_judge(Path(scratch), Budget(steps=STEPS)).save()
