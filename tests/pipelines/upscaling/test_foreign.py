import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from inkbloom.core.errors import CheckpointError, RequestError, UnsafeCheckpointError
from inkbloom.pipelines.pictures import from_pictures, to_pictures
from inkbloom.pipelines.upscaling.foreign import MISSING, import_spandrel, open_face_restorer, open_foreign
from inkbloom.pipelines.upscaling.upscalers import Tiles, enlarge, find_upscaler

CPU = torch.device("cpu")
has_spandrel = pytest.mark.skipif(importlib.util.find_spec("spandrel") is None, reason="needs spandrel")


def compact() -> torch.nn.Module:
    import_spandrel()
    from spandrel.architectures.Compact import Compact  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    return Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)


@pytest.mark.skipif(importlib.util.find_spec("spandrel") is not None, reason="spandrel is here")
def test_without_spandrel_one_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"params": {"a": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError) as caught:
        find_upscaler(str(path))
    assert str(caught.value) == MISSING


@has_spandrel
def test_a_foreign_network_upscales(tmp_path: Path) -> None:
    network = compact().eval()
    path = tmp_path / "net.pth"
    torch.save({"params": network.state_dict()}, path)
    picture = Image.effect_noise((40, 24), 60).convert("RGB")
    made = enlarge(picture, 80, 48, find_upscaler(str(path), tiles=Tiles(size=0)))
    with torch.no_grad():
        expected = to_pictures(network((from_pictures([picture]) + 1) / 2).clamp(0, 1) * 2 - 1)[0]
    assert made.tobytes() == expected.tobytes()
    assert "torchvision" not in sys.modules
    with pytest.raises(CheckpointError, match=r"is an upscaler \(RealESRGAN Compact\); it does not restore faces"):
        open_face_restorer(path, CPU)


@has_spandrel
def test_unknown_architectures_are_told(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"params": {"some.weight": torch.zeros(3, 3)}}, path)
    with pytest.raises(CheckpointError) as caught:
        open_foreign(path, CPU)
    assert str(caught.value) == f"{path} is no upscaler of an architecture that spandrel knows."


@has_spandrel
def test_pickles_run_no_code(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"params": subprocess.Popen}, path)
    with pytest.raises(UnsafeCheckpointError, match="loading it could run code"):
        open_foreign(path, CPU)


@has_spandrel
def test_networks_for_faces_are_no_upscalers(tmp_path: Path) -> None:
    import_spandrel()
    from spandrel.architectures.RestoreFormer import RestoreFormer  # pyright: ignore[reportMissingImports]

    path = tmp_path / "face.pth"
    network = RestoreFormer(ch=32, ch_mult=(1, 1, 1, 1, 1, 1), n_embed=8, z_channels=32, embed_dim=32)
    torch.save(network.state_dict(), path)
    with pytest.raises(RequestError, match=r"restores faces \(RestoreFormer\); it is no upscaler"):
        find_upscaler(str(path))
