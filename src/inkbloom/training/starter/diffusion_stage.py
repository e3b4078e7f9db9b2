"""Stage three of the starter: its U-Net, trained on the latents of rendered scenes."""

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
from inkbloom.training.starter.scenes import BASE_SIZE, Scene, box, render, sample_scenes

NUM_SCENES = 24_000
NUM_HELD_OUT = 128
OBJECT_WEIGHT = 3.0
BIG_COPIES = 3
"""So often does each scene with a big object count: they are few, and have most to learn."""


def train_tokenizer(vocab_size: int, seed: int = 0) -> Tokenizer:
    """The starter's own byte-level BPE, learned from the captions of training scenes in both languages."""
    scenes = sample_scenes(20_000, seed=seed + 2, held_out=False)
    return Tokenizer.train([caption(scene, random.Random(scene.seed)) for scene in scenes], vocab_size)


@torch.no_grad()
def encode_scenes(autoencoder: AutoencoderKL, scenes: list[Scene]) -> Latent:
    """The raw latents (means) of rendered scenes, float32 on the CPU."""
    device = next(autoencoder.parameters()).device
    means = []
    for start in range(0, len(scenes), 64):
        pictures = to_image(render(scenes[start : start + 64])).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            means.append(autoencoder.encode(pictures).mean.float().cpu())
    return torch.cat(means)


def cached_latents(autoencoder: AutoencoderKL, scenes: list[Scene], file: Path) -> Latent:
    """`encode_scenes`, kept in `file` for the next start."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(encode_scenes(autoencoder, scenes).half(), file)
    return torch.load(file, weights_only=True).float()


def object_weights(scenes: list[Scene], downscale: int) -> Weights:
    """OBJECT_WEIGHT where an object stands, 1 elsewhere, for each place of the latents.

    Places fill most of a picture and are learned in minutes; what is hard is in a quarter of it.
    """
    side = BASE_SIZE // downscale
    weights = torch.ones(len(scenes), 1, side, side)
    for weight, scene in zip(weights, scenes, strict=True):
        for placement in scene.placements:
            left, top, size = (value // downscale for value in box(scene, placement))
            weight[:, top : top + size, left : left + size] = OBJECT_WEIGHT
    return weights


def train_diffusion(
    spec: ModelSpec,
    autoencoder: AutoencoderKL,
    text: ClipText,
    tokenizer: Tokenizer,
    folder: Path,
    budget: Budget,
    *,
    seed: int = 0,
    on_progress: Callable[[Progress], None],
) -> tuple[UNet, float]:
    """Train (or resume, or just load) the U-Net in `folder`, on the text encoder's device.

    Returns it with its averaged weights, and the scale factor that brings the latents' variance to 1.
    """
    scenes = sample_scenes(NUM_SCENES, seed=seed, held_out=False)
    latents = cached_latents(autoencoder, scenes, folder / "latents.pt")
    scale = 1.0 / latents.std().item()
    often = [i for i, scene in enumerate(scenes) for _ in range(BIG_COPIES if _has_big(scene) else 1)]
    scenes, latents = [scenes[i] for i in often], latents[often]

    held_scenes = sample_scenes(NUM_HELD_OUT, seed=seed + 1, held_out=True)
    held_captions = [caption(scene, random.Random(scene.seed)) for scene in held_scenes]
    length = spec.text.max_tokens

    def captions(indices: list[int], step: int) -> torch.Tensor:
        texts = [caption(scenes[i], random.Random(f"{seed} {step} {i}")) for i in indices]
        return tokenizer.encode_padded(texts, length).ids

    torch.manual_seed(seed)
    unet = UNet(spec.unet).to(text.position_embedding.device)
    _start_quiet(unet)
    job = DiffusionJob(
        unet,
        text,
        spec.noise_schedule.build(),
        spec.prediction,
        data=LatentData(
            latents=latents * scale,
            captions=captions,
            empty=tokenizer.encode_padded([""], length).ids,
            weights=object_weights(scenes, spec.autoencoder.downscale),
        ),
        held_out=(encode_scenes(autoencoder, held_scenes) * scale, tokenizer.encode_padded(held_captions, length).ids),
        settings=DiffusionSettings(seed=seed),
    )
    run(job, folder, budget, LearningRate(peak=6e-4, warmup_steps=300), on_progress=on_progress)
    job.learner.ema.copy_to(unet)
    return unet.eval().requires_grad_(False), scale


@torch.no_grad()
def _start_quiet(unet: UNet) -> None:
    """Let every residual branch begin as nothing (Zhang et al. 2019; Ho et al. 2020): the first steps are smooth."""
    torch.nn.init.zeros_(unet.conv_out.weight)
    for name, parameter in unet.named_parameters():
        if name.endswith(("conv2.weight", "proj_out.weight")):
            parameter.zero_()


def _has_big(scene: Scene) -> bool:
    return any(placement.size == "big" for placement in scene.placements)
