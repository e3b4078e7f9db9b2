"""Training of hypernetworks: small networks in front of the U-Net's keys and values learn, and nothing else."""

from __future__ import annotations

import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import TrainingError
from inkbloom.models.hypernetwork import Hypernetwork, draw_weights, widths
from inkbloom.training.adapters.settings import HypernetworkSettings
from inkbloom.training.denoising import ConditioningSettings, Denoising
from inkbloom.training.objective import Objective
from inkbloom.training.optimizers import Group


class HypernetworkTraining(Denoising):
    """Trains a hypernetwork, float32, at strength 1."""

    trained: Hypernetwork

    def __init__(
        self,
        model: LoadedModel,
        objective: Objective,
        settings: HypernetworkSettings,
        conditioning: ConditioningSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        """Takes the networks of `model` over, which stay as they are; `detach` frees the U-Net.

        `TrainingError` for a size that the model's attention has not.
        """
        super().__init__(model, objective, conditioning, seed=seed)
        known = widths(self.unet)
        for size in settings.hypernetwork_sizes:
            if size not in known:
                allowed = ", ".join(map(str, known))
                raise TrainingError(
                    f"hypernetwork_sizes: this model's attention has no width {size}; it has {allowed}."
                )
        self.trained = Hypernetwork(settings.spec(settings.hypernetwork_sizes or known))
        draw_weights(self.trained, torch.Generator().manual_seed(seed))
        self.trained.to(self.device)
        self._hooks = self.trained.attach(self.unet)

    def groups(self) -> list[Group]:
        """One group, "unet"."""
        return [Group(name="unet", parameters=list(self.trained.parameters()))]

    def detach(self) -> None:
        """Take the hypernetwork from the U-Net, which is then as it was."""
        for hook in self._hooks:
            hook.remove()
