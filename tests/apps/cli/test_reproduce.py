import os
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from inkbloom.pipelines.metadata import read_metadata


@pytest.fixture
def painted(run, tiny_file: Path, tmp_path: Path) -> Path:
    settings = ("--n_iter", "1", "--n_samples", "2", "--steps", "2", "--device", "cpu", "--seed", "7")
    assert run("txt2img", "a dog", "--ckpt", tiny_file, "--outdir", tmp_path / "first", *settings)[0] == 0
    return tmp_path / "first" / "samples" / "00001.png"


def test_our_own_picture_comes_out_the_same(run, tiny_file: Path, tmp_path: Path, painted: Path) -> None:
    outdir = tmp_path / "again"
    code, out, err = run("reproduce", painted, "--ckpt", tiny_file, "--outdir", outdir)
    assert (code, err) == (0, "")
    assert out.startswith("Painted the picture of inkbloom ")
    assert out.endswith(f" again (seed 8), saved as {outdir}/00001-reproduced.png.\n")
    again = outdir / "00001-reproduced.png"
    with Image.open(painted) as first, Image.open(again) as second:
        assert first.tobytes() == second.tobytes()
    assert read_metadata(again).request == read_metadata(painted).request
    run("reproduce", painted, "--ckpt", tiny_file, "--outdir", outdir)
    assert sorted(os.listdir(outdir)) == ["00001-reproduced-1.png", "00001-reproduced.png"]


def test_a_foreign_picture_by_another_model_is_told(run, tiny_file: Path, tmp_path: Path) -> None:
    notes = PngInfo()
    pairs = "Steps: 2, Sampler: Euler, Seed: 7, Size: 64x64, Model: dreamer, Model hash: aaaaaaaaaa"
    pairs += ", Face restoration: GFPGAN"
    notes.add_text("parameters", f"a dog\n{pairs}")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=notes)
    code, out, err = run("reproduce", tmp_path / "a.png", "--ckpt", tiny_file, "--outdir", tmp_path, "--device", "cpu")
    assert (code, out) == (0, f"Painted the picture of A1111 again (seed 7), saved as {tmp_path}/a-reproduced.png.\n")
    lines = err.splitlines()
    assert lines[0] == 'inkbloom: "Face restoration: GFPGAN" has no counterpart here.'
    assert lines[1].startswith("inkbloom: It was painted with model dreamer (aaaaaaaaaa); now with tiny (")
    assert len(lines) == 2
    assert read_metadata(tmp_path / "a-reproduced.png").request.model == "tiny"


def test_no_prompt_no_picture(run, tmp_path: Path) -> None:
    notes = PngInfo()
    notes.add_text("inkbloom", '{"program": "inkbloom 0.1.0", "request": {"steps": 3}}')
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=notes)
    code, _, err = run("reproduce", tmp_path / "a.png", "--outdir", tmp_path / "out")
    assert (code, err) == (
        2,
        "inkbloom: The picture was saved without its prompt, so it cannot be painted again.\n",
    )
    assert not (tmp_path / "out").exists()
