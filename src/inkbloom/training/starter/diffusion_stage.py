"""Stage two of the starter: its U-Net and text encoder, trained on the latents of rendered scenes."""

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
from inkbloom.training.diffusion import DiffusionJob, DiffusionSettings
from inkbloom.training.loop import Budget, LearningRate, Progress, run
from inkbloom.training.starter.captions import caption
from inkbloom.training.starter.scenes import Scene, render, sample_scenes

NUM_SCENES = 24_000
NUM_HELD_OUT = 128


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


def train_diffusion(
    spec: ModelSpec,
    autoencoder: AutoencoderKL,
    tokenizer: Tokenizer,
    folder: Path,
    budget: Budget,
    *,
    device: torch.device,
    seed: int = 0,
    peak: float = 8e-4,
    on_progress: Callable[[Progress], None],
) -> tuple[UNet, ClipText, float]:
    """Train (or resume, or just load) U-Net and text encoder in `folder`.

    Returns both with their averaged weights, and the scale factor that brings the latents' variance to 1.
    """
    scenes = sample_scenes(NUM_SCENES, seed=seed, held_out=False)
    latents = cached_latents(autoencoder, scenes, folder / "latents.pt")
    scale = 1.0 / latents.std().item()

    held_scenes = sample_scenes(NUM_HELD_OUT, seed=seed + 1, held_out=True)
    held_ids = [caption(scene, random.Random(scene.seed)) for scene in held_scenes]
    length = spec.text.max_tokens

    def captions(indices: list[int], step: int) -> torch.Tensor:
        texts = [caption(scenes[i], random.Random(f"{seed} {step} {i}")) for i in indices]
        return tokenizer.encode_padded(texts, length).ids

    torch.manual_seed(seed)
    unet, text = UNet(spec.unet).to(device), ClipText(spec.text).to(device)
    _start_quiet(unet)
    job = DiffusionJob(
        unet,
        text,
        spec.noise_schedule.build(),
        spec.prediction,
        latents=latents * scale,
        captions=captions,
        empty=tokenizer.encode_padded([""], length).ids,
        held_out=(encode_scenes(autoencoder, held_scenes) * scale, tokenizer.encode_padded(held_ids, length).ids),
        settings=DiffusionSettings(seed=seed),
    )
    run(job, folder, budget, LearningRate(peak=peak, warmup_steps=300), on_progress=on_progress)
    job.ema.copy_to(job.networks)
    return unet.eval().requires_grad_(False), text.eval().requires_grad_(False), scale


@torch.no_grad()
def _start_quiet(unet: UNet) -> None:
    """Let every residual branch begin as nothing (Zhang et al. 2019; Ho et al. 2020): the first steps are smooth."""
    torch.nn.init.zeros_(unet.conv_out.weight)
    for name, parameter in unet.named_parameters():
        if name.endswith(("conv2.weight", "proj_out.weight")):
            parameter.zero_()
