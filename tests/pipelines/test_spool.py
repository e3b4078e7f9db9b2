from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image as PILImage

from inkbloom import StableDiffusion
from inkbloom.core.errors import MemoryNeededError, RequestError
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.pipelines.spool import Spool, read_spooled, remove_spooled, spooled


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


def test_a_decode_that_fails_leaves_latents_that_become_the_very_pictures(
    tmp_path: Path, model: StableDiffusion
) -> None:
    mask, picture = PILImage.new("RGB", (64, 64)), PILImage.new("RGB", (64, 64), "orange")
    mask.paste("white", (0, 0, 32, 64))
    picture.save(tmp_path / "a.png")
    mask.save(tmp_path / "m.png")
    more = {"init_image": tmp_path / "a.png", "mask_image": tmp_path / "m.png"}
    asked = {"prompt": "a dog", "seed": 3, "steps": 2, "num_images": 2, "batch_size": 2, "width": 64, "height": 64}
    whole = model.generate(**asked, **more)

    class Failing(Spool):
        def write(self, latents: torch.Tensor, requests: Sequence[ResolvedRequest]) -> None:
            super().write(latents, requests)
            raise MemoryNeededError("Decoding ran out of memory.")

    spool = Failing(tmp_path / "spool")
    with pytest.raises(MemoryNeededError):
        model.paint(whole.requests, spool=spool)
    assert spool.files == spooled(tmp_path / "spool")
    latents, requests = read_spooled(spool.files[0])
    assert torch.equal(latents, whole.latents)
    pictures, warnings = model.painter.decode([model.resolve(request) for request in requests], latents)
    assert [one.tobytes() for one in pictures] == [one.tobytes() for one in whole.images]
    assert warnings == []
    assert spool.left() == f"The latents of the last pictures are kept; paint them with: inkbloom decode {spool.folder}"
    remove_spooled(spool.files[0])
    assert not (tmp_path / "spool").exists()


def test_it_is_cleared_when_the_pictures_are_safe(tmp_path: Path, model: StableDiffusion) -> None:
    spool = Spool(tmp_path / "spool")
    resolved = model.generate("a", steps=1, width=64, height=64).requests
    model.paint(resolved, spool=spool)
    assert [path.parent for path in spool.files] == [tmp_path / "spool"]
    spool.clear()
    assert not (tmp_path / "spool").exists()
    spool.clear()


def test_what_is_no_spool_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="There are no spooled latents at"):
        spooled(tmp_path)
    bad = tmp_path / "a.latents.safetensors"
    bad.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(RequestError, match="holds no spooled latents, or is damaged"):
        read_spooled(bad)
