import json
import os
from pathlib import Path

import pytest
from PIL import Image as PILImage

from inkbloom.pipelines.metadata import read_metadata

SMALL = ("--W", "64", "--H", "64", "--steps", "1", "--device", "cpu")


def test_a_plot_is_painted_drawn_and_stored_as_data(run, tiny_file: Path, tmp_path: Path) -> None:
    arguments = ("plot", "a cat", "--x", "Seed: 1-2", "--y", "Sampler: Euler, DDIM", "--ckpt", tiny_file, *SMALL)
    code, out, err = run(*arguments, "--outdir", tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith("Painted 4 pictures in ")
    assert out.endswith(f"The plot is {tmp_path}/plot.png, its data {tmp_path}/plot.json.\n")
    plan = json.loads((tmp_path / "plot.json").read_text())
    assert plan["axes"]["x"] == {"name": "Seed", "labels": ["1", "2"]}
    for entry in plan["entries"]:
        request = read_metadata(tmp_path / entry["file"]).request
        x, y, z = entry["place"]
        assert request is not None
        assert (request.seed, request.sampler, z) == (x + 1, ["Euler", "DDIM"][y], 0)
        assert entry["request"]["seed"] == request.seed
    told = read_metadata(tmp_path / "plot.png")
    axes = {"X Type": "Seed", "X Values": "1, 2", "Y Type": "Sampler", "Y Values": "Euler, DDIM"}
    assert {"Script": "X/Y/Z plot", **axes}.items() <= told.fields.items()
    assert (told.prompt, told.warnings) == ("a cat", [])
    with PILImage.open(tmp_path / "plot.png") as drawn:
        assert drawn.width > 128
        assert drawn.height > 128
        corner = drawn.crop((drawn.width - 64, drawn.height - 64, drawn.width, drawn.height))
        with PILImage.open(tmp_path / "00003.png") as last:
            assert corner.tobytes() == last.tobytes()
    (tmp_path / "00002.png").unlink()
    code, out, _ = run(*arguments, "--outdir", tmp_path)
    assert code == 0
    assert out.startswith("3 of 4 pictures are there already.\nPainted 1 picture in ")


def test_a_random_seed_is_kept(run, tiny_file: Path, tmp_path: Path) -> None:
    arguments = ("plot", "a cat", "--x", "Steps: 1, 2", "--ckpt", tiny_file, "--outdir", tmp_path, "--no-drawing")
    arguments += (*SMALL, "--seed", "-1")
    assert run(*arguments)[0] == 0
    seeds = {read_metadata(tmp_path / name).request.seed for name in ("00000.png", "00001.png")}
    assert len(seeds) == 1
    (tmp_path / "00001.png").unlink()
    code, out, _ = run(*arguments)
    assert code == 0
    assert out.startswith("1 of 2 pictures are there already.")
    assert {read_metadata(tmp_path / "00001.png").request.seed} == seeds


def test_a_matrix_with_a_model_along_z(run, tiny_file: Path, tmp_path: Path) -> None:
    arguments = ("plot", "a cat|red", "--matrix", "--z", f"Checkpoint name: {tiny_file}", "--outdir", tmp_path)
    code, _, err = run(*arguments, "--no-drawing", "--ckpt", tiny_file, *SMALL)
    assert (code, err) == (0, "")
    assert sorted(os.listdir(tmp_path)) == ["00000.png", "00001.png", "plot.json"]
    assert [read_metadata(tmp_path / f"0000{i}.png").prompt for i in (0, 1)] == ["a cat", "a cat, red"]


def test_characters_that_no_font_has_are_told(run, tiny_file: Path, tmp_path: Path) -> None:
    code, _, err = run(
        "plot", "a cat", "--x", "Prompt S/R: cat, \U000f0000", "--ckpt", tiny_file, "--outdir", tmp_path, *SMALL
    )
    assert code == 0
    assert err == (
        "inkbloom: No font here has \U000f0000; the labels show boxes. Give one by --font, or install one such as "
        "Noto Sans CJK.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--x", "Stps: 1"), 'Unknown axis "Stps". Did you mean "Steps" or "Styles"'),
        (("--x", "Steps: few"), 'Axis "Steps": "few" is no whole number, nor a range such as 10-30 (+10) or 1-10 [5].'),
        (("--x", "Steps: 1, 0"), "Steps: 0: steps 0: must be a whole number from 1 to 10000."),
        (("--x", "Checkpoint name: none.ckpt"), "none.ckpt"),
        (("--matrix",), 'A matrix needs a prompt such as "a castle|by night|in the snow"; "a cat" has no options.'),
        (("--matrix", "--y", "Steps: 1"), "--matrix takes x and y for itself; leave --x and --y out"),
        (("--margin", "501"), "--margin 501: must be from 0 to 500 pixels."),
        (("--x", "Seed: 1-3000", "--W", "512", "--H", "512"), "at most 200 million are drawn"),
        (("--watermark",), "watermark: a picture of 64 x 64 pixels is too small to carry one"),
    ],
)  # fmt: skip
def test_bad_plots(run, tiny_file: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    size = () if "--W" in arguments else SMALL
    code, out, err = run("plot", "a cat", "--ckpt", tiny_file, "--outdir", tmp_path, *size, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.png"))
