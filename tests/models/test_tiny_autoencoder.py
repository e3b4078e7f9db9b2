import pytest
import torch

from inkbloom.models.tiny_autoencoder import TAESD_DECODER, TAESD_ENCODER, TinyDecoder, TinyEncoder, TinySpec

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def test_equals_diffusers_with_the_sizes_of_stable_diffusion_1() -> None:
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    theirs = AutoencoderTiny().eval()
    encoder, decoder = TinyEncoder(TAESD_ENCODER), TinyDecoder(TAESD_DECODER)
    encoder.load_state_dict(theirs.encoder.state_dict())
    decoder.load_state_dict(theirs.decoder.state_dict())
    image, latent = torch.rand(2, 3, 32, 24) * 2 - 1, torch.randn(2, 4, 4, 3) * 3
    with torch.no_grad():
        torch.testing.assert_close(encoder(image), theirs.encode(image).latents, **TOLERANCE)
        torch.testing.assert_close(decoder(latent), theirs.decode(latent).sample, **TOLERANCE)


@pytest.mark.parametrize("blocks", [(1, 0, 2, 0), (2,)])
def test_each_further_resolution_doubles(blocks: tuple[int, ...]) -> None:
    spec = TinySpec(channels=4, blocks=blocks, latent_channels=5)
    side = 2 * 2 ** (len(blocks) - 1)
    assert TinyDecoder(spec)(torch.zeros(1, 5, 2, 2)).shape == (1, 3, side, side)
    assert TinyEncoder(spec)(torch.zeros(1, 3, side, side)).shape == (1, 5, 2, 2)
