"""The first stage of the starter: its text encoder learns to say what a caption shows, then is frozen.

Stable Diffusion's text encoder comes trained, from CLIP. Trained together with the U-Net from nothing, a small one
keeps the words that explain most of a picture, those of its place, and loses the objects; here within 2,000 steps.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import TokenIds
from inkbloom.models.clip_text import ClipText, ClipTextSpec
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.ema import averaged
from inkbloom.training.learner import Learner
from inkbloom.training.loop import Budget, Progress, run
from inkbloom.training.rates import LearningRate
from inkbloom.training.starter.captions import caption
from inkbloom.training.starter.catalogue import COLOR_NAMES, PLACE_NAMES, SIZES, SPOTS, STYLE_NAMES, Edition
from inkbloom.training.starter.scenes import Scene, sample_scenes

NUM_SCENES = 24_000
NUM_HELD_OUT = 512
NONE = -100
"""cross_entropy's word for questions that a scene does not answer."""


@dataclass(frozen=True)
class Question:
    """Something to be read off a caption, as a choice of one."""

    choices: int
    answer: Callable[[Scene], int]


def questions(edition: Edition) -> tuple[Question, ...]:
    """Place, colour, style, size, and the object at every spot: together they say relations and counts too."""
    nobody = len(edition.objects)
    number = {thing: index for index, thing in enumerate(edition.objects)}

    def object_at(spot: str) -> Callable[[Scene], int]:
        return lambda scene: next((number[p.object] for p in scene.placements if p.spot == spot), nobody)

    def size(scene: Scene) -> int:
        return list(SIZES).index(scene.placements[0].size) if scene.placements else NONE

    return (
        Question(len(PLACE_NAMES), lambda scene: PLACE_NAMES.index(scene.place)),
        Question(len(COLOR_NAMES), lambda scene: COLOR_NAMES.index(scene.color) if scene.color else NONE),
        Question(len(STYLE_NAMES) + 1, lambda scene: (*STYLE_NAMES, None).index(scene.style)),
        Question(len(SIZES), size),
        *(Question(nobody + 1, object_at(spot)) for spot in SPOTS),
    )


class TextJob:
    """Trains the encoder with one linear reader a question; the readers are thrown away."""

    name = "text encoder"

    def __init__(
        self, text: ClipText, tokenizer: Tokenizer, edition: Edition, *, seed: int = 0, batch_size: int = 96
    ) -> None:
        self.questions = questions(edition)
        readers = nn.ModuleList(nn.Linear(text.spec.width, question.choices) for question in self.questions)
        self.networks = nn.ModuleDict({"text": text, "readers": readers.to(text.position_embedding.device)})
        self.tokenizer, self.seed, self.batch_size = tokenizer, seed, batch_size
        self.device = text.position_embedding.device
        self.scenes = sample_scenes(NUM_SCENES, seed=seed, edition=edition)
        self.held_out = sample_scenes(NUM_HELD_OUT, seed=seed + 1, edition=edition, held_out=True)
        optimizer = torch.optim.AdamW(self.networks.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.01)
        self.learner = Learner(self.networks, optimizer, 0.99)

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        rng = random.Random(f"{self.seed} {step}")
        scenes = rng.choices(self.scenes, k=self.batch_size)
        ids = self._tokens(scenes, rng)
        # Every place after the caption's end answers: the U-Net looks at all of them.
        ends = (ids == self.tokenizer.eos_id).int().argmax(dim=1)
        at = torch.tensor([rng.randrange(int(end), ids.shape[1]) for end in ends])
        with torch.autocast(self.device.type, torch.bfloat16):
            answers = self._answers(ids, at)
        losses = [
            F.cross_entropy(answer.float(), wanted, ignore_index=NONE)
            for answer, wanted in zip(answers, self._wanted(scenes), strict=True)
        ]
        loss = torch.stack(losses).sum()
        self.learner.learn(loss, learning_rate)
        return {"loss": loss.item()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """The part of held-out captions read wholly right, both at the caption's end and at the last place."""
        ids = self._tokens(self.held_out, random.Random(0))
        wanted = self._wanted(self.held_out)
        ends = (ids == self.tokenizer.eos_id).int().argmax(dim=1)
        right = torch.ones(len(ids), dtype=torch.bool, device=self.device)
        with averaged(self.networks, self.learner.ema):
            for at in (ends, torch.full_like(ends, ids.shape[1] - 1)):
                for answer, truth in zip(self._answers(ids, at), wanted, strict=True):
                    right &= (answer.argmax(dim=1) == truth) | (truth == NONE)
        return {"understood": right.float().mean().item()}

    def state_dict(self) -> dict[str, Any]:
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)

    def _tokens(self, scenes: list[Scene], rng: random.Random) -> TokenIds:
        text: Any = self.networks["text"]
        return self.tokenizer.encode_padded([caption(scene, rng) for scene in scenes], text.spec.max_tokens).ids

    def _answers(self, ids: TokenIds, at: Tensor) -> list[Tensor]:
        hidden = self.networks["text"](ids.to(self.device))[torch.arange(len(ids)), at.to(self.device)]
        readers: Any = self.networks["readers"]
        return [reader(hidden) for reader in readers]

    def _wanted(self, scenes: list[Scene]) -> list[Tensor]:
        return [torch.tensor([q.answer(scene) for scene in scenes], device=self.device) for q in self.questions]


def train_text(
    spec: ClipTextSpec,
    tokenizer: Tokenizer,
    edition: Edition,
    folder: Path,
    budget: Budget,
    *,
    init: ClipText | None = None,
    device: torch.device,
    seed: int = 0,
    on_progress: Callable[[Progress], None],
) -> ClipText:
    """Train (or resume, or just load) the text encoder in `folder`, from the weights of `init` where there is one.

    Returns it with its averaged weights.
    """
    torch.manual_seed(seed)
    text = ClipText(spec).to(device)
    if init is not None:
        text.load_state_dict(init.state_dict())
    job = TextJob(text, tokenizer, edition, seed=seed)
    rate = LearningRate(peak=2e-3, warmup_steps=50 if init is None else 200, decay_from=0.3)
    run(job, folder, budget, rate, on_progress=on_progress)
    job.learner.ema.copy_to(job.networks)
    return text.eval().requires_grad_(False)
