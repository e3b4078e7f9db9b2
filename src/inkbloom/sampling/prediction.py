"""What a network predicts (eps, velocity or x0), and the only place where one is turned into another.

Words, beyond those of `denoiser.py`: `output` is what the network returns; x / sqrt(1 + sigma^2) is the latent in the
variance-preserving frame, which the networks were trained on; velocity is v = sqrt(alpha-bar) noise
- sqrt(1 - alpha-bar) x0 (Salimans and Ho 2022, Appendix D).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Conditioning, Float, Latent, Tensor
from inkbloom.sampling.schedules import NoiseSchedule

Prediction = Literal["epsilon", "v_prediction", "sample"]
"""The noise, the velocity, or x0. The names are on disk, as diffusers writes them."""


class Model(Protocol):
    """A network, or a function around one."""

    def __call__(self, x: Latent, t: Float[Tensor, "batch"], conditioning: Conditioning, /) -> Latent:
        """Predict from `x` (variance-preserving frame, unit variance) at time steps `t`, which may be fractional."""
        ...


class Controls(Protocol):
    """What steers a network besides its conditioning: `control.Controlled`."""

    def at(self, sigma: float, prompted: Float[Tensor, "batch 1 1 1"], /) -> Model:
        """The network as steered at a noise level; `prompted` is 1 for rows under the prompt, 0 for others."""
        ...


def check_prediction(prediction: str) -> None:
    """`RequestError` unless it is a `Prediction`."""
    if prediction not in get_args(Prediction):
        raise RequestError(f'Unknown prediction "{prediction}".{nearest(prediction, get_args(Prediction))}')


def to_denoised(prediction: Prediction, output: Latent, x: Latent, sigma: float) -> Latent:
    """The estimate of x0 that `output` stands for, with x = x0 + sigma * noise.

    epsilon: x - sigma * output.  v_prediction: x / (1 + sigma^2) - output * sigma / sqrt(1 + sigma^2), which but for
    the output's sign is EDM's with unit data variance (Karras et al. 2022, Table 1).  sample: output.
    """
    match prediction:
        case "epsilon":
            return x - sigma * output
        case "v_prediction":
            return x / (1 + sigma**2) - output * (sigma / math.sqrt(1 + sigma**2))
        case "sample":
            return output


def from_denoised(prediction: Prediction, denoised: Latent, x: Latent, sigma: float) -> Latent:
    """What the network must have said for `denoised` to come out: the inverse of `to_denoised`, sigma > 0."""
    match prediction:
        case "epsilon":
            return (x - denoised) / sigma
        case "v_prediction":
            return (x / (1 + sigma**2) - denoised) * (math.sqrt(1 + sigma**2) / sigma)
        case "sample":
            return denoised


def target(prediction: Prediction, x0: Latent, noise: Latent, alpha_bar: Float[Tensor, "batch"]) -> Latent:
    """What the network should say of sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise; `alpha_bar` in [0, 1]."""
    match prediction:
        case "epsilon":
            return noise
        case "v_prediction":
            # The roots before the cast: 1 - alpha_bar would lose half its digits in float32
            signal, spread = (part.sqrt().to(x0)[:, None, None, None] for part in (alpha_bar, 1 - alpha_bar))
            return signal * noise - spread * x0
        case "sample":
            return x0


@dataclass(frozen=True)
class ModelDenoiser:
    """A network as an estimate of x0 in the variance-exploding frame; a `Denoiser` but for the conditioning it wants.

    The network is given x / sqrt(1 + sigma^2) in `dtype` (None: that of x) and sigma's fractional time step in float32.
    Everything else is in x's precision, but at least float32.
    """

    model: Model
    noise_schedule: NoiseSchedule
    prediction: Prediction
    dtype: torch.dtype | None = None
    batched: bool = True
    """Ask for several conditionings in one model call. False needs less memory: one call for each."""
    controls: Controls | None = None
    """Answers in place of `model`, which it has inside."""

    def __post_init__(self) -> None:
        check_prediction(self.prediction)

    def outputs(
        self, x: Latent, sigma: float, conditionings: Sequence[Conditioning], *, num_unprompted: int = 0
    ) -> Sequence[Latent]:
        """The network's answer under each conditioning; each is for the whole batch, or for 1 and then used for all.

        The first `num_unprompted` are no prompts, for the controls that act under prompts only. One model call if
        `batched` and all have the same number of tokens, else one for each.
        """
        precision = torch.promote_types(x.dtype, torch.float32)
        x = (x.to(precision) / math.sqrt(1 + sigma**2)).to(self.dtype or x.dtype)
        t = torch.full((len(x),), self.noise_schedule.t(sigma), dtype=torch.float32, device=x.device)
        expanded = [conditioning.expand(len(x), -1, -1) for conditioning in conditionings]
        count = len(expanded)
        prompted = (torch.arange(count, device=x.device) >= num_unprompted).to(x.dtype)[:, None, None, None]
        if self.batched and len({conditioning.shape for conditioning in expanded}) == 1:
            model = self._model(sigma, prompted.repeat_interleave(len(x), dim=0))
            joined = model(x.repeat(count, 1, 1, 1), t.repeat(count), torch.cat(expanded))
            return joined.to(precision).chunk(count)
        return [
            self._model(sigma, row.expand(len(x), 1, 1, 1))(x, t, conditioning).to(precision)
            for row, conditioning in zip(prompted, expanded, strict=True)
        ]

    def _model(self, sigma: float, prompted: Float[Tensor, "batch 1 1 1"]) -> Model:
        return self.model if self.controls is None else self.controls.at(sigma, prompted)

    def denoised(self, output: Latent, x: Latent, sigma: float) -> Latent:
        """x0 from the network's answer at (x, sigma)."""
        return to_denoised(self.prediction, output, x.to(output.dtype), sigma)

    def __call__(self, x: Latent, sigma: float, conditioning: Conditioning) -> Latent:
        """The estimate of x0 under one conditioning. One model call; `x` is not changed."""
        (output,) = self.outputs(x, sigma, [conditioning])
        return self.denoised(output, x, sigma)
