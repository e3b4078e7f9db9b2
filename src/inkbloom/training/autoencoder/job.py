"""The job of training an autoencoder: two trainees by turns, each with an optimizer of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkbloom.checkpoints.autoencoders import save_autoencoder
from inkbloom.core.errors import TrainingError
from inkbloom.core.similarity import psnr, ssim
from inkbloom.core.types import Image, Latent
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.models.vq import VQModel
from inkbloom.training.autoencoder.objective import Adversary, Reconstruction
from inkbloom.training.autoencoder.perceptual import choose_perceptual
from inkbloom.training.autoencoder.settings import AutoencoderSettings
from inkbloom.training.batches import Batch, Batches
from inkbloom.training.denoising import checkpoint_blocks
from inkbloom.training.job import TraineeJob
from inkbloom.training.learner import Learner
from inkbloom.training.loop import RunSettings
from inkbloom.training.optimizers import OptimizerSettings, build_optimizer
from inkbloom.training.world import World

_ADVERSARY_BETAS = (0.5, 0.9)
"""Little memory, since what it judges changes under it; those of the released training code."""
_WHITE = 2.0
"""The distance from black to white in images."""
_SCALE_PICTURES = 64


class AutoencoderJob(TraineeJob):
    """Trains `model` on the pixels of `batches`; measured on those that `held_out` gives, each time it is called.

    A step is one of the autoencoder, then, from `adversary_start` on, one of the adversary on the same reconstructions.
    Only the autoencoder has an average. "loss" is its whole objective.
    """

    def __init__(
        self,
        model: AutoencoderKL | VQModel,
        batches: Batches,
        settings: AutoencoderSettings,
        optimizer: OptimizerSettings,
        run: RunSettings,
        *,
        held_out: Callable[[], Iterable[Batch]],
        world: World | None = None,
    ) -> None:
        """`TrainingError` where the strategy is fsdp, the batch too small to split, or `model` not of the settings'
        kind; as `open_lpips` raises."""
        if world is not None and world.sharded:
            raise TrainingError('An autoencoder with its adversary is not sharded; take the strategy "ddp".')
        kind = "vq" if isinstance(model, VQModel) else "kl"
        if settings.latent_kind != kind:
            raise TrainingError(f'latent_kind is "{settings.latent_kind}"; this autoencoder\'s is "{kind}".')
        if run.gradient_checkpointing:
            checkpoint_blocks(model)
        self.model, self.settings, self.held_out = model, settings, held_out
        self.device = model.decoder.conv_out.weight.device
        self.perceptual = choose_perceptual(settings, self.device)
        self.reconstruction = Reconstruction(model.requires_grad_(), self.perceptual, settings, seed=run.seed)
        learner = Learner(
            model,
            build_optimizer(self.reconstruction.groups(), optimizer),
            run.ema_decay,
            max_grad_norm=optimizer.max_grad_norm,
            precision=run.precision,
        )
        super().__init__(
            "autoencoder",
            self.reconstruction,
            batches,
            learner,
            evaluation=self._measure,
            accumulation=run.accumulation,
            seed=run.seed,
            world=world,
        )
        self.adversary: Adversary | None = None
        if settings.adversary_weight > 0:
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(run.seed)
                self.adversary = Adversary(settings).to(self.device)
            rate = (settings.adversary_learning_rate or optimizer.learning_rate) / optimizer.learning_rate
            groups = [{"params": group.parameters, "rate": rate} for group in self.adversary.groups()]
            adam = torch.optim.AdamW(groups, lr=0.0, betas=_ADVERSARY_BETAS, weight_decay=0.0, fused=True)
            self.adversary_learner = Learner(
                self.adversary.trained, adam, 0.0, max_grad_norm=optimizer.max_grad_norm, precision=run.precision
            )
            self._judge = self.world.replicated(self.adversary)

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        begun = self.adversary is not None and step >= self.settings.adversary_start
        self.reconstruction.begin(self.adversary.trained if self.adversary and begun else None)
        metrics = super().train_step(step, learning_rate)
        if begun:
            judged: list[Tensor] = []
            self.adversary_learner.learn(self._adversary_losses(judged), learning_rate)
            total = sum(each.sum().item() for each in judged) / self.examples_per_step
            metrics |= self.world.total({"adversary_loss": total})
        return metrics

    @torch.no_grad()
    def save(
        self,
        path: str | Path,
        *,
        size: int,
        metadata: Mapping[str, str] | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Write the averaged autoencoder as `save_autoencoder` does, for pictures of `size` pixels.

        Its latent scale is 1 over the standard deviation of the latents (their means) of the first 64 pictures, as in
        Rombach et al. 2022, appendix D.1. The metadata says which perceptual loss ran.
        """
        steps = range(-(-_SCALE_PICTURES // self.examples_per_step))
        with self.shown():
            pictures = (_pixels(self.batches.batch(step, rows)) for step in steps for rows in self.parts)
            latents = torch.cat([self._encode(each).flatten().cpu() for each in pictures])
            facts = {"inkbloom.perceptual_loss": self.perceptual.name} | dict(metadata or {})
            scale = 1 / latents.std().item()
            save_autoencoder(path, self.model, latent_scale=scale, size=size, dtype=dtype, metadata=facts)

    def state_dict(self) -> dict[str, Any]:
        adversary = {"adversary": self.adversary_learner.state_dict()} if self.adversary else {}
        return super().state_dict() | adversary

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if self.adversary:
            self.adversary_learner.load_state_dict(state["adversary"])

    @torch.no_grad()
    def _measure(self) -> dict[str, float]:
        """Mean PSNR in dB, SSIM and perceptual distance of the reconstructions of the held-out pictures."""
        values: dict[str, list[Tensor]] = defaultdict(list)
        for batch in self.held_out():
            target = _pixels(batch).to(self.device)
            with self.learner.autocast():
                picture = self.model.decode(self._encode(target))
            picture = picture.float().clamp(-1, 1)
            values["psnr"].append(psnr(picture, target, _WHITE))
            values["ssim"].append(ssim(picture, target, _WHITE))
            values[f"held_out_{self.perceptual.name}"].append(self.perceptual.loss(picture, target))
        return {name: torch.cat(value).mean().item() for name, value in values.items()}

    def _encode(self, image: Image) -> Latent:
        """Latents before a codebook, or their means."""
        encoded = self.model.encode(image.to(self.device))
        return encoded if isinstance(encoded, Tensor) else encoded.mean

    def _adversary_losses(self, judged: list[Tensor]) -> Iterator[Tensor]:
        pairs = self.reconstruction.pairs
        for i, (true, made) in enumerate(pairs):
            with self.world.synchronising(self._judge, i == len(pairs) - 1):
                with self.adversary_learner.autocast():
                    each = self._judge(true, made)
                judged.append(each.detach())
                yield each.sum() * (self.world.size / self.examples_per_step)


def _pixels(batch: Batch) -> Image:
    assert batch.pixels is not None, "the data set of an autoencoder's training has pixels"
    return batch.pixels
