import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image as PILImage

from inkbloom import StableDiffusion
from inkbloom.pipelines.metadata import read_metadata
from inkbloom.pipelines.spool import Spool

SMALL = ("--W", "64", "--H", "64", "--steps", "1", "--device", "cpu")


def prompts_in(folder: Path) -> dict[str, str]:
    return {path.name: read_metadata(path).prompt for path in sorted(folder.glob("*.png"))}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "a cat\n--prompt a dog --seed 7\n"),
        ("a.csv", "prompt,seed\na cat,\na dog,7\n"),
        ("a.jsonl", '{"prompt": "a cat"}\n{"prompt": "a dog", "seed": 7}\n'),
    ],
)
def test_files_of_requests(run, tiny_file: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    out = tmp_path / "out"
    code, said, err = run("batch", tmp_path / name, "--outdir", out, "--ckpt", tiny_file, "--seed", "5", *SMALL)
    assert (code, err) == (0, "")
    assert said.startswith("Painted 2 pictures in ")
    assert said.endswith(f" s, saved in {out}.\n")
    assert prompts_in(out) == {"00000.png": "a cat", "00001.png": "a dog"}
    requests = [read_metadata(path).request for path in sorted(out.glob("*.png"))]
    assert [request and request.seed for request in requests] == [5, 7]


def test_a_folder_of_pictures(run, tiny_file: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.png", "c.jpg"):
        PILImage.new("RGB", (64, 72), "red").save(source / name)
    (source / "b.png").write_text("no picture")
    code, said, err = run(
        "batch", source, "--prompt", "ink", "--strength", "0.5", "--outdir", out, "--ckpt", tiny_file, "--steps", "2"
    )
    assert code == 2
    assert err.startswith(f'inkbloom: "{source}/b.png" is not a picture in a format that Pillow reads')
    assert err.endswith(" It is left out.\n")
    assert said.startswith("Painted 2 pictures in ")
    assert prompts_in(out) == {"a.png": "ink", "c.png": "ink"}
    with PILImage.open(out / "a.png") as picture:
        assert picture.size == (64, 72)


def test_styles_and_the_same_seed(run, tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a cat\na dog\n")
    (tmp_path / "s.csv").write_text("name,prompt,negative_prompt\nink,ink of {prompt},\n")
    styled = ("--style", "ink", "--styles-file", tmp_path / "s.csv", "--same-seed", "--batch-size", "2")
    out = tmp_path / "out"
    assert run("batch", tmp_path / "a.txt", "--outdir", out, "--ckpt", tiny_file, *styled, *SMALL)[0] == 0
    assert list(prompts_in(out).values()) == ["ink of a cat", "ink of a dog"]
    requests = [read_metadata(path).request for path in out.glob("*.png")]
    assert {request and request.seed for request in requests} == {42}


def test_a_killed_batch_goes_on_where_it_was(run, tiny_file: Path, tmp_path: Path) -> None:
    """Killed, not stopped: what is there is whole, and each picture is the one of an undisturbed run."""
    (tmp_path / "a.txt").write_text("".join(f"dog {i}\n" for i in range(30)))
    out = tmp_path / "out"
    arguments = ["batch", tmp_path / "a.txt", "--outdir", out, "--ckpt", tiny_file, *SMALL, "--seed", "-1"]
    command = [sys.executable, "-m", "inkbloom", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while len(list(out.glob("*.png"))) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    before = {path.name: path.read_bytes() for path in out.glob("[0-9]*.png")}
    assert 3 <= len(before) < 30
    code, said, _ = run(*arguments)
    assert code == 0
    assert said.startswith(f"{len(before)} of 30 pictures are there already.\nPainted {30 - len(before)} picture")
    assert list(prompts_in(out).values()) == [f"dog {i}" for i in range(30)]
    assert all((out / name).read_bytes() == content for name, content in before.items())
    assert run(*arguments)[1] == "30 of 30 pictures are there already.\n"


def test_decode_paints_what_a_spool_holds(run, tiny_file: Path, tmp_path: Path) -> None:
    model = StableDiffusion.load(tiny_file, device="cpu")
    result = model.generate("a dog", seed=3, steps=1, width=64, height=64)
    Spool(tmp_path / "spool").write(result.latents, result.requests)
    code, out, err = run("decode", tmp_path / "spool", "--ckpt", tiny_file, "--outdir", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out == f"Decoded 1 picture, saved as {tmp_path}/out/00000.png.\n"
    with PILImage.open(tmp_path / "out/00000.png") as picture:
        assert picture.tobytes() == result.images[0].tobytes()
    assert not (tmp_path / "spool").exists()
    code, _, err = run("decode", tmp_path / "spool", "--ckpt", tiny_file)
    assert (code, err) == (2, f'inkbloom: There are no spooled latents at "{tmp_path / "spool"}".\n')


@pytest.mark.parametrize(
    ("name", "text", "more", "message"),
    [
        ("a.csv", "prompt,steps\na,many\n", (), "line 2: steps 'many': must be a whole number from 1 to 10000."),
        ("a.csv", "steps\n1\n", (), "line 2: prompt is missing."),
        ("a.csv", "prompt\na\n", ("--mask", "m.png"), '--mask "m.png" goes with a folder of pictures'),
        ("a.xls", "prompt\n", (), "is none of: a folder of pictures, or a file ending in .csv, .jsonl, .txt."),
        ("a.csv", "prompt,model\na,none.ckpt\n", (), "none.ckpt"),
        ("a.csv", "prompt\na\n<lora:none:1>\n", (), "line 3: LoRA"),
    ],
)
def test_bad_batches_paint_nothing(
    run, tiny_file: Path, tmp_path: Path, name: str, text: str, more: tuple[str, ...], message: str
) -> None:
    (tmp_path / name).write_text(text)
    out = tmp_path / "out"
    code, said, err = run("batch", tmp_path / name, "--outdir", out, "--ckpt", tiny_file, *SMALL, *more)
    assert (code, said) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not out.exists() or os.listdir(out) == ["batch.json"]
