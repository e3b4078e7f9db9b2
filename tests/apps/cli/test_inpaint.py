from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from inkbloom.pipelines.metadata import read_metadata

QUICK = ("--device", "cpu", "--steps", "2")


def make_pair(folder: Path, name: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    PILImage.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(folder / f"{name}.png")
    mask = PILImage.new("L", size)
    mask.paste(255, (10, 10, 30, 40))
    mask.save(folder / f"{name}_mask.png")


def test_every_pair_of_a_folder(run, tiny_file: Path, tmp_path: Path) -> None:
    make_pair(tmp_path, "a", (64, 64))
    make_pair(tmp_path, "b", (70, 50))
    out = tmp_path / "out"
    code, said, err = run("inpaint", "--indir", tmp_path, "--outdir", out, "--ckpt", tiny_file, *QUICK)
    assert (code, said, err) == (0, f"Inpainted 2 of 2 pictures into {out}.\n", "")
    for name in ("a", "b"):
        with PILImage.open(out / f"{name}.png") as painted, PILImage.open(tmp_path / f"{name}.png") as given:
            assert painted.size == given.size
            same = (np.asarray(painted) == np.asarray(given)).all(axis=-1)
        assert not same[15:35, 15:25].all()
        assert same[:, 45:].all()
    request = read_metadata(out / "a.png").request
    assert request is not None
    assert (request.strength, request.masked_content, request.steps) == (1.0, "fill", 2)
    assert run("verify", out / "b.png", "--ckpt", tiny_file)[0] == 0


def test_options_keep_the_other_defaults(run, tiny_file: Path, tmp_path: Path) -> None:
    make_pair(tmp_path, "a", (64, 64))
    common = ("--indir", tmp_path, "--outdir", tmp_path / "out", "--ckpt", tiny_file, *QUICK)
    assert run("inpaint", "a dog", *common, "--mask-blur", "1")[0] == 0
    request = read_metadata(tmp_path / "out/a.png").request
    assert request is not None
    assert (request.prompt, request.mask_blur, request.masked_content) == ("a dog", 1.0, "fill")


def test_a_bad_picture_does_not_stop_the_rest(run, tiny_file: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make_pair(tmp_path, name, (64, 64))
    (tmp_path / "a.png").write_bytes(b"nonsense")
    (tmp_path / "b.png").unlink()
    out = tmp_path / "out"
    code, said, err = run("inpaint", "--indir", tmp_path, "--outdir", out, "--ckpt", tiny_file, *QUICK)
    assert (code, said) == (2, f"Inpainted 1 of 3 pictures into {out}.\n")
    lines = err.splitlines()
    assert lines[0].startswith(
        f'inkbloom: a.png: "{tmp_path / "a.png"}" is not a picture in a format that Pillow reads'
    )
    assert lines[1] == f'inkbloom: b.png: There is no picture "{tmp_path / "b.png"}".'
    assert (out / "c.png").exists()


@pytest.mark.parametrize(
    ("folder", "message"),
    [("none", 'Cannot read the folder "none": No such file or directory.'), (".", 'There is no NAME_mask.png in "."')],
)
def test_bad_folders(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run("inpaint", "--indir", folder, "--outdir", "out")
    assert code == 2
    assert err.startswith(f"inkbloom: {message}")
    assert err.count("\n") == 1
