"""The last stage of the starter: its U-Net, trained on the latents of rendered scenes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.types import Float, Latent, Tensor
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.models.clip_text import ClipText
from inkbloom.models.unet import UNet
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.autoencoder import to_image
from inkbloom.training.batches import Batch, row_generator
from inkbloom.training.evaluation import EvaluationSettings, HeldOut
from inkbloom.training.finetune import FinetuneSettings, Finetuning, start_quiet
from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import Budget, Progress, RunSettings, run
from inkbloom.training.objective import Objective, ObjectiveSettings
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.rates import LearningRate
from inkbloom.training.starter.captions import canonical_caption, caption
from inkbloom.training.starter.catalogue import Edition
from inkbloom.training.starter.scenes import BASE_SIZE, Scene, box, render, sample_scenes

NUM_HELD_OUT = 128
NUM_CAPTIONS = 20_000
"""What the tokenizer learns from."""
OBJECT_WEIGHT = 3.0
SIZE_COPIES = {"small": 2, "normal": 1, "big": 2}
"""So often does each scene with a lone object of this size count: they are few, and have most to learn."""
DRAWN_STYLES = ("ink", "line", "neon")
DRAWN_COPIES = 2
"""So often does each scene count in a style that shows little but outlines, which have to be learned anew."""
NEW_COPIES = 2
"""So often does each scene with an object count that the network it began with could not draw."""


EMPTY_CAPTIONS = 0.1
"""Part of the captions left out, so that the model also learns the unconditional estimate that guidance needs."""
_CHOICE, _WORDS = 1_000, 1_001
"""Purposes of `row_generator`, beside the trainer's own."""


@dataclass(kw_only=True)
class SceneLatents:
    """Rendered scenes as latents; fulfils `Batches`."""

    scenes: list[Scene]
    latents: Latent
    """Scaled, of any precision."""
    weights: Float[Tensor, "scenes 1 latent_height latent_width"] | None = None
    """How much each place counts in the loss. Where what the caption says decides them, they change how fast the places
    are learned and not what is learned."""
    hints: Float[Tensor, "scenes 1 height width"] | None = None
    """Control pictures, or where True."""
    empty_captions: float = EMPTY_CAPTIONS
    global_size: int
    seed: int = 0
    fixed: bool = False
    """In their order, each with its plainest caption: for measuring."""

    def __post_init__(self) -> None:
        self.steps_per_epoch = len(self.scenes) // self.global_size

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        """Scenes drawn at random, with other words each time."""
        places = [self._choose(step, row) for row in rows]
        return Batch(
            step=step,
            rows=tuple(rows),
            global_size=self.global_size,
            captions=tuple(self._caption(place, step, row) for place, row in zip(places, rows, strict=True)),
            latents=self.latents[places].float(),
            loss_masks=None if self.weights is None else self.weights[places],
            hints=None if self.hints is None else self.hints[places].float().expand(-1, 3, -1, -1),
        )

    def _choose(self, step: int, row: int) -> int:
        if self.fixed:
            return (step * self.global_size + row) % len(self.scenes)
        return int(torch.randint(len(self.scenes), (), generator=row_generator(self.seed, step, row, _CHOICE)))

    def _caption(self, place: int, step: int, row: int) -> str:
        scene = self.scenes[place]
        if self.fixed:
            return canonical_caption(scene)
        rng = random.Random(row_generator(self.seed, step, row, _WORDS).initial_seed())
        return "" if rng.random() < self.empty_captions else caption(scene, rng)


def train_tokenizer(vocab_size: int, edition: Edition, seed: int = 0) -> Tokenizer:
    """The starter's own byte-level BPE, learned from the captions of training scenes in both languages."""
    scenes = sample_scenes(NUM_CAPTIONS, seed=seed + 2, edition=edition)
    return Tokenizer.train([caption(scene, random.Random(scene.seed)) for scene in scenes], vocab_size)


@torch.no_grad()
def encode_scenes(autoencoder: AutoencoderKL, scenes: list[Scene], size: int) -> Latent:
    """The raw latents (means) of rendered scenes, float16 on the CPU; encoded in bfloat16, 64 pictures at a time."""
    device = next(autoencoder.parameters()).device
    side = size // autoencoder.spec.downscale
    latents = torch.empty(len(scenes), autoencoder.spec.latent_channels, side, side, dtype=torch.float16)
    for start in range(0, len(scenes), 64):
        pictures = to_image(render(scenes[start : start + 64], size)).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            latents[start : start + 64] = autoencoder.encode(pictures).mean.cpu()
    return latents


def cached_latents(autoencoder: AutoencoderKL, scenes: list[Scene], size: int, file: Path) -> Latent:
    """`encode_scenes`, kept in `file` for the next start."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(encode_scenes(autoencoder, scenes, size), file)
    return torch.load(file, weights_only=True)


def object_weights(scenes: list[Scene], side: int) -> Tensor:
    """How much places count: OBJECT_WEIGHT times as much where an object stands, in the mean 1; for latents of `side`.

    Places fill most of a picture and are learned in minutes; what is hard is in a quarter of it.
    """
    weights = torch.ones(len(scenes), 1, side, side)
    for weight, scene in zip(weights, scenes, strict=True):
        for placement in scene.placements:
            left, top, size = (value * side // BASE_SIZE for value in box(scene, placement))
            weight[:, top : top + size, left : left + size] = OBJECT_WEIGHT
    return weights / weights.mean()


def train_diffusion(
    spec: ModelSpec,
    autoencoder: AutoencoderKL,
    text: ClipText,
    tokenizer: Tokenizer,
    edition: Edition,
    folder: Path,
    budget: Budget,
    *,
    init: UNet | None = None,
    known_objects: int = 0,
    seed: int = 0,
    on_progress: Callable[[Progress], None],
) -> tuple[UNet, float]:
    """Train (or resume, or just load) the U-Net in `folder`, on the text encoder's device.

    It begins with the weights of `init` where there is one, which can draw the first `known_objects` of the catalogue:
    the others are shown more often. Returns it with its averaged weights, and the scale factor that brings the latents'
    variance to 1.
    """
    size = edition.size
    scenes = sample_scenes(edition.num_scenes, seed=seed, edition=edition)
    latents = cached_latents(autoencoder, scenes, size, folder / "latents.pt")
    scale = 1.0 / latents.float().std().item()
    often = [i for i, scene in enumerate(scenes) for _ in range(_copies(scene, known_objects))]
    scenes, latents = [scenes[i] for i in often], latents[often].float() * scale

    data = SceneLatents(
        scenes=scenes,
        latents=latents,
        weights=object_weights(scenes, latents.shape[-1]),
        global_size=edition.batch_size,
        seed=seed,
    )
    held_scenes = sample_scenes(NUM_HELD_OUT, seed=seed + 1, edition=edition, held_out=True)
    held_latents = encode_scenes(autoencoder, held_scenes, size).float() * scale
    held_out = SceneLatents(scenes=held_scenes, latents=held_latents, global_size=NUM_HELD_OUT // 4, fixed=True)

    torch.manual_seed(seed)
    unet = UNet(spec.unet).to(text.position_embedding.device)
    if init is None:
        start_quiet(unet)
    else:
        unet.load_state_dict(init.state_dict())
    model = LoadedModel(
        spec=spec, tokenizer=tokenizer, text=text, unet=unet, autoencoder=autoencoder, name="starter", path=folder
    )
    trainee = Finetuning(model, Objective(ObjectiveSettings(), spec), FinetuneSettings(), seed=seed)
    job = TraineeJob.build(
        "diffusion",
        trainee,
        data,
        OptimizerSettings(betas=(0.9, 0.99)),
        RunSettings(precision="bf16", seed=seed),
        evaluation=HeldOut(trainee, held_out, EvaluationSettings(held_out_timesteps=1, bound_timesteps=0)),
    )
    run(job, folder, budget, LearningRate(peak=6e-4, warmup_steps=300, decay_from=0.5), on_progress=on_progress)
    job.learner.ema.copy_to(trainee.trained)
    return unet.eval().requires_grad_(False), scale


def _copies(scene: Scene, known_objects: int) -> int:
    copies = SIZE_COPIES[scene.placements[0].size] if scene.placements else 1
    if scene.style in DRAWN_STYLES:
        copies *= DRAWN_COPIES
    return copies * (NEW_COPIES if any(thing >= known_objects > 0 for thing in scene.objects) else 1)
