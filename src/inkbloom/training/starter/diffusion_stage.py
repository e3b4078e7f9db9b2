"""The last stage of the starter: its U-Net, trained on the latents of rendered scenes."""

import random
from collections.abc import Callable
from pathlib import Path

import torch

from inkbloom.core.types import Latent
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.models.clip_text import ClipText
from inkbloom.models.unet import UNet
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.autoencoder import to_image
from inkbloom.training.diffusion import DiffusionJob, DiffusionSettings, LatentData, Weights
from inkbloom.training.loop import Budget, LearningRate, Progress, run
from inkbloom.training.starter.captions import caption
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


def object_weights(scenes: list[Scene], side: int) -> Weights:
    """OBJECT_WEIGHT where an object stands, 1 elsewhere, for each place of latents of `side` x `side`.

    Places fill most of a picture and are learned in minutes; what is hard is in a quarter of it.
    """
    weights = torch.ones(len(scenes), 1, side, side)
    for weight, scene in zip(weights, scenes, strict=True):
        for placement in scene.placements:
            left, top, size = (value * side // BASE_SIZE for value in box(scene, placement))
            weight[:, top : top + size, left : left + size] = OBJECT_WEIGHT
    return weights


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

    held_scenes = sample_scenes(NUM_HELD_OUT, seed=seed + 1, edition=edition, held_out=True)
    held_captions = [caption(scene, random.Random(scene.seed)) for scene in held_scenes]
    length = spec.text.max_tokens

    def captions(indices: list[int], step: int) -> torch.Tensor:
        texts = [caption(scenes[i], random.Random(f"{seed} {step} {i}")) for i in indices]
        return tokenizer.encode_padded(texts, length).ids

    torch.manual_seed(seed)
    unet = UNet(spec.unet).to(text.position_embedding.device)
    if init is None:
        _start_quiet(unet)
    else:
        unet.load_state_dict(init.state_dict())
    job = DiffusionJob(
        unet,
        text,
        spec.noise_schedule.build(),
        spec.prediction,
        data=LatentData(
            latents=latents,
            captions=captions,
            empty=tokenizer.encode_padded([""], length).ids,
            weights=object_weights(scenes, latents.shape[-1]),
        ),
        held_out=(
            encode_scenes(autoencoder, held_scenes, size).float() * scale,
            tokenizer.encode_padded(held_captions, length).ids,
        ),
        settings=DiffusionSettings(batch_size=edition.batch_size, seed=seed),
    )
    rate = LearningRate(peak=6e-4, warmup_steps=300, decay_from=0.5)
    run(job, folder, budget, rate, on_progress=on_progress)
    job.learner.ema.copy_to(unet)
    return unet.eval().requires_grad_(False), scale


@torch.no_grad()
def _start_quiet(unet: UNet) -> None:
    """Let every residual branch begin as nothing (Zhang et al. 2019; Ho et al. 2020): the first steps are smooth."""
    torch.nn.init.zeros_(unet.conv_out.weight)
    for name, parameter in unet.named_parameters():
        if name.endswith(("conv2.weight", "proj_out.weight")):
            parameter.zero_()


def _copies(scene: Scene, known_objects: int) -> int:
    copies = SIZE_COPIES[scene.placements[0].size] if scene.placements else 1
    if scene.style in DRAWN_STYLES:
        copies *= DRAWN_COPIES
    return copies * (NEW_COPIES if any(thing >= known_objects > 0 for thing in scene.objects) else 1)
