"""Training the autoencoder (Rombach et al. 2022, section 3.1), without an adversary: reconstruction and a little KL."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from inkbloom.core.types import Image
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.training.ema import averaged
from inkbloom.training.learner import Learner


@dataclass(frozen=True, kw_only=True)
class AutoencoderSettings:
    batch_size: int = 32
    crop: int = 64
    """Side of the training crops in pixels; they start at multiples of `crop_grid`, to stay on the latent grid."""
    crop_grid: int = 8
    kl_weight: float = 2e-3
    """Weight of the KL divergence per latent value, against the reconstruction loss per pixel value."""
    ema_decay: float = 0.999
    seed: int = 0


def reconstruction_loss(picture: Image, target: Image, levels: int = 3) -> Tensor:
    """L1 on values and on horizontal and vertical differences over a pyramid of `levels`, plus twice the mean square.

    The differences weigh edges, which plain L1 leaves soft; the pyramid weighs shapes of every size alike.
    """
    loss = 2.0 * F.mse_loss(picture, target)
    for _ in range(levels):
        error = picture - target
        loss = loss + (error.abs().mean() + error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / levels
        picture, target = F.avg_pool2d(picture, 2), F.avg_pool2d(target, 2)
    return loss


class AutoencoderJob:
    """Trains on random crops of `pictures` and is measured on `held_out`, both uint8 (n, 3, height, width)."""

    name = "autoencoder"

    def __init__(self, model: AutoencoderKL, pictures: Tensor, held_out: Tensor, settings: AutoencoderSettings) -> None:
        self.model = model
        self.pictures, self.held_out = pictures, held_out
        self.settings = settings
        self.device = next(model.parameters()).device
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
        self.learner = Learner(model, optimizer, settings.ema_decay)

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        batch = self._crops(generator)
        with torch.autocast(self.device.type, torch.bfloat16):
            latents = self.model.encode(batch)
            noise = torch.randn(latents.mean.shape, generator=generator).to(self.device)
            picture = self.model.decode(latents.sample(noise))
        reconstruction = reconstruction_loss(picture.float(), batch)
        kl = latents.kl().mean() / latents.mean[0].numel()
        loss = reconstruction + self.settings.kl_weight * kl.float()
        self.learner.learn(loss, learning_rate)
        return {"loss": loss.item(), "kl": kl.item()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Mean PSNR in dB of whole held-out pictures, by the averaged weights."""
        with averaged(self.model, self.learner.ema), torch.autocast(self.device.type, torch.bfloat16):
            errors = []
            for chunk in self.held_out.split(32):
                target = to_image(chunk).to(self.device)
                picture = self.model.decode(self.model.encode(target).mean).float().clamp(-1, 1)
                errors.append((picture - target).square().mean(dim=(1, 2, 3)))
        return {"psnr": (10 * torch.log10(4.0 / torch.cat(errors))).mean().item()}

    def state_dict(self) -> dict[str, Any]:
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)

    def _crops(self, generator: torch.Generator) -> Image:
        size, grid = self.settings.crop, self.settings.crop_grid
        count, _, height, width = self.pictures.shape
        chosen = torch.randint(count, (self.settings.batch_size,), generator=generator)
        tops = torch.randint((height - size) // grid + 1, chosen.shape, generator=generator) * grid
        lefts = torch.randint((width - size) // grid + 1, chosen.shape, generator=generator) * grid
        crops = [
            self.pictures[i, :, top : top + size, left : left + size]
            for i, top, left in zip(chosen.tolist(), tops.tolist(), lefts.tolist(), strict=True)
        ]
        return to_image(torch.stack(crops)).to(self.device)


def to_image(pixels: Tensor) -> Image:
    """uint8 pixels 0 to 255 as an image in [-1, 1]."""
    return pixels.float() / 127.5 - 1.0
