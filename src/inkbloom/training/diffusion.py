"""Training the U-Net, and the text encoder with it, on cached latents (Ho et al. 2020, Eq. 14; Ho & Salimans 2022)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inkbloom.core.types import Latent, TokenIds
from inkbloom.models.clip_text import ClipText
from inkbloom.models.unet import UNet
from inkbloom.sampling.prediction import Prediction
from inkbloom.sampling.process import add_noise, simple_loss
from inkbloom.sampling.schedules import NoiseSchedule
from inkbloom.training.ema import Ema, averaged


@dataclass(frozen=True, kw_only=True)
class DiffusionSettings:
    batch_size: int = 16
    empty_captions: float = 0.1
    """Part of the captions left out, so that the model also learns the unconditional estimate that guidance needs."""
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    seed: int = 0


Captions = Callable[[list[int], int], TokenIds]
"""(indices of latents, step) -> their token ids; captions may change from step to step."""


class DiffusionJob:
    """Trains on `latents` (scaled, on the CPU) with `captions`; measured on `held_out` latents and their token ids."""

    name = "diffusion"

    def __init__(
        self,
        unet: UNet,
        text: ClipText,
        noise_schedule: NoiseSchedule,
        prediction: Prediction,
        *,
        latents: Latent,
        captions: Captions,
        empty: TokenIds,
        held_out: tuple[Latent, TokenIds],
        settings: DiffusionSettings,
    ) -> None:
        self.networks = nn.ModuleDict({"unet": unet, "text": text})
        self.prediction: Prediction = prediction
        self.device = next(unet.parameters()).device
        self.noise_schedule = noise_schedule
        self.latents, self.captions, self.empty, self.held_out = latents, captions, empty, held_out
        self.settings = settings
        self.optimizer = torch.optim.AdamW(
            self.networks.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=settings.weight_decay, fused=True
        )
        self.ema = Ema(self.networks, settings.ema_decay)

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        size = self.settings.batch_size
        chosen = torch.randint(len(self.latents), (size,), generator=generator)
        ids = self.captions(chosen.tolist(), step)
        ids[torch.rand(size, generator=generator) < self.settings.empty_captions] = self.empty
        noise = torch.randn(self.latents[chosen].shape, generator=generator)
        # One draw from each of `size` equal parts of the time steps: the same mean as independent draws, less variance.
        parts = torch.randperm(size, generator=generator) + torch.rand(size, generator=generator)
        t = (parts * (self.noise_schedule.timesteps / size)).long()

        loss = self._losses(self.latents[chosen], noise, t, ids).mean()
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.networks.parameters(), 1.0)
        self.optimizer.step()
        self.ema.update(self.networks)
        return {"loss": loss.item(), "gradient_norm": norm.item()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Loss on the held-out latents by the averaged weights, at fixed time steps with fixed noise."""
        latents, ids = self.held_out
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
        t = ((torch.arange(len(latents)) + 0.5) * (self.noise_schedule.timesteps / len(latents))).long()
        with averaged(self.networks, self.ema):
            losses = [
                self._losses(*chunk)
                for chunk in zip(*(tensor.split(32) for tensor in (latents, noise, t, ids)), strict=True)
            ]
        return {"held_out_loss": torch.cat(losses).mean().item()}

    def state_dict(self) -> dict[str, Any]:
        return {
            "networks": self.networks.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.networks.load_state_dict(state["networks"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _losses(self, latents: Latent, noise: Latent, t: Tensor, ids: TokenIds) -> Tensor:
        """Mean squared error of the prediction, one value a picture."""
        latents, noise, ids = (tensor.to(self.device) for tensor in (latents, noise, ids))
        noised = add_noise(latents, noise, t, self.noise_schedule)
        with torch.autocast(self.device.type, torch.bfloat16):
            predicted = self.networks["unet"](noised, t.to(self.device), self.networks["text"](ids))
        return simple_loss(predicted.float(), latents, noise, t, self.noise_schedule, self.prediction)
