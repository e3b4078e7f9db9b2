import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.core.errors import OutputError, RequestError
from inkbloom.pipelines.interpolation import between, find_encoder, interpolate, movie_format, save_movie


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


REQUEST = GenerationRequest(prompt="a cat", seed=3, steps=2)


def test_the_ends_are_the_pictures_themselves(model: StableDiffusion) -> None:
    way = [*interpolate(model, REQUEST, to_prompt="a [dog:bird:1]", to_seed=8, frames=3)]
    first = model.generate(REQUEST).images[0]
    last = model.generate("a [dog:bird:1]", seed=8, steps=2).images[0]
    assert way[0].tobytes() == first.tobytes()
    # slerp reaches its end but for rounding
    assert np.abs(np.asarray(way[2], np.int16) - np.asarray(last, np.int16)).max() <= 1
    assert way[1].tobytes() not in (first.tobytes(), last.tobytes())


def test_conditionings_go_straight_whatever_their_length(model: StableDiffusion) -> None:
    reads = [model.prompts.read(model.resolve(GenerationRequest(prompt=text))) for text in ("a cat", "dog " * 90)]
    first, last = model.prompts.encode(reads)
    half = between(first, last, 0.5).cond.at(0).conditioning
    a, b = first.cond.at(0).conditioning, last.cond.at(0).conditioning
    assert (a.shape[1], b.shape[1], half.shape[1]) == (77, 154, 154)
    torch.testing.assert_close(half[:, :77], (a + b[:, :77]) / 2)
    assert torch.equal(between(first, last, 1.0).cond.at(0).conditioning, b)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "Between what? Give a second prompt, a second seed, or both."),
        ({"to_seed": 1, "frames": 1}, "1 frames: must be from 2 to 10000."),
        ({"to_prompt": "a AND b"}, "The two prompts have 1 and 2 AND parts; they must have as many."),
    ],
)
def test_what_has_no_way_between(model: StableDiffusion, asked: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        interpolate(model, REQUEST, **asked)
    assert str(caught.value) == message


FRAMES = [PILImage.new("RGB", (33, 21), (40 * i, 100, 200 - 40 * i)) for i in range(5)]


@pytest.mark.parametrize("format", [".gif", ".webp"])
def test_moving_pictures(tmp_path: Path, format) -> None:
    path = tmp_path / f"a{format}"
    assert movie_format(path) == format
    save_movie(FRAMES, path, format, seconds=1.0)
    with PILImage.open(path) as movie:
        assert movie.n_frames == 5
        for index, frame in enumerate(FRAMES):
            movie.seek(index)
            movie.load()
            assert movie.info["duration"] == 200
            apart = np.abs(np.asarray(movie.convert("RGB"), np.int16) - np.asarray(frame, np.int16))
            assert apart.max() <= (0 if format == ".webp" else 4)


def test_mp4(tmp_path: Path) -> None:
    try:
        encoder = find_encoder()
    except RequestError:
        pytest.skip("there is no ffmpeg")
    path = tmp_path / "a.mp4"
    save_movie(FRAMES, path, ".mp4", seconds=1.0)
    assert path.read_bytes()[4:8] == b"ftyp"
    command = [encoder, "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    found = np.frombuffer(raw, np.uint8).reshape(5, 22, 34, 3).astype(float)
    assert np.abs(found[2, :21, :33] - np.asarray(FRAMES[2])).mean() < 8
    with pytest.raises(OutputError, match=r"ffmpeg could not write "):
        save_movie(FRAMES, tmp_path / "none" / "a.mp4", ".mp4", seconds=1.0)


def test_endings(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match=r'^"a\.avi": a moving picture ends in \.gif, \.webp, \.mp4\.$'):
        movie_format(Path("a.avi"))
    monkeypatch.setenv("PATH", "")
    if shutil.which("ffmpeg") is None:
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError:
            with pytest.raises(
                RequestError, match="MP4 needs the program ffmpeg: pip install imageio-ffmpeg, or write"
            ):
                movie_format(Path("a.mp4"))
