"""The command's whole output, for prompts small enough to say by hand what it must be."""

import pytest
import torch
from safetensors.torch import save_file

from inkbloom.apps.cli.prompt import PromptOptions, prompt
from inkbloom.checkpoints import file_hash
from inkbloom.core.errors import RequestError


def test_tokens_steps_parts_and_networks(capsys):
    options = PromptOptions(steps=10)
    assert prompt("a (cat:1.3) [b:c:.5] <lora:film:0.8:1:4> AND dog :0.5", options=options) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Part 1 of 2, weight 1",
        "Model calls 1 to 6: a (cat:1.3) b",
        "  chunk 1, 3/75: a cat*1.3 b",
        "Model calls 7 to 10: a (cat:1.3) c",
        "  chunk 1, 3/75: a cat*1.3 c",
        "Part 2 of 2, weight 0.5",
        "dog",
        "  chunk 1, 1/75: dog",
        "lora film: text encoder 0.8, U-Net 1, first 4 ranks",
    ]


def test_styles_and_variants(capsys, tmp_path):
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nart,by greg,bad\n", encoding="utf-8")
    (tmp_path / "animal.txt").write_text("cat\n", encoding="utf-8")
    options = {"style": ("art",), "styles_file": (tmp_path / "styles.csv",), "wildcards": (tmp_path,), "seed": 1}
    prompt("__animal__", options=PromptOptions(**options))
    prompt("dog", options=PromptOptions(**options, negative=True))
    assert capsys.readouterr().out.splitlines()[::2] == ["cat, by greg", "dog, bad"]


def test_combinations(capsys):
    prompt("{a|b} {c|d}", options=PromptOptions(combinations=3))
    assert capsys.readouterr().out.splitlines() == ["a c", "a d", "b c"]
    with pytest.raises(RequestError, match=r"^--seed and --combinations both"):
        prompt("a", options=PromptOptions(combinations=3, seed=1))


def test_from_the_command_line(run):
    assert run("prompt", "a (cat:1.3)", "--emphasis", "No norm") == (0, "a (cat:1.3)\n  chunk 1, 2/75: a cat*1.3\n", "")
    code, out, err = run("prompt", "a (cat:1.3.1)")
    assert (code, out) == (2, "")
    assert err == 'inkbloom: The weight in ":1.3.1)" is not a number; write for example (word:1.2).\n'


def test_lenient(capsys):
    with pytest.raises(RequestError, match=r"^Unknown kind"):
        prompt("a <zzz:x>")
    prompt("a <zzz:x>", options=PromptOptions(lenient=True))
    shown = capsys.readouterr()
    assert shown.err.startswith('inkbloom: Unknown kind of network "zzz"')
    assert shown.out.startswith("a\n")


def test_files_of_names(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for kind, name in (("loras", "film"), ("embeddings", "zqart")):
        (tmp_path / kind).mkdir()
        save_file({"emb_params": torch.ones(2, 4)}, tmp_path / kind / f"{name}.safetensors")
    options = PromptOptions(models_dir=tmp_path)
    prompt("a zqart <lora:film:0.8>", options=options)
    files = [tmp_path / "loras/film.safetensors", tmp_path / "embeddings/zqart.safetensors"]
    titles = [f"{file} [{file_hash(file)[:10]}]" for file in files]
    assert capsys.readouterr().out.splitlines() == [
        "a zqart",
        "  chunk 1, 3/75: a zqart[0] zqart[1]",
        f"lora film: text encoder 0.8, U-Net 0.8, {titles[0]}",
        f"embedding zqart: 2 vectors, {titles[1]}",
    ]
    with pytest.raises(RequestError, match=r'^LoRA: There is no model "flim" .* Did you mean "film"'):
        prompt("<lora:flim>", options=options)
