import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from inkbloom import GenerationRequest
from inkbloom.pipelines.metadata import read_metadata

QUICK = ("--device", "cpu", "--steps", "2", "--skip_grid", "--n_samples", "1")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """70 x 50 pixels, and beside it mask.png, white in the middle."""
    rng = np.random.default_rng(0)
    PILImage.fromarray(rng.integers(0, 256, (50, 70, 3), np.uint8)).save(tmp_path / "photo.png")
    mask = np.zeros((50, 70), np.uint8)
    mask[20:30, 30:40] = 255
    PILImage.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path / "photo.png"


def request_in(path: Path) -> GenerationRequest:
    request = read_metadata(path).request
    assert request is not None
    return request


def test_compvis_flags(run, tiny_file: Path, tmp_path: Path, photo: Path) -> None:
    flags = ("--init-img", photo, "--strength", "0.5", "--ddim_steps", "4", "--scale", "5.0", "--n_samples", "2")
    code, out, err = run("img2img", "--prompt", "a dog", *flags, "--ckpt", tiny_file, "--outdir", tmp_path / "out")
    assert (code, err) == (0, "")
    assert sorted(os.listdir(tmp_path / "out")) == ["grid-0000.png", "samples"]
    assert sorted(os.listdir(tmp_path / "out/samples")) == ["00000.png", "00001.png"]
    assert out.startswith("Painted 2 pictures in ")
    request = request_in(tmp_path / "out/samples/00001.png")
    assert (request.strength, request.steps, request.guidance_scale, request.seed) == (0.5, 4, 5.0, 43)
    with PILImage.open(tmp_path / "out/samples/00000.png") as picture:
        assert picture.size == (70, 50)


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (("--step-rule", "exact", "--noise-multiplier", "0.9", "--extra-noise", "0.1"),
         {"step_rule": "exact", "noise_multiplier": 0.9, "extra_noise": 0.1, "strength": 0.75}),
        (("--mask", "mask.png", "--mask-blur", "2", "--mask-invert", "--mask-soft", "--mask-grow", "0"),
         {"mask_blur": 2.0, "mask_invert": True, "mask_soft": True, "mask_grow": 0}),
        (("--mask", "mask.png", "--content", "noise", "--area", "masked", "--inpaint-padding", "8"),
         {"masked_content": "noise", "inpaint_area": "masked", "inpaint_padding": 8, "match_colors": True}),
        (("--mask", "mask.png", "--no-match-colors", "--mask-strength", "0.5"),
         {"match_colors": False, "mask_strength": 0.5}),
        (("--outpaint", "all=8", "--outpaint", "right=16"),
         {"outpaint_left": 8, "outpaint_right": 16, "outpaint_top": 8, "outpaint_bottom": 8}),
        (("--W", "64", "--H", "96", "--resize-mode", "crop", "--tiling", "x"),
         {"width": 64, "height": 96, "resize_mode": "crop", "tiling": "x"}),
        (("--variation-seed", "5", "--variation-strength", "0.2", "--seed-resize", "64", "96"),
         {"variation_seed": 5, "variation_strength": 0.2, "seed_width": 64, "seed_height": 96}),
    ],
)  # fmt: skip
def test_flags_reach_the_request(run, tiny_file: Path, tmp_path: Path, photo: Path, flags, fields: dict) -> None:
    own = [str(tmp_path / flag) if flag == "mask.png" else flag for flag in flags]
    common = ("--init-img", photo, "--ckpt", tiny_file, "--outdir", tmp_path / "out", *QUICK)
    assert run("img2img", "a dog", *common, *own)[0] == 0
    painted = tmp_path / "out/samples/00000.png"
    written = request_in(painted).model_dump()
    assert {name: written[name] for name in fields} == fields
    code, out, _ = run("verify", painted, "--ckpt", tiny_file)
    assert (code, out.splitlines()[0]) == (0, "It is the same, bit for bit.")


def test_variations_count_their_own_seed(run, tiny_file: Path, tmp_path: Path) -> None:
    common = ("--ckpt", tiny_file, "--outdir", tmp_path, "--skip_grid", "--steps", "1", "--n_iter", "1")
    assert run("txt2img", "a dog", *common, "--variation-seed", "5", "--variation-strength", "0.5")[0] == 0
    painted = [request_in(path) for path in sorted((tmp_path / "samples").iterdir())]
    assert [(each.seed, each.variation_seed) for each in painted] == [(42, 5), (42, 6), (42, 7)]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "Which picture? Give it by --init-img, as in: inkbloom img2img --init-img photo.jpg ..."),
        (("--init-img", "none.png"), 'There is no picture "none.png".'),
        (("--init-img", "photo.png", "--mask", "small.png"),
         "The mask has 8 x 8 pixels, the picture 70 x 50; they must agree."),
        (("--init-img", "photo.png", "--mask", "black.png"),
         "The mask is empty: no pixel is white, so nothing is repainted."),
        (("--init-img", "photo.png", "--strength", "2"), "strength 2.0: must be a number from 0 to 1."),
        (("--init-img", "photo.png", "--outpaint", "up=8"),
         '--outpaint "up=8": must be SIDE=PIXELS; the sides are left, right, top, bottom and all.'),
        (("--init-img", "photo.png", "--outpaint", "left=-8"), '--outpaint "left=-8": must be SIDE=PIXELS; the sides'),
        (("--init-img", "photo.png", "--mask", "mask.png", "--resize-mode", "latent"),
         "resize_mode 'latent': a mask cannot follow there; choose stretch, crop or fill"),
    ],
)  # fmt: skip
def test_bad_input(
    run, tiny_file: Path, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, flags, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    PILImage.new("L", (8, 8), 255).save("small.png")
    PILImage.new("L", (70, 50)).save("black.png")
    code, out, err = run("img2img", "a dog", "--ckpt", tiny_file, *QUICK, *flags)
    assert (code, out) == (2, "")
    assert err.startswith(f"inkbloom: {message}")
    assert err.count("\n") == 1


def test_a_picture_changed_since_cannot_be_verified(run, tiny_file: Path, tmp_path: Path, photo: Path) -> None:
    assert run("img2img", "", "--init-img", photo, "--ckpt", tiny_file, "--outdir", tmp_path / "out", *QUICK)[0] == 0
    PILImage.new("RGB", (70, 50)).save(photo)
    code, _, err = run("verify", tmp_path / "out/samples/00000.png", "--ckpt", tiny_file)
    assert (code, err) == (
        2,
        f'inkbloom: "{photo}" is no longer the picture that was meant: its pixels have changed.\n',
    )
