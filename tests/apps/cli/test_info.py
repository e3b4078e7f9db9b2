import json
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from inkbloom import StableDiffusion, __version__
from inkbloom.pipelines.metadata.containers import read_carried
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
        "  hires: {'scale': 2.0, 'upscaler': 'Latent', 'strength': 0.7}",
        "  noise_source: nv",
        "",
    ]


def test_the_raw_text(run, tmp_path: Path) -> None:
    code, out, _ = run("info", picture_with(tmp_path / "a.png", TEXT), "--raw")
    assert (code, out) == (0, TEXT.replace("\x1b", "\\u001b").replace("\u202e", "\\u202e") + "\n")


def test_the_text_for_other_programs(run, tmp_path: Path) -> None:
    code, out, _ = run("info", "--a1111", picture_with(tmp_path / "a.png", "a dog\nSteps: 2, Sampler: Euler, Seed: 1"))
    assert (code, out) == (0, "a dog\nSteps: 2, Sampler: Euler, Seed: 1\n")
    Image.new("RGB", (64, 64)).save(tmp_path / "bare.png")
    code, out, err = run("info", "--a1111", tmp_path / "bare.png")
    assert (code, out) == (2, "")
    assert err.endswith('bare.png" holds no text in A1111\'s form; "inkbloom info" may find others.\n')


def test_our_own_picture(run, tiny_file: Path, tmp_path: Path) -> None:
    result = StableDiffusion.load(tiny_file, device="cpu").generate("a dog, 猫 🐈‍⬛", seed=7, steps=2)
    path = save_picture(result.images[0], iter([tmp_path / "a.png"]), result.requests[0], stages=result.stages[0])
    code, out, _ = run("info", path)
    assert code == 0
    assert out.startswith(f"Program: inkbloom {__version__}\nPrompt: a dog, 猫 🐈‍⬛\n")
    assert "  steps: 2\n" in out
    assert "Request:" not in out
    assert "Hashes: of 2 steps and the other stages, for: inkbloom verify.\n" in out


def test_networks_are_told_as_a1111_tells_them(run, tiny_file: Path, tmp_path: Path) -> None:
    for folder in ("loras", "embeddings"):
        (tmp_path / folder).mkdir()
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors = {f"{layer}.lora_down.weight": torch.ones(2, 64), f"{layer}.lora_up.weight": torch.ones(32, 2)}
    save_file(tensors, tmp_path / "loras/film.safetensors")
    for name in ("zqone", "zqtwo"):
        save_file({"emb_params": torch.ones(1, 64)}, tmp_path / f"embeddings/{name}.safetensors", {"name": name})
    words = ("--ckpt", tiny_file, "--models-dir", tmp_path, "--outdir", tmp_path / "out", "--skip_grid")
    once = ("--n_samples", "1", "--n_iter", "1", "--steps", "1", "--device", "cpu", "--H", "64", "--W", "64")
    prompts = ("a zqtwo dog <lora:film:0.5>", "--negative-prompt", "zqone")
    code, _, err = run("txt2img", *prompts, *words, *once)
    assert (code, err) == (0, "")
    picture = tmp_path / "out/samples/00000.png"
    text = read_carried(picture).texts["parameters"]
    whole = {
        name: sha256((tmp_path / f"embeddings/{name}.safetensors").read_bytes()).hexdigest()
        for name in ("zqone", "zqtwo")
    }
    film = (tmp_path / "loras/film.safetensors").read_bytes()
    data = sha256(film[8 + int.from_bytes(film[:8], "little") :]).hexdigest()[:12]
    listed = ", ".join(f"{name}: {whole[name][:12]}" for name in ("zqtwo", "zqone"))
    assert f', Lora hashes: "film: {data}", TI hashes: "{listed}", Version: ' in text
    hashes = json.loads(text.rpartition("Hashes: ")[2])
    assert hashes["lora:film"] == sha256(film).hexdigest()[:10]
    assert hashes["embed:zqone"] == whole["zqone"][:10]
    # Without its LoRA, or with another of that name, it is told
    foreign = tmp_path / "foreign.png"
    picture_with(foreign, text.replace(data, "0123456789ab"))
    code, _, err = run("reproduce", foreign, *words[:4], "--outdir", tmp_path / "again", "--device", "cpu")
    assert code == 0
    assert f"inkbloom: It was painted with lora:film (0123456789ab); now with {data}.\n" in err
    (tmp_path / "loras/film.safetensors").unlink()
    words = (*words[:4], "--outdir", tmp_path / "without", "--device", "cpu")
    code, _, err = run("reproduce", foreign, *words)
    assert (code, err.count("\n")) == (2, 1)
    assert not (tmp_path / "without").exists()
    code, _, err = run("reproduce", foreign, *words, "--lenient")
    assert code == 0
    assert 'LoRA: There is no model "film"' in err
    assert "painted with lora:film (0123456789ab); now with none of that name.\n" in err


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
