from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from inkbloom import StableDiffusion
from inkbloom.checkpoints.library import Library
from inkbloom.checkpoints.tiny_autoencoders import save_tiny_decoder
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.core.similarity import psnr
from inkbloom.families import sd1, starter
from inkbloom.models.tiny_autoencoder import TinyDecoder, TinySpec
from inkbloom.pipelines.pictures import from_pictures, to_pictures
from inkbloom.pipelines.previews import Previewer
from inkbloom.pipelines.stable_diffusion import Progress
from inkbloom.training.autoencoder import to_image
from inkbloom.training.starter.scenes import render, sample_scenes


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


@pytest.fixture(scope="module")
def own() -> StableDiffusion:
    """The starter."""
    return StableDiffusion.load(device="cpu")


@pytest.fixture(scope="module")
def progress(model: StableDiffusion) -> Progress:
    told: list[Progress] = []
    model.generate("a", seed=1, num_images=2, batch_size=2, steps=2, width=64, height=72, on_progress=told.append)
    return told[0]


def test_none_is_no_picture(model: StableDiffusion, progress: Progress) -> None:
    assert Previewer.of(model, "none")(progress) == []


def test_full_is_the_autoencoder(model: StableDiffusion, progress: Progress) -> None:
    pictures = Previewer.of(model, "full")(progress)
    expected = to_pictures(model.autoencoder.decode(progress.denoised))
    assert [picture.tobytes() for picture in pictures] == [picture.tobytes() for picture in expected]


def test_matrix_gives_each_point_its_color(model: StableDiffusion, progress: Progress) -> None:
    pictures = Previewer.of(model, "matrix")(progress)
    assert [picture.size for picture in pictures] == [(64, 72)] * 2
    colors = torch.einsum("bchw,cr->brhw", progress.denoised, torch.tensor(sd1.PREVIEW.colors)).clamp(-1, 1)
    # The middle of a point's pixels has the point's own colour, but for the quarter that its neighbours give
    means = F.avg_pool2d(from_pictures(pictures), 8)[:, :, 1:-1, 1:-1]
    assert (means - colors[:, :, 1:-1, 1:-1]).abs().mean() < 0.5 * colors.std()


def test_tiny_is_found_in_a_library(model: StableDiffusion, progress: Progress, tmp_path: Path) -> None:
    decoder = TinyDecoder(TinySpec(channels=4, blocks=(1, 0, 0, 0))).half().float()
    (tmp_path / "vae_approx").mkdir()
    save_tiny_decoder(tmp_path / "vae_approx" / "taesd_decoder.safetensors", decoder)
    pictures = Previewer.of(model, "tiny", Library(tmp_path))(progress)
    with torch.no_grad():
        expected = to_pictures(decoder(progress.denoised))
    assert [picture.tobytes() for picture in pictures] == [picture.tobytes() for picture in expected]


def test_what_is_missing_is_told(model: StableDiffusion, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r'"tiny" needs the file taesd_decoder\.safetensors or \.pth in the fold'):
        Previewer.of(model, "tiny")
    with pytest.raises(CheckpointError, match='There is no model "taesd_decoder" among the vae_approx of'):
        Previewer.of(model, "tiny", Library(tmp_path))
    (tmp_path / "vae_approx").mkdir()
    save_file({"a": torch.zeros(1)}, tmp_path / "vae_approx" / "taesd_decoder.safetensors")
    with pytest.raises(CheckpointError, match="holds no decoder of a tiny autoencoder"):
        Previewer.of(model, "tiny", Library(tmp_path))
    with pytest.raises(RequestError, match=r'Unknown preview "fullness"\. Did you mean "full"\?'):
        Previewer.of(model, "fullness")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["matrix", "tiny"])
def test_latents_of_another_kind_are_told(own: StableDiffusion, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(own, "spec", starter.STARTER)  # whose scale is not yet the trained one's
    with pytest.raises(RequestError, match=rf'Preview "{method}" is not known for the latents of model "starter'):
        Previewer.of(own, method)  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "least"), [("matrix", 15.0), ("tiny", 25.0)])
def test_the_starters_previews_are_near_its_pictures(own: StableDiffusion, method: str, least: float) -> None:
    """Against the full decoder on scenes that nothing was trained on, in dB."""
    latents = own.autoencoder.encode(to_image(render(sample_scenes(8, seed=9, held_out=True))))
    step = Progress(step=1, total=1, sigma=0.0, latents=latents, denoised=latents, first=0, num_images=8)
    pictures, full = (Previewer.of(own, way)(step) for way in (method, "full"))  # type: ignore[arg-type]
    assert pictures[0].size == full[0].size == (128, 128)
    assert psnr(from_pictures(pictures), from_pictures(full), 2.0).mean() > least
