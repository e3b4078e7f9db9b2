from pathlib import Path

import pytest
import torch
from PIL import Image

from inkbloom.checkpoints.library import Library
from inkbloom.checkpoints.upscalers import load_upscaler, save_upscaler
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.models.upscaler import Upscaler, UpscalerSpec
from inkbloom.pipelines.pictures import from_pictures, to_pictures
from inkbloom.pipelines.quality import psnr
from inkbloom.pipelines.upscaling.upscalers import Tiles, enlarge, find_upscaler, names
from inkbloom.training.starter.scenes import render, sample_scenes

LANCZOS = Image.Resampling.LANCZOS


@pytest.fixture
def picture() -> Image.Image:
    return Image.effect_noise((40, 24), 60).convert("RGB")


@pytest.fixture
def network() -> Upscaler:
    torch.manual_seed(0)
    network = Upscaler(UpscalerSpec(channels=4, num_blocks=1))
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return network


def test_filters_are_pillows(picture: Image.Image) -> None:
    for name, filter in (("Lanczos", LANCZOS), ("nearest", Image.Resampling.NEAREST), ("None", LANCZOS)):
        assert enlarge(picture, 80, 48, find_upscaler(name)).tobytes() == picture.resize((80, 48), filter).tobytes()
    assert enlarge(picture, 40, 24, find_upscaler("None")) is picture


def test_starter_beats_lanczos_on_scenes_it_never_saw() -> None:
    scenes = sample_scenes(4, seed=1, held_out=True)
    small, large = (to_pictures(render(scenes, size).float() / 127.5 - 1) for size in (128, 256))
    starter, lanczos = find_upscaler("Starter"), find_upscaler("Lanczos")
    for one, true in zip(small, large, strict=True):
        assert psnr(enlarge(one, 256, 256, starter), true) > psnr(enlarge(one, 256, 256, lanczos), true)


def test_tiles_are_as_the_whole(picture: Image.Image, network: Upscaler, tmp_path: Path) -> None:
    save_upscaler(tmp_path / "own.safetensors", network, title="own")
    path = str(tmp_path / "own.safetensors")
    whole = enlarge(picture, 160, 96, find_upscaler(path, tiles=Tiles(size=0)))
    tiled = enlarge(picture, 160, 96, find_upscaler(path, tiles=Tiles(size=24, overlap=12)))
    loaded = load_upscaler(path)
    assert loaded is not None
    assert whole.tobytes() == to_pictures(loaded(from_pictures([picture]), 4))[0].tobytes()
    # Six pixels see each other here; what lies nearer to a tile's edge counts half at most
    assert psnr(whole, tiled) > 40


def test_more_than_the_network_can_is_done_in_rounds(picture: Image.Image) -> None:
    assert enlarge(picture, 250, 150, find_upscaler("Starter")).size == (250, 150)


def test_names(tmp_path: Path, network: Upscaler) -> None:
    (tmp_path / "ESRGAN").mkdir()
    save_upscaler(tmp_path / "ESRGAN" / "RealESRGAN_x4plus.safetensors", network, title="x")
    library = Library(tmp_path)
    assert names(library) == ["None", "Lanczos", "Nearest", "Starter", "RealESRGAN_x4plus"]
    assert find_upscaler("R-ESRGAN 4x+", library=library).name == "RealESRGAN_x4plus"
    with pytest.raises(RequestError) as caught:
        find_upscaler("RealESRGAN_x4", library=library)
    assert str(caught.value) == 'Unknown upscaler "RealESRGAN_x4". Did you mean "RealESRGAN_x4plus"?'
    with pytest.raises(RequestError, match='"Latent" enlarges latents, in a second pass'):
        find_upscaler("Latent")
    with pytest.raises(CheckpointError, match=r"There is no upscaler at nowhere/x\.pth"):
        find_upscaler("nowhere/x.pth")


def test_bad_tiles() -> None:
    with pytest.raises(RequestError, match="A tile of 8 pixels: it must be 0"):
        Tiles(size=8)
    with pytest.raises(RequestError, match="A tile overlap of 100 pixels: it must be from 0 to 96"):
        Tiles(overlap=100)


def test_damaged_files_are_told(tmp_path: Path, network: Upscaler) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"not a model")
    with pytest.raises(CheckpointError, match="is truncated or damaged"):
        find_upscaler(str(path))
    save_upscaler(path, network, title="a")
    again = load_upscaler(path)
    assert again is not None
    assert again.spec == network.spec
