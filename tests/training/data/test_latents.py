import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import TrainingError
from inkbloom.models.autoencoder import AutoencoderKL, LatentDistribution
from inkbloom.training.data.buckets import Fit
from inkbloom.training.data.decoding import Framing
from inkbloom.training.data.latents import LatentEncoder, weights_hash

FRAMING = Framing.centred(Fit((16, 16), (16, 24)))
IMAGE = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def autoencoder(tiny_model: LoadedModel) -> AutoencoderKL:
    assert tiny_model.autoencoder is not None
    return tiny_model.autoencoder


def get(encoder: LatentEncoder, sha256: str = "00", framing: Framing = FRAMING, image: torch.Tensor | None = IMAGE):
    def pixels() -> torch.Tensor:
        assert image is not None, "the cache should have had it"
        return image

    return encoder.distribution(sha256, framing, pixels, "a.png")


def equal(a: LatentDistribution, b: LatentDistribution) -> bool:
    return torch.equal(a.mean, b.mean) and torch.equal(a.log_variance, b.log_variance)


def test_the_cache_gives_the_same_to_the_bit(tmp_path: Path, autoencoder: AutoencoderKL) -> None:
    with torch.no_grad():
        expected = autoencoder.encode(IMAGE)
    assert equal(get(LatentEncoder(autoencoder, 1.0)), expected)
    encoder = LatentEncoder(autoencoder, 1.0, tmp_path)
    assert not encoder.has("00", FRAMING)
    assert equal(get(encoder), expected)
    assert encoder.has("00", FRAMING)
    assert equal(get(LatentEncoder(autoencoder, 1.0, tmp_path), image=None), expected)
    assert not list(tmp_path.rglob("*.new"))


def test_another_picture_framing_or_autoencoder_is_another_file(tmp_path: Path, autoencoder: AutoencoderKL) -> None:
    encoder = LatentEncoder(autoencoder, 1.0, tmp_path)
    get(encoder)
    mirrored = Framing.centred(FRAMING.fit, mirrored=True)
    assert not encoder.has("01", FRAMING)
    assert not encoder.has("00", mirrored)
    assert not encoder.has("00", Framing(FRAMING.fit, 0, 1))
    assert not encoder.has("00", Framing.centred(Fit((16, 16), (16, 32))))
    other = AutoencoderKL(autoencoder.spec)
    other.load_state_dict(autoencoder.state_dict())
    assert weights_hash(other) == weights_hash(autoencoder)
    with torch.no_grad():
        other.decoder.conv_out.weight += 1
        assert weights_hash(other) == weights_hash(autoencoder)
        other.encoder.conv_in.weight[0, 0, 0, 0] += 1e-3
    assert not LatentEncoder(other, 1.0, tmp_path).has("00", FRAMING)
    assert weights_hash(AutoencoderKL(autoencoder.spec).half()) != weights_hash(autoencoder)


@pytest.mark.parametrize("damage", [b"", b"no tensors at all", "cut"])
def test_damaged_files_are_made_again(tmp_path: Path, autoencoder: AutoencoderKL, damage: bytes | str) -> None:
    encoder = LatentEncoder(autoencoder, 1.0, tmp_path)
    expected = get(encoder)
    (file,) = tmp_path.rglob("*.safetensors")
    content = file.read_bytes()
    file.write_bytes(damage if isinstance(damage, bytes) else content[:-7])
    assert equal(get(encoder), expected)
    assert file.read_bytes() == content


def test_what_is_not_finite_is_never_kept(tmp_path: Path, autoencoder: AutoencoderKL) -> None:
    encoder = LatentEncoder(autoencoder, 1.0, tmp_path)
    with pytest.raises(TrainingError) as caught:
        get(encoder, image=IMAGE * float("nan"))
    assert str(caught.value) == 'The autoencoder gives numbers that are not finite for "a.png".'
    half = AutoencoderKL(autoencoder.spec).half()
    with pytest.raises(TrainingError, match=r'for "a.png"; try float32, as it overflows in torch.float16\.$'):
        get(LatentEncoder(half, 1.0, tmp_path), image=IMAGE * float("inf"))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_threads_that_want_the_same_picture(tmp_path: Path, autoencoder: AutoencoderKL) -> None:
    encoder = LatentEncoder(autoencoder, 1.0, tmp_path)
    both = threading.Barrier(2)

    def pixels() -> torch.Tensor:
        both.wait()  # neither has found it in the cache
        return IMAGE

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda name: encoder.distribution("00", FRAMING, pixels, name), "ab")
    assert equal(first, second)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
