import copy

import pytest
import torch
from PIL import Image

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.pipelines.pictures import from_pictures


@pytest.fixture
def autoencoder(tiny_model: LoadedModel) -> Autoencoder:
    return Autoencoder(copy.deepcopy(tiny_model.autoencoder), tiny_model.spec.latent_scale)


def test_encode_gives_the_scaled_mean(autoencoder: Autoencoder) -> None:
    image = torch.rand(2, 3, 32, 16) * 2 - 1
    with torch.no_grad():
        expected = autoencoder.network.encode(image).mean * 0.18215
    latent = autoencoder.encode(image)
    assert latent.shape == (2, 4, 4, 2)
    assert torch.equal(latent, expected)


def test_encode_samples_with_noise(autoencoder: Autoencoder) -> None:
    image = torch.rand(1, 3, 16, 16)
    noise = torch.randn(1, 4, 2, 2)
    with torch.no_grad():
        distribution = autoencoder.network.encode(image)
    expected = (distribution.mean + (0.5 * distribution.log_variance).exp() * noise) * 0.18215
    assert torch.allclose(autoencoder.encode(image, noise=noise), expected, atol=1e-6)


def test_encode_takes_pictures(autoencoder: Autoencoder) -> None:
    picture = Image.effect_noise((32, 16), 50).convert("RGB")
    assert torch.equal(autoencoder.encode(picture), autoencoder.encode(from_pictures([picture])))


def test_decode_is_the_same_in_chunks(autoencoder: Autoencoder, monkeypatch: pytest.MonkeyPatch) -> None:
    latent = torch.randn(3, 4, 4, 4)
    whole = autoencoder.decode(latent)
    assert whole.shape == (3, 3, 32, 32)
    assert whole.abs().max() <= 1
    monkeypatch.setattr("inkbloom.pipelines.autoencoder.PIXELS_AT_ONCE", 2 * 32 * 32)
    assert torch.allclose(autoencoder.decode(latent), whole, atol=1e-5)


def test_half_precision_that_overflows_is_done_again_in_float32(autoencoder: Autoencoder) -> None:
    latent = torch.randn(1, 4, 2, 2)
    # Weights that float16 holds, with activations that it does not.
    with torch.no_grad():
        autoencoder.network.decoder.conv_in.weight.mul_(3e5)
    expected = autoencoder.decode(latent)
    autoencoder.network.half()
    assert not autoencoder.network.decode(latent.half() / 0.18215).isfinite().all()
    assert torch.allclose(autoencoder.decode(latent), expected, atol=0.02)
    assert autoencoder.network.quant_conv.weight.dtype is torch.float32


def test_damaged_weights_are_told(autoencoder: Autoencoder) -> None:
    with torch.no_grad():
        autoencoder.network.decoder.conv_out.bias.fill_(torch.nan)
        autoencoder.network.quant_conv.bias.fill_(torch.nan)
    with pytest.raises(CheckpointError, match="The decoder gives numbers that are not finite, in float32 too"):
        autoencoder.decode(torch.randn(1, 4, 2, 2))
    with pytest.raises(CheckpointError, match="The encoder gives numbers that are not finite, in float32 too"):
        autoencoder.encode(torch.rand(1, 3, 16, 16))


def test_sides_must_divide(autoencoder: Autoencoder) -> None:
    with pytest.raises(RequestError, match="A picture of 20 x 16 pixels: both sides must divide by 8"):
        autoencoder.encode(torch.rand(1, 3, 16, 20))


def test_compression(autoencoder: Autoencoder) -> None:
    assert autoencoder.compression() == 48
