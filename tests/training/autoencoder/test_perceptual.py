"""LPIPS against a plain implementation over the published names, and our own loss against NumPy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inkbloom.core.errors import CheckpointError, KeyMismatchError
from inkbloom.training.autoencoder import AutoencoderSettings, choose_perceptual, edge_loss, open_lpips

# torchvision's numbers of VGG16's convolutions, by stage, and their widths
CONVOLUTIONS = [(0, 64), (2, 64), (5, 128), (7, 128), (10, 256), (12, 256), (14, 256)]
CONVOLUTIONS += [(number, 512) for number in (17, 19, 21, 24, 26, 28)]
LAST_OF_STAGE = (2, 7, 14, 21, 28)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Random weights under the published names, as torch.save writes them."""
    folder = tmp_path_factory.mktemp("lpips")
    generator = torch.Generator().manual_seed(0)
    vgg: dict[str, Tensor] = {"classifier.0.weight": torch.zeros(1)}
    channels = 3
    for number, width in CONVOLUTIONS:
        scale = (2 / (9 * channels)) ** 0.5
        vgg[f"features.{number}.weight"] = torch.randn(width, channels, 3, 3, generator=generator) * scale
        vgg[f"features.{number}.bias"] = torch.randn(width, generator=generator) * 0.1
        channels = width
    heads = {
        f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1, generator=generator)
        for i, width in enumerate((64, 128, 256, 512, 512))
    }
    torch.save(vgg, folder / "vgg16.pth")
    torch.save(heads, folder / "vgg.pth")
    return folder / "vgg16.pth", folder / "vgg.pth"


def plain_lpips(vgg: dict[str, Tensor], heads: dict[str, Tensor], x: Tensor, y: Tensor) -> list[float]:
    """The formula, picture by picture."""
    values = []
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    for pair in zip(x, y, strict=True):
        features = []
        for picture in pair:
            hidden = ((picture.movedim(0, -1) - shift) / scale).movedim(-1, 0)[None]  # 1 c h w
            stages = []
            for number, _ in CONVOLUTIONS:
                hidden = F.conv2d(hidden, vgg[f"features.{number}.weight"], vgg[f"features.{number}.bias"], padding=1)
                hidden = hidden.clamp(min=0)
                if number in LAST_OF_STAGE:
                    stages.append(hidden[0] / (hidden[0].square().sum(dim=0).sqrt() + 1e-10))
                    hidden = F.max_pool2d(hidden, 2)
            features.append(stages)
        total = 0.0
        for i, (one, other) in enumerate(zip(*features, strict=True)):
            total += (
                torch.einsum("c,chw->hw", heads[f"lin{i}.model.1.weight"].flatten(), (one - other) ** 2).mean().item()
            )
        values.append(total)
    return values


def test_lpips_is_its_formula(files: tuple[Path, Path]) -> None:
    lpips = open_lpips(*files)
    assert not any(parameter.requires_grad for parameter in lpips.parameters())
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, 3, 32, 48, generator=generator) * 2 - 1
    y = (x + 0.3 * torch.randn(x.shape, generator=generator)).clamp(-1, 1)
    vgg, heads = (torch.load(file, weights_only=True) for file in files)
    distance = lpips(x, y)
    assert distance.min() > 1e-3
    assert distance.tolist() == pytest.approx(plain_lpips(vgg, heads, x, y), rel=1e-5)
    assert lpips(x, x).tolist() == [0.0, 0.0]


def test_the_gradient_is_finite_on_flat_pictures(files: tuple[Path, Path]) -> None:
    """Where all features are zero, their length has no derivative."""
    lpips = open_lpips(*files)
    for layer in (lpips.features[0], lpips.features[28]):
        torch.nn.init.constant_(layer.bias, -100.0)  # pyright: ignore[reportArgumentType]
    picture = torch.zeros(1, 3, 16, 16, requires_grad=True)
    lpips(picture, torch.ones(1, 3, 16, 16)).sum().backward()
    assert picture.grad is not None
    assert picture.grad.isfinite().all()


def test_which_ran(files: tuple[Path, Path]) -> None:
    cpu = torch.device("cpu")
    assert choose_perceptual(AutoencoderSettings(), cpu).name == "edges"
    assert choose_perceptual(AutoencoderSettings(lpips_vgg=files[0], lpips_heads=files[1]), cpu).name == "lpips"


def test_wrong_files(files: tuple[Path, Path], tmp_path: Path) -> None:
    vgg, heads = files
    with pytest.raises(
        KeyMismatchError, match=r"vgg\.pth: the tensors of the VGG16 do not match: 26 missing: 0\.weight"
    ):
        open_lpips(heads, heads)
    with pytest.raises(KeyMismatchError, match=r"vgg16\.pth: the tensors of the LPIPS do not match: 5 missing: lin0"):
        open_lpips(vgg, vgg)
    with pytest.raises(CheckpointError, match=r"none\.pth"):
        open_lpips(tmp_path / "none.pth", heads)


def test_edge_loss_against_numpy() -> None:
    generator = torch.Generator().manual_seed(0)
    picture, target = torch.rand(2, 2, 3, 8, 8, generator=generator).unbind()
    error = (picture - target).double().numpy()
    expected = 2 * (error**2).mean(axis=(1, 2, 3))
    for _ in range(3):
        sides = sum(np.abs(np.diff(error, axis=axis)).mean(axis=(1, 2, 3)) for axis in (2, 3))
        expected += (np.abs(error).mean(axis=(1, 2, 3)) + sides) / 3
        height = error.shape[2] // 2
        error = error.reshape(2, 3, height, 2, height, 2).mean(axis=(3, 5))
    assert edge_loss(picture, target).numpy() == pytest.approx(expected, rel=1e-5)
    assert edge_loss(target, target).tolist() == [0.0, 0.0]
