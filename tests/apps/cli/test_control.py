from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inkbloom.checkpoints import LoadedModel
from inkbloom.checkpoints.control import save_controlnet
from inkbloom.models.controlnet import ControlNet
from inkbloom.nn.canny import canny
from inkbloom.pipelines.metadata import read_metadata

QUICK = ("--device", "cpu", "--steps", "1", "--n_iter", "1", "--n_samples", "1", "--skip_grid")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "photo.png"
    pixels = np.zeros((64, 80, 3), np.uint8)
    pixels[20:40, 30:60] = 250
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def control_file(tiny_model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("controls") / "edges.safetensors"
    assert tiny_model.unet is not None
    save_controlnet(path, ControlNet.copy_of(tiny_model.unet))
    return path


def test_a_picture_steers(run, tiny_file: Path, control_file: Path, picture: Path, tmp_path: Path) -> None:
    command = ["txt2img", "a dog", "--ckpt", tiny_file, "--outdir", tmp_path, *QUICK]
    command += ["--control", f"{control_file}:0.8:0.1", "--control-image", picture]
    command += ["--control-preprocessor", "canny:50:150", "--control-mode", "control", "--control-resize", "fill"]
    code, _, err = run(*command)
    assert (code, err) == (0, "")
    request = read_metadata(tmp_path / "samples" / "00000.png").request
    assert request is not None
    (unit,) = request.controls
    assert (unit.model, unit.weight, unit.start, unit.end) == (str(control_file), 0.8, 0.1, 1.0)
    assert (unit.preprocessor, unit.threshold_a, unit.threshold_b) == ("canny", 50, 150)
    assert (unit.mode, unit.resize_mode, unit.resolution) == ("control", "fill", None)
    assert unit.image.path == str(picture)


def test_one_picture_for_two_controls(run, tiny_file: Path, control_file: Path, picture: Path, tmp_path: Path) -> None:
    both = ["--control", control_file, "--control", f"{control_file}:0.5", "--control-image", picture]
    code, _, err = run("txt2img", "a dog", "--ckpt", tiny_file, "--outdir", tmp_path, *QUICK, *both)
    assert (code, err) == (0, "")
    request = read_metadata(tmp_path / "samples" / "00000.png").request
    assert request is not None
    assert [(unit.weight, unit.image.path) for unit in request.controls] == [(1.0, str(picture)), (0.5, str(picture))]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--control", "a"), '--control "a" needs a picture; give it by --control-image.'),
        (("--control-mode", "prompt"), "--control-mode prompt: there is no --control that it could belong to."),
        (
            ("--control", "a", "--control-image", "b.png", "--control-image", "c.png"),
            "--control-image is given 2 times, --control 1 times.",
        ),
        (
            ("--control", "a:1:0:1:2", "--control-image", "b.png"),
            '--control "a:1:0:1:2" has 4 numbers; at most 3 are allowed.',
        ),
        (
            ("--control", "a", "--control-image", "b.png", "--control-preprocessor", "canny:much"),
            '--control-preprocessor "canny:much": "much" is no number.',
        ),
        (("--control", "a:3", "--control-image", "b.png"), "weight 3.0: must be less than or equal to 2."),
        (("--control", "a", "--control-image", "b.png"), 'There is no picture "b.png".'),
    ],
)
def test_bad_options(run, tiny_file: Path, arguments: tuple[str, ...], expected: str) -> None:
    code, _, err = run("txt2img", "a dog", "--ckpt", tiny_file, "--device", "cpu", *arguments)
    assert (code, err) == (2, f"inkbloom: {expected}\n")


def test_regions_are_kept_and_proved(run, tiny_file: Path, tmp_path: Path) -> None:
    halves = tmp_path / "left.png", tmp_path / "right.png"
    for path, edges in zip(halves, ((0, 0, 32, 64), (32, 0, 64, 64)), strict=True):
        mask = Image.new("L", (64, 64))
        mask.paste(255, edges)
        mask.save(path)
    masks = ["--region", f"1={halves[0]}", "--region", f"2={halves[1]}:2.5"]
    model = ["--ckpt", tiny_file]
    code, _, err = run("txt2img", "a dog AND a cat", *model, "--outdir", tmp_path, *QUICK, *masks)
    assert (code, err) == (0, "")
    painted = tmp_path / "samples" / "00000.png"
    request = read_metadata(painted).request
    assert request is not None
    assert [(each.part, each.image.path, each.blur) for each in request.regions] == [
        (1, str(halves[0]), 0),
        (2, str(halves[1]), 2.5),
    ]
    assert run("verify", painted, *model) == (0, "It is the same, bit for bit.\n", "")
    assert run("reproduce", painted, *model, "--outdir", tmp_path / "again")[0] == 0
    with Image.open(painted) as first, Image.open(tmp_path / "again" / "00000-reproduced.png") as second:
        assert first.tobytes() == second.tobytes()
    # The same on a picture to start from
    code, _, err = run(
        "img2img", "a dog AND a cat", "--init-img", painted, *model, "--outdir", tmp_path, *QUICK, *masks
    )
    assert (code, err) == (0, "")


@pytest.mark.parametrize("text", ["left.png", "=left.png", "one=left.png", "1="])
def test_a_region_that_cannot_be_read(run, text: str) -> None:
    code, _, err = run("txt2img", "a dog AND a cat", "--region", text)
    expected = f'inkbloom: --region "{text}": must be PART=MASK, such as 1=left.png or, blurred, 1=left.png:4.\n'
    assert (code, err) == (2, expected)


def test_preprocess(run, picture: Path, tmp_path: Path) -> None:
    code, out, _ = run("preprocess", "canny", picture, tmp_path / "out" / "edges.png", "--setting", "50")
    assert (code, out) == (0, f"Saved {tmp_path}/out/edges.png.\n")
    made = np.asarray(Image.open(tmp_path / "out" / "edges.png"))
    pixels = torch.from_numpy(np.array(Image.open(picture))).movedim(-1, 0)[None]
    assert np.array_equal(made[..., 0], canny(pixels, 50)[0, 0].numpy())
    _, again, _ = run("preprocess", "invert", picture, tmp_path / "out" / "edges.png")
    assert again == f"Saved {tmp_path}/out/edges-1.png.\n"


def test_preprocess_bad_input(run, picture: Path) -> None:
    _, listed, _ = run("preprocess", "list")
    assert "canny              outlines, white on black (the low threshold 100, the high threshold 200)" in listed
    assert run("preprocess", "cany")[2] == 'inkbloom: Unknown preprocessor "cany". Did you mean "canny"?\n'
    assert run("preprocess", "canny", picture)[2].startswith("inkbloom: Give a picture and where to put the result")
    assert "takes no settings, not 1" in run("preprocess", "invert", picture, "x.png", "--setting", "1")[2]
