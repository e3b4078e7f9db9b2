"""The autoencoder's objective, term by term, against formulas written out once more and against hand-worked numbers."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.errors import TrainingError
from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.models.discriminator import PatchDiscriminator, smallest_side
from inkbloom.models.vq import VQModel, VQSpec
from inkbloom.training.autoencoder import Adversary, AutoencoderSettings, Reconstruction, adaptive_weight
from inkbloom.training.autoencoder.perceptual import choose_perceptual
from inkbloom.training.batches import Batch, row_generator

TINY = AutoencoderSpec(level_channels=(8, 8), num_blocks=1, norm_groups=4)
EDGES = choose_perceptual(AutoencoderSettings(), torch.device("cpu"))


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def batch(**fields: object) -> Batch:
    pixels = torch.rand(3, 3, 16, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1
    facts = {"step": 5, "rows": (4, 0, 9), "global_size": 12, "captions": ("",) * 3, "pixels": pixels}
    return Batch(**(facts | fields))  # pyright: ignore[reportArgumentType]


def test_adaptive_weight_by_hand() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    reconstruction, adversarial = (w * torch.tensor([3.0, 4.0])).sum(), (w * torch.tensor([0.0, 2.0])).sum()
    assert adaptive_weight(reconstruction, adversarial, w).item() == pytest.approx(5.0 / (2.0 + 1e-4))
    assert adaptive_weight(1e9 * reconstruction, adversarial, w).item() == 1e4
    (reconstruction + adversarial).backward()  # the graphs are still there


def test_hinge_loss_is_that_of_the_paper() -> None:
    adversary = Adversary(AutoencoderSettings(adversary_width=8, adversary_layers=1, adversary_factor=0.5))
    true, made = torch.randn(2, 4, 3, 16, 16, generator=torch.Generator().manual_seed(2)).unbind()
    with torch.no_grad():
        adversary.trained.layers[-1].weight.mul_(50)  # pyright: ignore[reportOperatorIssue, reportCallIssue]
        real, fake = adversary.trained(true), adversary.trained(made)
        assert real.std() > 0.5
        expected = 0.5 * 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
        assert torch.allclose(adversary(true, made).mean(), expected, rtol=1e-5)


@pytest.mark.parametrize(("num_layers", "field", "smallest"), [(1, 16, 6), (2, 34, 12), (3, 70, 24)])
def test_how_far_the_adversary_looks(num_layers: int, field: int, smallest: int) -> None:
    """Its receptive field, by the gradient of one logit; norms are left out, since they look everywhere."""
    discriminator = PatchDiscriminator(width=2, num_layers=num_layers)
    for i, layer in enumerate(discriminator.layers):
        if isinstance(layer, nn.GroupNorm):
            discriminator.layers[i] = nn.Identity()
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.abs_().add_(0.1)
    image = torch.ones(1, 3, 160, 160, requires_grad=True)
    logits = discriminator(image)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert image.grad is not None
    assert int((image.grad[0, 0].abs().sum(dim=1) > 0).sum()) == field
    assert smallest_side(num_layers) == smallest
    assert discriminator(torch.zeros(1, 3, smallest, smallest)).shape == (1, 1, 1, 1)
    if num_layers == 3:
        assert logits.shape[2:] == (18, 18)


def test_kl_objective_written_out() -> None:
    settings = AutoencoderSettings(pixel_weight=0.7, perceptual_weight=0.3, kl_weight=0.01, adversary_weight=0.0)
    model = seeded(lambda: AutoencoderKL(TINY))
    assert isinstance(model, AutoencoderKL)
    data = batch(weights=torch.tensor([1.0, 0.5, 2.0]))
    losses = Reconstruction(model, EDGES, settings, seed=3)(data)

    assert data.pixels is not None
    moments = model.quant_conv(model.encoder(data.pixels))
    mean, log_variance = moments[:, :4], moments[:, 4:]
    noise = torch.stack([torch.randn(4, 8, 12, generator=row_generator(3, 5, row, 9)) for row in (4, 0, 9)])
    made = model.decode(mean + log_variance.exp().sqrt() * noise)
    gaussian = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    kl = torch.distributions.kl_divergence(gaussian, torch.distributions.Normal(0.0, 1.0)).sum(dim=(1, 2, 3))
    for i, weight in enumerate((1.0, 0.5, 2.0)):
        expected = 0.7 * (made[i] - data.pixels[i]).abs().mean() + 0.01 * kl[i] / (3 * 16 * 24)
        expected = expected + 0.3 * EDGES.loss(made[i : i + 1], data.pixels[i : i + 1])[0]
        assert torch.allclose(losses[i], weight * expected, rtol=1e-5)


def test_vq_objective_written_out() -> None:
    settings = AutoencoderSettings(
        latent_kind="vq", codebook_weight=0.8, commitment=0.4, perceptual_weight=0.0, adversary_weight=0.0
    )
    model = seeded(lambda: VQModel(VQSpec(**vars(TINY), codebook_size=6)))
    assert isinstance(model, VQModel)
    reconstruction = Reconstruction(model, EDGES, settings)
    data = batch()
    losses = reconstruction(data)

    assert data.pixels is not None
    z = model.encode(data.pixels)
    book = model.quantize.embedding.weight
    distances = (z.movedim(1, -1)[..., None, :] - book).square().sum(dim=-1)
    codes = book[distances.argmin(dim=-1)].movedim(-1, 1)  # b c h w
    drift = (z - codes).square().mean(dim=(1, 2, 3))
    expected = (model.decode_codes(codes) - data.pixels).abs().mean(dim=(1, 2, 3)) + 0.8 * (1 + 0.4) * drift
    assert torch.allclose(losses, expected, rtol=1e-4)
    assert reconstruction.metrics["codebook"] == pytest.approx(1.4 * drift.mean().item(), rel=1e-4)
    assert 1.0 <= reconstruction.metrics["perplexity"] <= 6.0


def test_the_adversarys_part_written_out() -> None:
    """Loss and gradient with lambda worked out by hand; the adversary's weights get no gradient."""
    settings = AutoencoderSettings(adversary_weight=0.5, adversary_factor=0.6, adversary_layers=1, kl_weight=0.0)
    model = seeded(lambda: AutoencoderKL(TINY))
    discriminator = seeded(lambda: PatchDiscriminator(width=8, num_layers=1))
    assert isinstance(model, AutoencoderKL)
    assert isinstance(discriminator, PatchDiscriminator)
    reconstruction = Reconstruction(model, EDGES, settings)
    plain = reconstruction(batch())
    reconstruction.begin(discriminator)
    losses = reconstruction(batch())
    assert set(dict(reconstruction.named_parameters())) == {f"trained.{name}" for name, _ in model.named_parameters()}

    ((true, made),) = reconstruction.pairs
    assert not made.requires_grad
    assert torch.equal(true, batch().pixels)  # pyright: ignore[reportArgumentType]
    deception = -discriminator(made).mean(dim=(1, 2, 3))
    strength = reconstruction.metrics["adaptive_weight"]
    assert torch.allclose(losses, plain + strength * deception, rtol=1e-5)

    last = model.decoder.conv_out.weight
    ours = torch.autograd.grad(plain.mean(), last)[0].norm()
    hook: list[Tensor] = []
    handle = model.decoder.register_forward_hook(lambda module, args, out: hook.append(out))
    reconstruction.begin(None)
    reconstruction(batch())
    handle.remove()
    theirs = torch.autograd.grad(-discriminator(hook[0]).mean(), last)[0].norm()
    assert strength == pytest.approx(0.5 * 0.6 * (ours / (theirs + 1e-4)).item(), rel=1e-4)

    losses.sum().backward()
    assert all(parameter.grad is None for parameter in discriminator.parameters())
    assert last.grad is not None


def test_what_it_cannot_learn_from() -> None:
    model = AutoencoderKL(TINY)
    reconstruction = Reconstruction(model, EDGES, AutoencoderSettings())
    for data, message in [
        (batch(pixels=None), r"^An autoencoder learns from pixels; this data gives latents\.$"),
        (batch(loss_masks=torch.ones(3, 1, 8, 12)), r"leave mask_folder and alpha_mask out\.$"),
        (batch(pixels=torch.zeros(3, 3, 15, 24)), r"^The pictures are 24 x 15 pixels; both must be multiples of 2, by"),
        (batch(), r"^The pictures are 24 x 16 pixels; with these losses an autoencoder needs at least 24 x 24\.$"),
    ]:
        with pytest.raises(TrainingError, match=message):
            reconstruction(data)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"latent_kind": "vqq"}, r'^Unknown latent_kind "vqq"\. Did you mean "vq"\?$'),
        ({"autoencoder_widths": ()}, r"^autoencoder_widths is \(\); it must be widths of at least 1\.$"),
        ({"autoencoder_norm_groups": 48}, r"^autoencoder_norm_groups is 48; it must divide the width 128\.$"),
        ({"codebook_size": 0}, r"^codebook_size is 0; it must be at least 1\.$"),
        ({"kl_weight": -1.0}, r"^kl_weight is -1\.0; it must be at least 0\.$"),
        ({"adversary_layers": 0}, r"^adversary_layers is 0; it must be at least 1\.$"),
        ({"adversary_learning_rate": 0.0}, r"^adversary_learning_rate is 0\.0; it must be above 0\.$"),
        ({"lpips_vgg": Path("vgg.pth")}, r"^lpips_vgg is given without lpips_heads; LPIPS needs both files\.$"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_settings(fields: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        AutoencoderSettings(**fields)  # pyright: ignore[reportArgumentType]


def test_the_spec_of_an_autoencoder_from_nothing() -> None:
    assert AutoencoderSettings().spec() == AutoencoderSpec(level_channels=(128, 256, 512, 512), num_blocks=2)
    spec = AutoencoderSettings(latent_kind="vq", codebook_size=99, latent_channels=3).spec()
    assert isinstance(spec, VQSpec)
    assert (spec.codebook_size, spec.latent_channels, spec.downscale) == (99, 3, 8)
