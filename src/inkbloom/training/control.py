"""Training a ControlNet: the diffusion objective with the U-Net frozen and a copy of its way down learning (Zhang et
al. 2023, section 3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.control import load_controlnet, save_controlnet, save_controlnet_folder
from inkbloom.core.errors import TrainingError
from inkbloom.core.types import Conditioning, Int, Latent, Tensor
from inkbloom.models.controlnet import ControlNet, ControlNetSpec
from inkbloom.training.batches import Batch
from inkbloom.training.denoising import ConditioningSettings, Denoising
from inkbloom.training.objective import Objective
from inkbloom.training.optimizers import Group


@dataclass(frozen=True, kw_only=True)
class ControlNetSettings:
    """`TrainingError` where a value is outside its range."""

    control_init: Path | None = None
    """A ControlNet to train on, a file or a diffusers folder. None: a copy of the model's own U-Net."""
    hint_channels: tuple[int, ...] = (16, 32, 96, 256)
    """For a new one: the widths of what reads the hint; each after the first halves the resolution, so that there are
    four of them for an autoencoder that shrinks by 8."""

    def __post_init__(self) -> None:
        if not self.hint_channels or min(self.hint_channels) < 1:
            raise TrainingError(f"hint_channels is {self.hint_channels}; it must be whole numbers above 0.")


class ControlNetTraining(Denoising):
    """Trains a ControlNet, in float32, on `Batch.hints`; the model stays as it is."""

    def __init__(
        self,
        model: LoadedModel,
        objective: Objective,
        settings: ControlNetSettings | None = None,
        conditioning: ConditioningSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        """Takes the networks of `model` over. `seed` is also of a new hint encoder's weights.

        `TrainingError` for hint channels that do not suit the autoencoder; `CheckpointError` for a `control_init` that
        cannot be read or is for another model.
        """
        super().__init__(model, objective, conditioning, seed=seed)
        settings = settings or ControlNetSettings()
        if settings.control_init is not None:
            control = load_controlnet(settings.control_init, model.spec, unet=self.unet, dtype=torch.float32)
        else:
            spec = ControlNetSpec(unet=model.spec.unet, hint_channels=settings.hint_channels)
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(seed)
                control = ControlNet.copy_of(self.unet, spec)
        downscale = model.spec.autoencoder.downscale
        if control.control_spec.downscale != downscale:
            raise TrainingError(
                f"hint_channels {control.control_spec.hint_channels} shrink a picture by "
                f"{control.control_spec.downscale}, the autoencoder of {model.name} by {downscale}."
            )
        self.trained = self.control = control.to(self.device, torch.float32).requires_grad_(True)

    def predict(self, noised: Latent, t: Int[Tensor, "batch"], conditioning: Conditioning, batch: Batch) -> Latent:
        """`TrainingError` for a batch without hints, or with hints of another size than its pictures."""
        hints = batch.hints
        wanted = [side * self.control.control_spec.downscale for side in noised.shape[2:]]
        if hints is None or list(hints.shape[2:]) != wanted:
            found = "it has none" if hints is None else f"they are {hints.shape[3]} x {hints.shape[2]}"
            raise TrainingError(
                f"A ControlNet is trained on pictures with hints of {wanted[1]} x {wanted[0]} pixels; {found}."
            )
        steering = self.control(noised.float(), t, conditioning.float(), hints.to(self.device, torch.float32))
        return self.unet(noised, t, conditioning, steering.to(noised.dtype))

    def groups(self) -> list[Group]:
        return [Group(name="control", parameters=list(self.control.parameters()))]


def save_control(
    path: str | Path,
    trainee: ControlNetTraining,
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype | None = torch.float16,
) -> None:
    """Write the ControlNet as it is now: a `.safetensors` file in the original layout, else a diffusers folder.

    The average's weights are written where they are in the network, as within `averaged`. Written aside, then renamed.
    Raises `OutputError` where it cannot be written, `RequestError` for another ending or dtype.
    """
    save = save_controlnet if Path(path).suffix else save_controlnet_folder
    save(path, trainee.control, dtype=dtype, metadata=metadata)
