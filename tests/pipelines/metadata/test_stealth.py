"""Texts hidden in pixels, put there bit by bit."""

import contextlib
import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.metadata import read_metadata
from inkbloom.pipelines.metadata.stealth import hidden_text

SIZE = (72, 64)
INFOTEXT = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512"


def hide(mark: bytes, content: bytes, size: tuple[int, int] = SIZE, length: int | None = None) -> PILImage.Image:
    """A picture with the mark, the length (None: the right one) and the content in its lowest bits."""
    pixels = np.asarray(PILImage.effect_noise(size, 60).convert("RGBA")).copy()
    declared = 8 * len(content) if length is None else length
    bits = "".join(f"{byte:08b}" for byte in mark + declared.to_bytes(4, "big") + content)
    channels = [3] if b"png" in mark else [0, 1, 2]
    places = ((x, y, c) for x in range(size[0]) for y in range(size[1]) for c in channels)
    for bit, (x, y, c) in zip(bits, places, strict=False):
        pixels[y, x, c] = pixels[y, x, c] & 254 | int(bit)
    return PILImage.fromarray(pixels if b"png" in mark else pixels[:, :, :3])


@pytest.mark.parametrize("mark", [b"stealth_pnginfo", b"stealth_pngcomp", b"stealth_rgbinfo", b"stealth_rgbcomp"])
@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_each_form(tmp_path: Path, mark: bytes, ending: str) -> None:
    content = gzip.compress(INFOTEXT.encode()) if mark.endswith(b"comp") else INFOTEXT.encode()
    path = tmp_path / f"a{ending}"
    hide(mark, content).save(path, **({"lossless": True, "exact": True} if ending == ".webp" else {}))
    found = read_metadata(path)
    assert (found.prompt, found.request.seed) == ("a cat", 5)


def test_novelai(tmp_path: Path) -> None:
    comment = json.dumps({"prompt": "a cat", "steps": 28, "sampler": "k_euler_ancestral", "seed": 9, "scale": 5.0})
    outer = json.dumps({"Software": "NovelAI", "Source": "NovelAI Diffusion V3", "Comment": comment})
    hide(b"stealth_pngcomp", gzip.compress(outer.encode())).save(tmp_path / "a.png")
    found = read_metadata(tmp_path / "a.png")
    assert (found.program, found.prompt, found.request.seed) == ("NovelAI NovelAI Diffusion V3", "a cat", 9)
    # No size is told, so it is the picture's
    assert (found.request.width, found.request.height, found.warnings) == (*SIZE, [])


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (hide(b"stealth_pnginfo", b"a", length=2**32 - 8), "claims 536,870,911 bytes, which cannot be"),
        (hide(b"stealth_pngcomp", b"no gzip"), "is damaged: Error -3"),
        (hide(b"stealth_pngcomp", gzip.compress(b"a" * 50)[:-9]), "is cut off, or longer than 4,000,000 bytes"),
        (hide(b"stealth_pnginfo", b"\xff\xfe"), "is damaged: 'utf-8' codec"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, picture: PILImage.Image, message: str) -> None:
    picture.save(tmp_path / "a.png")
    with pytest.raises(RequestError, match=rf'^".*a\.png": the text hidden in its pixels {message}'):
        read_metadata(tmp_path / "a.png")


def test_a_text_that_swells_is_bounded() -> None:
    packer = zlib.compressobj(9, wbits=31)
    content = packer.compress(bytes(10**7)) + packer.flush()
    with pytest.raises(RequestError, match="longer than 4,000,000 bytes"):
        hidden_text(hide(b"stealth_pngcomp", content, (400, 300)), 4_000_000)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "I;16"])
def test_pictures_without_one(mode: str) -> None:
    assert hidden_text(PILImage.new(mode, (9, 7)), 1000) is None


@given(st.binary(max_size=60), st.sampled_from([b"stealth_pnginfo", b"stealth_pngcomp"]), st.integers(0, 600))
def test_any_content_is_read_or_refused(content: bytes, mark: bytes, length: int) -> None:
    with contextlib.suppress(RequestError):
        assert isinstance(hidden_text(hide(mark, content, (40, 30), length), 1000), str)
