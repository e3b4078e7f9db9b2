from pathlib import Path

from PIL import Image as PILImage

QUICK = ("--device", "cpu", "--steps", "1")


def test_there_and_back(run, tiny_file: Path, tmp_path: Path) -> None:
    own = ("--ckpt", tiny_file, "--out", tmp_path / "a.webp", "--frames", "3", *QUICK)
    for name in ("a.webp", "a-1.webp"):
        code, out, err = run("interpolate", "a cat", "a dog", "--to-seed", "5", "--back", *own)
        assert (code, out, err) == (0, f"Painted 3 pictures, saved as {tmp_path / name}.\n", "")
    with PILImage.open(tmp_path / "a.webp") as movie:
        assert movie.n_frames == 4


def test_bad_input(run, tiny_file: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("--out", "a.avi"), '"a.avi": a moving picture ends in .gif, .webp, .mp4.'),
        ((), "Between what? Give a second prompt, a second seed, or both."),
    ):
        code, _, err = run("interpolate", "a cat", "--ckpt", tiny_file, *QUICK, *arguments)
        assert (code, err) == (2, f"inkbloom: {message}\n")
