"""Training the U-Net on cached latents (Ho et al. 2020, Eq. 14; Ho and Salimans 2022); the text encoder is frozen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inkbloom.core.types import Float, Latent, TokenIds
from inkbloom.models.clip_text import ClipText
from inkbloom.models.unet import UNet
from inkbloom.sampling.prediction import Prediction, target
from inkbloom.sampling.process import add_noise
from inkbloom.sampling.schedules import NoiseSchedule
from inkbloom.training.ema import averaged
from inkbloom.training.learner import Learner


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


Weights = Float[Tensor, "latents 1 latent_height latent_width"]
"""How much each place of each latent counts in the loss. Where what the caption says decides them, they change how fast
the places are learned and not what is learned."""


@dataclass(frozen=True, kw_only=True)
class LatentData:
    latents: Latent
    """Scaled, on the CPU."""
    captions: Captions
    empty: TokenIds
    """The tokens of the empty caption (1, tokens)."""
    weights: Weights | None = None
    """None: all places count alike."""


class DiffusionJob:
    """Trains on `data`; measured on `held_out`, scaled latents and their token ids."""

    name = "diffusion"

    def __init__(
        self,
        unet: UNet,
        text: ClipText,
        noise_schedule: NoiseSchedule,
        prediction: Prediction,
        *,
        data: LatentData,
        held_out: tuple[Latent, TokenIds],
        settings: DiffusionSettings,
    ) -> None:
        self.unet, self.text = unet, text.requires_grad_(False)
        self.noise_schedule = noise_schedule
        self.prediction: Prediction = prediction
        self.device = unet.conv_in.weight.device
        self.data, self.held_out, self.settings = data, held_out, settings
        optimizer = torch.optim.AdamW(
            unet.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=settings.weight_decay, fused=True
        )
        self.learner = Learner(unet, optimizer, settings.ema_decay)

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        data, size = self.data, self.settings.batch_size
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        chosen = torch.randint(len(data.latents), (size,), generator=generator)
        ids = data.captions(chosen.tolist(), step)
        ids[torch.rand(size, generator=generator) < self.settings.empty_captions] = data.empty
        noise = torch.randn(data.latents[chosen].shape, generator=generator)
        # One draw from each of `size` equal parts of the time steps: the same mean as independent draws, less variance.
        parts = torch.randperm(size, generator=generator) + torch.rand(size, generator=generator)
        t = (parts * (self.noise_schedule.timesteps / size)).long()

        errors = self._errors(data.latents[chosen], noise, t, ids)
        if data.weights is not None:
            weights = data.weights[chosen].to(self.device)
            errors = errors * (weights / weights.mean())
        loss = errors.mean()
        norm = self.learner.learn(loss, learning_rate)
        return {"loss": loss.item(), "gradient_norm": norm}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Unweighted loss on the held-out latents by the averaged weights, at fixed time steps with fixed noise."""
        latents, ids = self.held_out
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
        t = ((torch.arange(len(latents)) + 0.5) * (self.noise_schedule.timesteps / len(latents))).long()
        with averaged(self.unet, self.learner.ema):
            errors = [
                self._errors(*chunk)
                for chunk in zip(*(tensor.split(32) for tensor in (latents, noise, t, ids)), strict=True)
            ]
        return {"held_out_loss": torch.cat(errors).mean().item()}

    def state_dict(self) -> dict[str, Any]:
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)

    def _errors(self, latents: Latent, noise: Latent, t: Tensor, ids: TokenIds) -> Latent:
        """Squared errors of the prediction; `t` stays on the CPU."""
        latents, noise, ids = (tensor.to(self.device) for tensor in (latents, noise, ids))
        noised = add_noise(latents, noise, t, self.noise_schedule)
        with torch.autocast(self.device.type, torch.bfloat16):
            with torch.no_grad():
                conditioning = self.text(ids)
            predicted = self.unet(noised, t.to(self.device), conditioning)
        wanted = target(self.prediction, latents, noise, self.noise_schedule.alphas_cumprod[t])
        return (predicted.float() - wanted).square()
