from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from inkbloom.pipelines.pictures import open_picture

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.new("RGB", (20, 10), "red").save(folder / "a.png")
    (folder / "b.png").write_text("no picture")
    Image.new("CMYK", (10, 20)).save(folder / "c.jpg")
    return folder


def test_a_bad_file_in_the_middle_is_told(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said, told = run("upscale", folder, "--upscaler", "Lanczos", "--scale", 2, "--outdir", out)
    assert code == 2
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "c.png"]
    assert open_picture(out / "a.png").size == (40, 20)
    assert f"Enlarged {folder / 'a.png'} from 20 x 10 to 40 x 20 pixels, saved as {out / 'a.png'}." in said
    lines = told.splitlines()
    assert lines[0].startswith(f'inkbloom: "{folder / "b.png"}" is not a picture')
    assert lines[1] == "inkbloom: 1 of 3 files could not be enlarged."


def test_the_starters_own_and_a_mixture(run: Run, folder: Path, tmp_path: Path) -> None:
    options = ["--width", 32, "--height", 32, "--crop", "--upscaler2", "Nearest", "--visibility2", 0.5]
    for _ in range(2):
        assert run("upscale", folder / "a.png", *options, "--outdir", tmp_path / "out")[0] == 0
    assert [open_picture(tmp_path / "out" / name).size for name in ("a.png", "a-1.png")] == [(32, 32)] * 2


def test_painted_again(run: Run, folder: Path, tmp_path: Path) -> None:
    options = ["--scale", 4, "--upscaler", "None", "--repaint", "a cat", "--steps", 1, "--outdir", tmp_path / "out"]
    code, _, told = run("upscale", folder / "a.png", *options)
    assert (code, told) == (0, "")
    assert open_picture(tmp_path / "out" / "a.png").size == (80, 40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give pictures, or folders of them, as in: inkbloom upscale photo.jpg."),
        (["nowhere.png"], 'There is no picture "nowhere.png".'),
        (["x.png", "--upscaler", "Lanczo"], 'Unknown upscaler "Lanczo". Did you mean "Lanczos"?'),
        (["x.png", "--width", "64"], "--width and --height belong together; give both, or --scale."),
        (["x.png", "--visibility2", "0.5"], "--visibility2 0.5: there is no --upscaler2 that could be seen."),
        (["x.png", "--tile", "4"], "A tile of 4 pixels: it must be 0 (whole) or from 16 to 8192."),
    ],
)
def test_bad_input(run: Run, arguments: list[str], message: str) -> None:
    assert run("upscale", *arguments) == (2, "", f"inkbloom: {message}\n")


def test_hires_options(run: Run, tmp_path: Path) -> None:
    few = ["--steps", 1, "--n_iter", 1, "--n_samples", 1, "--skip_grid", "--outdir", tmp_path]
    assert run("txt2img", "a cat", *few, "--hires-size", 192, 0, "--hires-steps", 1)[0] == 0
    assert open_picture(tmp_path / "samples" / "00000.png").size == (192, 192)
    code, _, told = run("txt2img", "a cat", *few, "--window", 64)
    assert (code, told) == (2, "inkbloom: --window and --window-overlap describe --tiled-diffusion; give that too.\n")


def test_the_list(run: Run) -> None:
    code, said, _ = run("upscale", "--upscaler", "list")
    assert code == 0
    assert said.splitlines()[:4] == ["None", "Lanczos", "Nearest", "Starter"]
