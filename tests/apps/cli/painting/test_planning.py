import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

QUICK = ("--device", "cpu")
TIME = r"Time: about \d+\.\d s, for {} steps? a picture \({}\)\.\n"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (72, 96, 3), np.uint8)
    PILImage.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize(
    ("flags", "pictures", "time"),
    [
        ((), "6 pictures of 64 x 64 pixels each, 3 at once", TIME.format(4, "DDIM, leading")),
        (
            ("--n_iter", "1", "--n_samples", "1", "--W", "128", "--steps", "1", "--sampler", "Euler a"),
            "a picture of 128 x 64 pixels",
            TIME.format(1, "Euler a, uniform"),
        ),
        (
            ("--n_iter", "2", "--n_samples", "1", "--hires-scale", "2"),
            "2 pictures of 64 x 64 pixels and then 128 x 128 each",
            TIME.format(8, "DDIM, leading"),
        ),
        (
            ("--sampler", "DPM adaptive", "--schedule", "karras", "--n_samples", "1"),
            "2 pictures of 64 x 64 pixels each",
            r"Time: not known, since DPM adaptive, karras chooses its own number of steps\.\n",
        ),
    ],
)
def test_what_would_be_painted(
    run, tiny_file: Path, tmp_path: Path, flags: tuple[str, ...], pictures: str, time: str
) -> None:
    out = tmp_path / "out"
    code, said, err = run("txt2img", "a dog", "--ckpt", tiny_file, "--outdir", out, *QUICK, *flags, "--dry-run")
    assert (code, err) == (0, "")
    painted, memory, rest = said.splitlines(keepends=True)
    assert painted == f"To be painted: {pictures}, by tiny on cpu in float32.\n"
    assert re.fullmatch(r"Memory: at least \d+ MiB; it fits into the \d+\.\d GiB that are free\.\n", memory)
    assert re.fullmatch(time, rest)
    assert not out.exists()


def test_from_a_picture_in_its_size_and_its_steps(run, tiny_file: Path, photo: Path, tmp_path: Path) -> None:
    own = ("--init-img", photo, "--strength", "0.5", "--steps", "8", "--device", "cpu", "--outdir", tmp_path / "out")
    code, said, _ = run("img2img", "a dog", "--ckpt", tiny_file, *own, "--dry-run")
    assert code == 0
    assert "2 pictures of 96 x 72 pixels each, 2 at once" in said
    assert re.search(TIME.format(5, "DDIM, leading"), said)  # A1111's rule: half of the steps, and one
    assert os.listdir(tmp_path) == ["photo.png"]


def test_a_folder_of_masks(run, tiny_file: Path, photo: Path, tmp_path: Path) -> None:
    PILImage.new("L", (96, 72), 255).save(tmp_path / "photo_mask.png")
    folders = ("--indir", tmp_path, "--outdir", tmp_path / "out")
    code, said, _ = run("inpaint", *folders, "--ckpt", tiny_file, *QUICK, "--dry-run")
    assert code == 0
    assert said.startswith("To be painted: a picture of 96 x 72 pixels, by tiny on cpu in float32.\n")
    assert re.search(TIME.format(4, "DDIM, leading"), said)
    assert not (tmp_path / "out").exists()


def test_what_does_not_fit_is_refused_before_anything_is_loaded(run, tiny_file: Path) -> None:
    large = ("--W", "8192", "--H", "8192", "--n_samples", "512")
    code, said, err = run("txt2img", "a dog", "--ckpt", tiny_file, *QUICK, *large, "--dry-run")
    assert code == 2
    assert said.startswith("To be painted: 1024 pictures of 8192 x 8192 pixels each, 512 at once")
    assert "Time" not in said
    assert re.fullmatch(
        r"inkbloom: This needs at least \d+\.\d GiB of memory, but \d+\.\d GiB are free; choose .*\n", err
    )


def test_mistakes_are_those_of_painting(run, tiny_file: Path) -> None:
    code, _, err = run("txt2img", "a (dog:1.2.3)", "--ckpt", tiny_file, *QUICK, "--dry-run")
    assert (code, "is not a number" in err) == (2, True)
    code, said, err = run("txt2img", "a dog", "--ckpt", "missing.safetensors", *QUICK, "--dry-run")
    assert (code, said) == (2, "")
    assert "missing.safetensors" in err
