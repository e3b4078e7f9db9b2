"""The diffusion objective: what is noised how, what the network should say, and how much its errors count.

Loss of an example = sum over places and channels of mask * rho(output - target), over their number, times the weight of
its time step and of the example. rho is the square or a gentler function; the target is eps, v or x0. SNR(t) =
alpha-bar_t / (1 - alpha-bar_t).
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch

from inkbloom.core.errors import TrainingError
from inkbloom.core.types import Float, Latent, Tensor
from inkbloom.families.spec import ModelSpec
from inkbloom.sampling.prediction import Prediction, target
from inkbloom.sampling.schedules import NoiseSchedule
from inkbloom.training.batches import Batch
from inkbloom.training.noising import Noised, NoisingSettings, check_choice, check_range, noised

Loss = Literal["l2", "l1", "huber", "smooth_l1"]
HuberSchedule = Literal["constant", "exponential", "snr"]

_MOST_SNR = 1000.0
"""A larger SNR counts as this in weights that would divide by it, as in kohya's trainer."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveSettings(NoisingSettings):
    """`TrainingError` where a value is outside its range, or does not go with another."""

    prediction: Prediction | None = None
    """What the model learns to predict: epsilon, v_prediction or sample. None: what its base predicts."""
    zero_terminal_snr: bool = False
    """Change the noise schedule so that its last step is pure noise; for v_prediction or sample. Pictures may then be
    wholly dark or bright."""
    loss: Loss = "l2"
    """l2 (squares), l1, or huber and smooth_l1, which are squares for small errors and straight for large ones."""
    huber_schedule: HuberSchedule = "snr"
    """How the border between small and large errors changes with the time step, for huber and smooth_l1."""
    huber_c: float = 0.1
    """The border between small and large errors, at the noisiest time step where huber_schedule is not constant."""
    huber_scale: float = 1.0
    """Multiplies the border, for the schedules constant and exponential."""
    min_snr_gamma: float | None = None
    """Weigh nearly clean time steps less: their signal-to-noise ratio counts as at most this; 5 is usual."""
    soft_min_snr_gamma: float | None = None
    """The same without a bend; 4 or 5 is usual."""
    debiased_estimation: bool = False
    """Weigh noisy time steps more, for epsilon by 1 / sqrt(SNR), for v_prediction by 1 / (SNR + 1)."""
    scale_v_loss: bool = False
    """For v_prediction: weigh time steps as a model that predicts epsilon does."""
    v_like_loss: float = 0.0
    """For epsilon: adds so many times the loss weighed as v_prediction's; 0 is off."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prediction is not None:
            check_choice("prediction", self.prediction, Prediction)
        check_choice("loss", self.loss, Loss)
        check_choice("huber_schedule", self.huber_schedule, HuberSchedule)
        check_range("huber_c", self.huber_c, 0, 1, above=True)
        check_range("huber_scale", self.huber_scale, above=True)
        for name in ("min_snr_gamma", "soft_min_snr_gamma"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), above=True)
        if self.min_snr_gamma is not None and self.soft_min_snr_gamma is not None:
            raise TrainingError("min_snr_gamma and soft_min_snr_gamma are two forms of one weight; give one of them.")
        check_range("v_like_loss", self.v_like_loss)


class Objective:
    """The objective of one model."""

    def __init__(self, settings: ObjectiveSettings, spec: ModelSpec) -> None:
        """`TrainingError` where a setting does not go with what the model predicts, or with its noise schedule."""
        self.settings = settings
        self.spec = _trained_spec(settings, spec)
        """What the trained model is; differs from its base's where the settings change prediction or noise schedule."""
        self.noise_schedule: NoiseSchedule = self.spec.noise_schedule.build()
        self.prediction: Prediction = self.spec.prediction
        settings.timestep_range(self.noise_schedule.timesteps)
        self.time_weights = time_weights(settings, self.prediction, self.noise_schedule)
        self._borders = huber_borders(settings, self.noise_schedule)

    def noised(self, batch: Batch, seed: int) -> Noised:
        """The batch's latents with their noise, on the CPU; the same call gives the same."""
        return noised(batch, self.settings, self.noise_schedule, seed)

    def target(self, noised: Noised) -> Latent:
        """What the network should say."""
        return target(self.prediction, noised.x0, noised.noise, self.noise_schedule.alphas_cumprod[noised.t])

    def losses(
        self,
        output: Latent,
        noised: Noised,
        masks: Float[Tensor, "batch 1 latent_height latent_width"] | None = None,
        weights: Float[Tensor, "batch"] | None = None,
    ) -> Float[Tensor, "batch"]:
        """Each example's loss, float32; `masks` weigh places, `weights` examples. All on the device of `output`."""
        error = output.float() - self.target(noised)
        match self.settings.loss:
            case "l2":
                values = error.square()
            case "l1":
                values = error.abs()
            case "huber" | "smooth_l1":
                c = self._borders[noised.t].to(error)[:, None, None, None]
                values = 2 * ((error.square() + c.square()).sqrt() - c)
                values = values * c if self.settings.loss == "huber" else values
        if masks is not None:
            values = values * masks
        losses = values.mean((1, 2, 3)) * self.time_weights[noised.t].to(error)
        return losses if weights is None else losses * weights


def time_weights(settings: ObjectiveSettings, prediction: Prediction, schedule: NoiseSchedule) -> Float[Tensor, "T"]:
    """How much each time step counts, float64: the product of the weights that the settings ask for, 1 without any.

    min-SNR (Hang et al. 2023, Section 3.4): min(SNR, gamma) on the squared error of x0, which is that of eps / SNR and
    that of v / (SNR + 1). soft-min-SNR (Crowson et al. 2024): SNR gamma / (SNR + gamma) for min(SNR, gamma). debiased
    (Yu et al. 2023, Eq. 13): 1 / sqrt(SNR) for eps; 1 / (SNR + 1) for v, as in kohya's trainer, whose are these too:
    scale_v SNR / (SNR + 1), v_like 1 + v_like_loss (SNR + 1) / SNR. In the last three SNR counts as at most 1000.
    """
    snr = schedule.alphas_cumprod / (1 - schedule.alphas_cumprod)
    of_x0 = {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}[prediction]
    weights = torch.ones_like(snr)
    if (gamma := settings.min_snr_gamma) is not None:
        weights = snr.clamp(max=gamma) / of_x0
    if (gamma := settings.soft_min_snr_gamma) is not None:
        weights = snr * gamma / (snr + gamma) / of_x0
    capped = snr.clamp(max=_MOST_SNR)
    if settings.scale_v_loss:
        _require(prediction, ("v_prediction",), "scale_v_loss")
        weights = weights * capped / (capped + 1)
    if settings.v_like_loss:
        _require(prediction, ("epsilon",), "v_like_loss")
        weights = weights * (1 + settings.v_like_loss * (capped + 1) / capped)
    if settings.debiased_estimation:
        _require(prediction, ("epsilon", "v_prediction"), "debiased_estimation")
        weights = weights / (capped.sqrt() if prediction == "epsilon" else capped + 1)
    return weights


def huber_borders(settings: ObjectiveSettings, schedule: NoiseSchedule) -> Float[Tensor, "T"]:
    """c for each time step, float64, in huber = 2 c (sqrt(e^2 + c^2) - c) and smooth_l1 = huber / c.

    constant: huber_c scale. exponential: huber_c^(t / T) scale. snr: (1 - huber_c) / (1 + sigma_t)^2 + huber_c (Khrapov
    et al. 2024).
    """
    c, scale = settings.huber_c, settings.huber_scale
    t = torch.arange(schedule.timesteps, dtype=torch.float64)
    match settings.huber_schedule:
        case "constant":
            return torch.full_like(t, c * scale)
        case "exponential":
            return torch.exp(math.log(c) / schedule.timesteps * t) * scale
        case "snr":
            return (1 - c) / (1 + schedule.sigmas) ** 2 + c


def _trained_spec(settings: ObjectiveSettings, spec: ModelSpec) -> ModelSpec:
    prediction = settings.prediction or spec.prediction
    if settings.zero_terminal_snr and not spec.noise_schedule.zero_terminal_snr:
        spec = replace(
            spec,
            noise_schedule=replace(spec.noise_schedule, zero_terminal_snr=True),
            # The other spacings never visit the last time step, which is what this is about (Lin et al. 2023)
            default_schedule="trailing",
        )
    if prediction == "epsilon" and spec.noise_schedule.zero_terminal_snr:
        raise TrainingError(
            "zero_terminal_snr does not go with the prediction epsilon: in pure noise it says nothing of the picture. "
            "Set prediction to v_prediction or sample."
        )
    return replace(spec, prediction=prediction)


def _require(prediction: Prediction, allowed: tuple[Prediction, ...], name: str) -> None:
    if prediction not in allowed:
        raise TrainingError(f"{name} is for the prediction {' or '.join(allowed)}; this model's is {prediction}.")
