from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from inkbloom import StableDiffusion, __version__
from inkbloom.pipelines.saving import save_picture

TEXT = (
    "a dog\x1b[31m \u202ered\nNegative prompt: rain\n"
    "Steps: 4, Sampler: Euler, CFG scale: 7, Seed: 7, Size: 64x64, Hires upscale: 2, Version: v1.10.1"
)


def picture_with(path: Path, text: str) -> Path:
    notes = PngInfo()
    notes.add_itxt("parameters", text)
    Image.new("RGB", (64, 64)).save(path, pnginfo=notes)
    return path


def test_a_foreign_picture(run, tmp_path: Path) -> None:
    code, out, err = run("info", picture_with(tmp_path / "a.png", TEXT))
    assert (code, err) == (0, "")
    assert out.split("\n") == [
        "Program: A1111 v1.10.1",
        "Prompt: a dog\\u001b[31m \\u202ered",
        "Negative prompt: rain",
        "  Steps: 4",
        "  Sampler: Euler",
        "  CFG scale: 7",
        "  Seed: 7",
        "  Size: 64x64",
        "  Hires upscale: 2",
        "  Version: v1.10.1",
        "Request:",
        "  width: 64",
        "  height: 64",
        "  steps: 4",
        "  sampler: Euler",
        "  guidance_scale: 7.0",
        "  seed: 7",
        "  noise_source: nv",
        'Note: "Hires upscale: 2" has no counterpart here.',
        "",
    ]


def test_the_raw_text(run, tmp_path: Path) -> None:
    code, out, _ = run("info", picture_with(tmp_path / "a.png", TEXT), "--raw")
    assert (code, out) == (0, TEXT.replace("\x1b", "\\u001b").replace("\u202e", "\\u202e") + "\n")


def test_our_own_picture(run, tiny_file: Path, tmp_path: Path) -> None:
    result = StableDiffusion.load(tiny_file, device="cpu").generate("a dog, 猫 🐈‍⬛", seed=7, steps=2)
    path = save_picture(result.images[0], iter([tmp_path / "a.png"]), result.requests[0], stages=result.stages[0])
    code, out, _ = run("info", path)
    assert code == 0
    assert out.startswith(f"Program: inkbloom {__version__}\nPrompt: a dog, 猫 🐈‍⬛\n")
    assert "  steps: 2\n" in out
    assert "Request:" not in out
    assert "Hashes: of 2 steps and the other stages, for: inkbloom verify.\n" in out


@pytest.mark.parametrize("command", ["info", "reproduce", "verify"])
@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("none.png", None, "There is no picture"),
        ("text.png", b"hello", "is not a picture in a format that Pillow reads"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "cannot be read as a picture: "),
        ("empty.png", "plain", "does not tell how it was made"),
        ("long.png", "a" * 5_000_000, 'the text "parameters" has 5,000,000 characters; at most 4,000,000 are read.'),
    ],
)
def test_bad_pictures(run, tmp_path: Path, command: str, name: str, content: bytes | str | None, line: str) -> None:
    path = tmp_path / name
    if content == "plain":
        Image.new("RGB", (64, 64)).save(path)
    elif isinstance(content, str):
        picture_with(path, content)
    elif content is not None:
        path.write_bytes(content)
    code, out, err = run(command, path)
    assert (code, out) == (2, "")
    assert err.startswith("inkbloom: ")
    assert err.count("\n") == 1
    assert line in err
