"""Looking at finished pictures with the model's safety checker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image as PILImage

from inkbloom.checkpoints.safety import has_safety_checker, load_safety_checker
from inkbloom.core.errors import RequestError
from inkbloom.models.safety import SafetyChecker
from inkbloom.pipelines.control.hints import clip_image


class Safety:
    """The checker of one model, read when it is first needed."""

    def __init__(self, model: Path, device: torch.device) -> None:
        self._model, self._device = model, device
        self._checker: SafetyChecker | None = None

    def require(self) -> None:
        """`RequestError` where the model's folder has no checker."""
        if not has_safety_checker(self._model):
            raise RequestError(
                f'safety_checker: "{self._model.name}" has none; only diffusers folders with a part safety_checker do.'
            )

    @torch.no_grad()
    def unsafe(self, pictures: Sequence[PILImage.Image]) -> list[bool]:
        """For each picture whether it shows a concept of the checker. `CheckpointError` where that cannot be read."""
        self.require()
        if self._checker is None:
            self._checker = load_safety_checker(self._model).to(self._device)
        side = self._checker.vision.spec.image_size
        images = torch.cat([clip_image(picture, side) for picture in pictures])
        return (self._checker(images.to(self._device)) > 0).any(dim=1).tolist()
