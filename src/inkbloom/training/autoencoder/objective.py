"""The autoencoder's objective (Rombach et al. 2022, Eq. 25; Esser et al. 2021, Eqs. 4 to 7), as two trainees.

For a picture x and its reconstruction r, all terms as means over the picture's values:

    L = pixel_weight |x - r| + perceptual_weight P(r, x) + regularisation - lambda mean D(r)

    kl    regularisation = kl_weight KL(q(z|x) || N(0, 1)) / (number of the picture's values)
    vq    regularisation = codebook_weight (mean (sg[z] - code)^2 + commitment mean (z - sg[code])^2)
    lambda = adversary_weight adversary_factor |grad_w(first two terms)| / (|grad_w mean D(r)| + 1e-4), w the weights
             of the decoder's last layer, so that the adversary pulls there as hard as the reconstruction does
    D learns adversary_factor / 2 (mean max(0, 1 - D(x)) + mean max(0, 1 + D(r)))
"""

import torch
from torch import Tensor, nn

from inkbloom.core.errors import TrainingError
from inkbloom.core.similarity import SSIM_WINDOW
from inkbloom.core.types import Float, Image
from inkbloom.models.autoencoder import AutoencoderKL, LatentDistribution
from inkbloom.models.discriminator import PatchDiscriminator, hinge_loss, smallest_side
from inkbloom.models.vq import VQModel, perplexity
from inkbloom.training.autoencoder.perceptual import Perceptual
from inkbloom.training.autoencoder.settings import AutoencoderSettings
from inkbloom.training.batches import Batch, row_generator
from inkbloom.training.optimizers import Group

_LATENT_NOISE = 9
"""A purpose of `row_generator`, beside those in `training.noising`."""
_LARGEST_WEIGHT = 1e4
_LITTLE = 1e-4


class Reconstruction(nn.Module):
    """The autoencoder as a trainee; where there is an adversary, its pictures are to deceive that too.

    Until the next `begin`, `pairs` gathers what the adversary learns from: true pictures and made ones, micro-batch
    after micro-batch. `metrics` tells the terms of the last call apart.
    """

    def __init__(
        self, model: AutoencoderKL | VQModel, perceptual: Perceptual, settings: AutoencoderSettings, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.trained = model
        self.perceptual, self.settings, self.seed = perceptual, settings, seed
        judged_side = smallest_side(settings.adversary_layers) if settings.adversary_weight > 0 else 1
        self.smallest = max(SSIM_WINDOW, perceptual.smallest, judged_side)
        self.metrics: dict[str, float] = {}
        self.begin(None)

    def begin(self, adversary: PatchDiscriminator | None) -> None:
        """A new step, with this adversary or with none."""
        self.pairs: list[tuple[Image, Image]] = []
        # In a tuple, so that its weights are none of this module's
        self._adversary = (adversary,)

    def groups(self) -> list[Group]:
        return [Group(name="autoencoder", parameters=list(self.trained.parameters()))]

    def forward(self, batch: Batch) -> Float[Tensor, "batch"]:
        """Each picture's loss. lambda is that of the pictures in this call: of a micro-batch, in one process."""
        settings = self.settings
        target = self._pixels(batch)
        weights = torch.ones(len(target)) if batch.weights is None else batch.weights
        weights = weights.to(target.device)

        # Reconstruction
        picture, regularisation, facts = self._reconstruct(target, batch)
        pixel = (picture - target).abs().mean(dim=(1, 2, 3))
        perceived = self.perceptual.loss(picture, target)
        errors = settings.pixel_weight * pixel + settings.perceptual_weight * perceived
        loss = errors + regularisation
        facts |= {"pixel": pixel, self.perceptual.name: perceived}

        # Adversary
        (adversary,) = self._adversary
        if adversary is not None:
            self.pairs.append((target, picture.detach()))
            deception = -judged(adversary, picture).mean(dim=(1, 2, 3))
            strength = adaptive_weight(
                (weights * errors).mean(), (weights * deception).mean(), self.trained.decoder.conv_out.weight
            )
            strength = strength * settings.adversary_weight * settings.adversary_factor
            loss = loss + strength * deception
            facts |= {"deception": deception, "adaptive_weight": strength}

        self.metrics = {name: float(value.detach().float().mean()) for name, value in facts.items()}
        return weights * loss

    def _reconstruct(self, target: Image, batch: Batch) -> tuple[Image, Float[Tensor, "batch"], dict[str, Tensor]]:
        """Pictures, their regularisation, and what to watch."""
        model, settings = self.trained, self.settings
        if isinstance(model, VQModel):
            codes = model.quantize(model.encode(target))
            size = model.spec.codebook_size
            picture = model.decode_codes(codes.latent).float()
            loss = codes.codebook_loss + settings.commitment * codes.commitment_loss
            facts = {"codebook": loss, "perplexity": torch.tensor(perplexity(codes.indices, size))}
            return picture, settings.codebook_weight * loss, facts
        latents = model.encode(target)
        noise = torch.stack(
            [
                torch.randn(latents.mean.shape[1:], generator=row_generator(self.seed, batch.step, row, _LATENT_NOISE))
                for row in batch.rows
            ]
        )
        picture = model.decode(latents.sample(noise.to(target.device))).float()
        kl = LatentDistribution(latents.mean.float(), latents.log_variance.float()).kl()
        facts = {"kl": kl / latents.mean[0].numel()}
        return picture, settings.kl_weight * kl / target[0].numel(), facts

    def _pixels(self, batch: Batch) -> Image:
        if batch.pixels is None:
            raise TrainingError("An autoencoder learns from pixels; this data gives latents.")
        if batch.loss_masks is not None:
            raise TrainingError("An autoencoder learns whole pictures; leave mask_folder and alpha_mask out.")
        sides = batch.pixels.shape[2:]
        downscale = self.trained.spec.downscale
        if any(side % downscale for side in sides):
            raise TrainingError(
                f"The pictures are {sides[1]} x {sides[0]} pixels; both must be multiples of {downscale}, "
                "by which the autoencoder shrinks."
            )
        if min(sides) < self.smallest:
            raise TrainingError(
                f"The pictures are {sides[1]} x {sides[0]} pixels; with these losses an autoencoder needs at least "
                f"{self.smallest} x {self.smallest}."
            )
        return batch.pixels.to(self.trained.decoder.conv_out.weight.device)


class Adversary(nn.Module):
    """The discriminator as a trainee: to tell true pictures from made ones."""

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.trained = PatchDiscriminator(width=settings.adversary_width, num_layers=settings.adversary_layers)
        self.factor = settings.adversary_factor

    def groups(self) -> list[Group]:
        return [Group(name="adversary", parameters=list(self.trained.parameters()))]

    def forward(self, true: Image, made: Image) -> Float[Tensor, "batch"]:
        """`adversary_factor` times the hinge loss of each pair."""
        real, fake = self.trained(torch.cat([true, made])).float().chunk(2)
        return self.factor * hinge_loss(real, fake)


def judged(adversary: PatchDiscriminator, picture: Image) -> Tensor:
    """What `adversary` says, without a gradient for its weights."""
    frozen = {name: parameter.detach() for name, parameter in adversary.named_parameters()}
    return torch.func.functional_call(adversary, frozen, (picture,)).float()


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
    """|grad of the reconstruction loss| / (|grad of the adversarial loss| + 1e-4), at most 1e4; both keep their graph.

    The gradients are by `last_layer`, their lengths Euclidean (Esser et al. 2021, Eq. 7, with its code's constants).
    """
    ours, theirs = (
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].norm() for loss in (reconstruction, adversarial)
    )
    return (ours / (theirs + _LITTLE)).clamp(0.0, _LARGEST_WEIGHT)
