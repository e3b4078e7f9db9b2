"""The starter's previews: a tiny decoder, taught by the full one, and the matrix from latents to colours.

Both learn from rendered scenes as latents, and from such latents softened, as a picture's estimates are while it is
painted: what they are to say is what the full decoder makes of the very same latent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.tiny_autoencoders import save_tiny_decoder
from inkbloom.core.similarity import psnr
from inkbloom.core.types import Float, Image, Int, Latent
from inkbloom.models.tiny_autoencoder import TinyDecoder, TinySpec
from inkbloom.training.autoencoder import edge_loss, to_image
from inkbloom.training.batches import row_generator
from inkbloom.training.ema import averaged
from inkbloom.training.learner import Learner
from inkbloom.training.loop import Budget, Every, Pace, Progress, run
from inkbloom.training.rates import LearningRate
from inkbloom.training.starter.scenes import render, sample_scenes

NUM_SCENES = 1_536
NUM_HELD_OUT = 64
BATCH_SIZE = 8
SPEC = TinySpec(channels=16, blocks=(4, 4, 3, 0))
"""Narrower than SD 1's, and most of its work is done where there are few pixels."""
RATE = LearningRate(peak=2e-3, warmup_steps=50, decay_from=0.4, floor=0.01)
FILE = "starter_decoder.safetensors"
_AT_ONCE = 16
_WHITE = 2.0
_SOFT_NOISE = 0.1


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Scaled latents, and the full decoder's pictures of them."""

    latents: Latent
    pictures: Int[Tensor, "pictures 3 height width"]


@torch.no_grad()
def decoded_scenes(model: LoadedModel, count: int, *, soft: float, seed: int, held_out: bool = False) -> Decoded:
    """`count` scenes, `soft` (0 to 1) of them softened: blurred by chance, with a little noise."""
    autoencoder, scale = model.autoencoder, model.spec.latent_scale
    assert autoencoder is not None
    generator = torch.Generator().manual_seed(seed)
    scenes = sample_scenes(count, seed=seed, held_out=held_out)
    latents, pictures = [], []
    for start in range(0, count, _AT_ONCE):
        latent = autoencoder.encode(to_image(render(scenes[start : start + _AT_ONCE]))).mean * scale
        one, two = torch.rand(2, len(latent), 1, 1, 1, generator=generator)
        blurred = F.avg_pool2d(F.pad(latent, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
        noise = torch.randn(latent.shape, generator=generator)
        softened = torch.lerp(latent, blurred, two) + _SOFT_NOISE * noise
        latent = torch.where(one < soft, softened, latent)
        latents.append(latent)
        pictures.append(((autoencoder.decode(latent / scale).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8))
    return Decoded(latents=torch.cat(latents), pictures=torch.cat(pictures))


class PreviewJob:
    """Trains `network` to decode as the full decoder did; measured in dB against that."""

    name = "preview"
    examples_per_step = BATCH_SIZE

    def __init__(
        self, network: TinyDecoder, learned: Decoded, held_out: dict[str, Decoded], learner: Learner, *, seed: int = 0
    ) -> None:
        self.network, self.learned, self.held_out, self.learner = network, learned, held_out, learner
        self.seed = seed

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        chosen = torch.randint(len(self.learned.latents), (BATCH_SIZE,), generator=row_generator(self.seed, step, 0))
        with self.learner.autocast():
            made = self.network(self.learned.latents[chosen])
        loss = edge_loss(made.float(), to_image(self.learned.pictures[chosen])).mean()
        norm = self.learner.learn(loss, learning_rate)
        return {"loss": loss.item(), "gradient_norm": norm}

    def evaluate(self) -> dict[str, float]:
        with averaged(self.network, self.learner.ema):
            return {f"psnr_{name}": nearness(self.network, decoded) for name, decoded in self.held_out.items()}

    def state_dict(self) -> dict[str, Any]:
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)


def train_previews(
    model: LoadedModel,
    folder: Path,
    budget: Budget,
    *,
    spec: TinySpec = SPEC,
    num_scenes: int = NUM_SCENES,
    num_held_out: int = NUM_HELD_OUT,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Train the tiny decoder, or go on where `folder` stopped; returns the file that is written, float16."""
    torch.manual_seed(seed)
    network = TinyDecoder(spec)
    adam = torch.optim.AdamW(network.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    learner = Learner(network, adam, 0.995, precision="bf16")
    learned = decoded_scenes(model, num_scenes, soft=0.5, seed=seed)
    held_out = {
        name: decoded_scenes(model, num_held_out, soft=soft, seed=seed + 1, held_out=True)
        for name, soft in (("scenes", 0.0), ("soft", 1.0))
    }
    job = PreviewJob(network, learned, held_out, learner, seed=seed)
    run(job, folder, budget, RATE, pace=Pace(evaluate=Every(seconds=120.0)), on_progress=on_progress)
    with averaged(network, learner.ema):
        save_tiny_decoder(folder / FILE, network)
    return folder / FILE


def fit_colors(decoded: Decoded) -> Float[Tensor, "channels_and_1 3"]:
    """The matrix from a latent point to the mean colour in [-1, 1] of its pixels by least squares; its last row is the
    bias."""
    side = decoded.pictures.shape[-1] // decoded.latents.shape[-1]
    colors = F.avg_pool2d(to_image(decoded.pictures), side).movedim(1, -1).reshape(-1, 3)
    points = decoded.latents.movedim(1, -1).flatten(0, 2)  # (b h w) c
    return torch.linalg.lstsq(F.pad(points, (0, 1), value=1.0), colors).solution


@torch.no_grad()
def nearness(decode: Callable[[Latent], Image], decoded: Decoded) -> float:
    """The mean PSNR in dB of what `decode` makes of the latents, against the full decoder's pictures."""
    pairs = zip(decoded.latents.split(_AT_ONCE), decoded.pictures.split(_AT_ONCE), strict=True)
    return torch.cat([psnr(decode(z).clamp(-1, 1), to_image(pictures), _WHITE) for z, pictures in pairs]).mean().item()
