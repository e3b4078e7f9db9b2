"""Files that prompts name and that are wrong: one clear line, exit code 2, nothing written."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file


def lora(name: str, rows: int, columns: int) -> dict[str, torch.Tensor]:
    return {f"{name}.lora_down.weight": torch.ones(2, columns), f"{name}.lora_up.weight": torch.ones(rows, 2)}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    loras, embeddings = root / "loras", root / "embeddings"
    for folder in (loras, embeddings):
        folder.mkdir()
    attention = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    save_file(lora(attention, 32, 2048), loras / "sdxl.safetensors")
    save_file(lora("lora_unet_double_blocks_0_img_attn_qkv", 8, 8), loras / "flux.safetensors")
    save_file(lora(attention, 32, 64), loras / "cut.safetensors")
    whole = (loras / "cut.safetensors").read_bytes()
    (loras / "cut.safetensors").write_bytes(whole[:-5])
    save_file({"emb_params": torch.ones(2, 64)}, loras / "really_an_embedding.safetensors")
    save_file({"emb_params": torch.ones(2, 1024)}, embeddings / "zqwide.safetensors")
    (embeddings / "zqcut.pt").write_bytes(b"PK\x03\x04 and no more")
    return root


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        ("a dog <lora:sdxl>", "cannot be used with this model"),
        ("a dog <lora:flux>", "flux"),
        ("a dog <lora:cut>", "cut.safetensors is truncated"),
        ("a dog <lora:really_an_embedding>", "is a textual-inversion embedding; an adapter is a LoRA"),
        ("a dog <lora:sdx>", 'LoRA: There is no model "sdx" among the loras'),
        ("a zqwide dog", 'The embedding "zqwide" has vectors 1024 wide (it is for Stable Diffusion 2)'),
        ("a zqcut dog", "zqcut.pt"),
        ("embedding:zqwyde dog", 'Unknown embedding "zqwyde". Did you mean "zqwide"'),
    ],
)
def test_networks(run, models: Path, tiny_file: Path, tmp_path: Path, prompt: str, line: str) -> None:
    dialect = "comfy" if prompt.startswith("embedding:") else "a1111"
    words = ("--ckpt", tiny_file, "--models-dir", models, "--outdir", tmp_path / "out", "--dialect", dialect)
    code, out, err = run("txt2img", prompt, *words, "--steps", "1", "--device", "cpu")
    assert (code, out) == (2, "")
    assert err.startswith("inkbloom: ")
    assert err.count("\n") == 1
    assert line in err
    assert not (tmp_path / "out").exists()


def test_styles_that_are_not_utf8(run, tiny_file: Path, tmp_path: Path) -> None:
    styles = tmp_path / "styles.csv"
    styles.write_bytes("name,prompt\ncafé,a café".encode("latin-1"))
    words = ("--style", "café", "--styles-file", styles, "--outdir", tmp_path / "out", "--ckpt", tiny_file)
    code, out, err = run("txt2img", "a dog", *words)
    assert (code, out) == (2, "")
    assert err == f'inkbloom: The styles in "{styles}" are not UTF-8 text; save the file as UTF-8.\n'
    assert not (tmp_path / "out").exists()


def test_hostile_metadata_stay_words(run, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    notes = PngInfo()
    fake = "Steps: 1, Sampler: Heun, CFG scale: 1, Seed: 1"
    notes.add_text(
        "parameters", f"a \x1b[31mcat\u0007\n{fake}\nNegative prompt: x\x9b2J\nSteps: 20, Sampler: Euler, Seed: 5"
    )
    Image.new("RGB", (64, 64)).save(path, pnginfo=notes)
    code, out, err = run("info", path)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\x9b" not in out
    assert f"Prompt: a \\u001b[31mcat\\u0007\n{fake}\nNegative prompt: x\\u009b2J\n" in out
    assert "  Seed: 5\n" in out
