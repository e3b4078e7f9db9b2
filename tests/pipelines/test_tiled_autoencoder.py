import copy

import pytest
import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import MemoryNeededError, RequestError
from inkbloom.core.tiles import Tiling
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.nn.seamless import seamless
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.pipelines.pictures import to_pictures
from inkbloom.pipelines.quality import psnr
from inkbloom.pipelines.stable_diffusion import StableDiffusion
from inkbloom.pipelines.tiled_autoencoder import decode_tiled
from inkbloom.training.starter.scenes import render, sample_scenes


@pytest.fixture(scope="module")
def starter() -> Autoencoder:
    return StableDiffusion.load(device="cpu", dtype="float32").autoencoder


def test_tiles_of_a_real_picture_look_as_the_whole(starter: Autoencoder) -> None:
    image = render(sample_scenes(1, seed=5, held_out=True), 256).float() / 127.5 - 1
    tiled = Autoencoder(starter.network, starter.latent_scale, tile=128)
    latent = starter.encode(image)
    difference = (tiled.encode(image) - latent).norm() / latent.norm()
    assert difference < 0.02
    whole, pieces = starter.decode(latent), tiled.decode(latent)
    assert (whole - pieces).abs().mean() * 127.5 < 0.5
    assert psnr(to_pictures(whole)[0], to_pictures(pieces)[0]) > 40


def test_one_window_is_the_whole(tiny_model: LoadedModel) -> None:
    assert tiny_model.autoencoder is not None
    raw = torch.randn(2, 4, 8, 6)
    with torch.no_grad():
        whole = tiny_model.autoencoder.decode(raw)
        pieces = decode_tiled(tiny_model.autoencoder, raw, Tiling(size=64, overlap=16, step=8))
    torch.testing.assert_close(pieces, whole, atol=1e-4, rtol=1e-4)


def test_a_larger_picture_is_thinned_out_for_its_statistics(tiny_model: LoadedModel) -> None:
    tiled = Autoencoder(copy.deepcopy(tiny_model.autoencoder), tiny_model.spec.latent_scale, tile=64)
    latent = torch.randn(1, 4, 24, 20)
    assert tiled.decode(latent).shape == (1, 3, 192, 160)
    assert tiled.encode(torch.rand(1, 3, 192, 160)).shape == (1, 4, 24, 20)
    with seamless("both"):
        assert tiled.decode(latent).shape == (1, 3, 192, 160)


class Hungry(AutoencoderKL):
    """Asks for more memory than there is, where it is given a picture whole."""

    def decode(self, latent):
        torch.empty(2**60, dtype=torch.uint8)

    encode = decode


def test_what_runs_out_of_memory_is_done_in_tiles(tiny_model: LoadedModel) -> None:
    assert tiny_model.autoencoder is not None
    network = Hungry(tiny_model.spec.autoencoder)
    network.load_state_dict(tiny_model.autoencoder.state_dict())
    hungry = Autoencoder(network, 0.18215)
    plain = Autoencoder(tiny_model.autoencoder, 0.18215)
    latent = torch.randn(2, 4, 2, 3)
    torch.testing.assert_close(hungry.decode(latent), plain.decode(latent), atol=1e-4, rtol=1e-4)
    image = torch.rand(1, 3, 16, 24)
    torch.testing.assert_close(hungry.encode(image), plain.encode(image), atol=1e-4, rtol=1e-4)


class Starving(Hungry):
    def __init__(self, spec) -> None:
        super().__init__(spec)
        self.decoder.begin = self.decode  # type: ignore[assignment]


def test_what_never_fits_is_told(tiny_model: LoadedModel) -> None:
    starving = Autoencoder(Starving(tiny_model.spec.autoencoder), 0.18215)
    with pytest.raises(MemoryNeededError) as caught:
        starving.decode(torch.randn(1, 4, 2, 3))
    assert str(caught.value) == "Decoding 24 x 16 pixels ran out of memory; choose a smaller size."


@pytest.mark.parametrize("tile", [0, 100, 32])
def test_a_tile_must_divide(tiny_model: LoadedModel, tile: int) -> None:
    assert tiny_model.autoencoder is not None
    with pytest.raises(RequestError, match=f"The autoencoder's tile is {tile} pixels; it must be a multiple of 64"):
        Autoencoder(tiny_model.autoencoder, 0.18215, tile=tile)
