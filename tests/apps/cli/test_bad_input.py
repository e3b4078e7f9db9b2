"""Whatever is wrong: one clear line on standard error, exit code 2, nothing half-written."""

import json
import os
import pickle
import resource
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inkbloom import __version__


@pytest.fixture
def fails(run, tiny_file: Path, tmp_path: Path):
    """Run txt2img; check that it fails as it should, and return the line."""

    def call(*arguments: str | Path, ckpt: Path | None = None, outdir: Path | None = None) -> str:
        place = outdir or tmp_path / "out"
        settings = ("--ckpt", ckpt or tiny_file, "--outdir", place, "--device", "cpu")
        code, out, err = run("txt2img", *arguments, *settings)
        assert (code, out) == (2, "")
        assert err.startswith("inkbloom: ")
        assert err.count("\n") == 1
        assert not (tmp_path / "out").exists()
        return err.removeprefix("inkbloom: ").rstrip()

    return call


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--W", "500"), "width 500: must be a whole number from 64 to 8192 divisible by 8."),
        (("--H", "16"), "height 16: must be a whole number from 64 to 8192 divisible by 8."),
        (("--steps", "0"), "steps 0: must be a whole number from 1 to 10000."),
        (("--steps", "10001"), "steps 10001: must be a whole number from 1 to 10000."),
        (("--scale", "nan"), "guidance_scale nan: must be a finite number."),
        (("--sampler", "Eulr"), 'Unknown sampler "Eulr". Did you mean "Euler"'),
        (("--schedule", "karas"), 'Unknown schedule "karas". Did you mean "karras"'),
        (("--sampler", "Euler", "--plms"), '--plms and --sampler "Euler" both name a sampler; give one of them.'),
        (("--plms", "--ddim_eta", "1"), 'Sampler "PLMS" has no option "eta".'),
        (("--sampler-option", "eta"), '--sampler-option "eta": must be NAME=VALUE, such as s_churn=0.5.'),
        (("--steps", "3", "--ddim_steps", "4"), "Parameter --ddim_steps specified multiple times."),
        (("--precision", "full", "--dtype", "float16"), "--precision full means float32, but --dtype is float16"),
        (("--precision", "half"), 'Invalid value "half" for --precision.'),
        (("--C", "8"), "--C 8: the model has 4; leave the flag out."),
        (("--f", "4"), "--f 4: the model has 8; leave the flag out."),
        (("--n_iter", "0"), 'Invalid value "0" for --n_iter. Must be >= 1.'),
        (("--promt", "x"), 'Unknown option --promt. Did you mean "--prompt"'),
        (("--prompt", "a cat"), "What to paint? the prompt is given by PROMPT and by --prompt; give it once"),
        (("running",), '"running" is one word too many; put a text of several words in quotation marks.'),
        (("--seed", "x"), 'Invalid value for --seed: unable to convert "x" into int.'),
        (("--seed", "-5"), "seed -5: must be a whole number from -1"),
        (("--noise-source", "gpu"), "noise_source 'gpu': must be cpu or nv."),
        (("--dialect", "a1112"), 'Invalid value "a1112" for --dialect.'),
        (("--emphasis", "much"), 'Invalid value "much" for --emphasis.'),
        (("--variants", "--negative-prompt", "{a"), 'The "{" at character 1 of the template has no "}".'),
        (("--variants", "--negative-prompt", "__x__"), 'Unknown wildcard "x". There are none.'),
        (("--wildcards", "/nowhere", "--negative-prompt", "__x__"), 'The wildcard folder "/nowhere" is not there.'),
        (("--style", "art", "--styles-file", "/nowhere.csv"), 'The styles in "/nowhere.csv" cannot be read: No such'),
        (("--laion400m",), "--laion400m means CompVis's text2img-large (models/ldm/text2img-large/model.ckpt)"),
        (
            ("--H", "8192", "--W", "8192", "--n_samples", "1024"),
            "Painting 1024 of 8192 x 8192 pixels at once needs at least",
        ),
        (("--ema",), "has no EMA weights"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_flags(fails, flags: tuple[str, ...], line: str) -> None:
    assert line in fails("a dog", *flags)


def test_absent_device(run) -> None:
    code, _, err = run("txt2img", "a dog", "--device", "tpu")
    assert code == 2
    assert err.startswith('inkbloom: Device "tpu" is not on this machine. Present: ')


def test_no_prompt(fails) -> None:
    assert fails() == 'What to paint? there is no prompt, as in: inkbloom txt2img "a big castle".'


def test_unknown_command(run) -> None:
    code, _, err = run("txt3img")
    assert code == 2
    assert err.startswith('inkbloom: Unknown command "txt3img". Did you mean "txt2img"?')


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, 'prompts.txt": No such file or directory.'),
        (b"\xff\xfe\xfa", 'prompts.txt" are not UTF-8 text.'),
        (b" \n\n", 'prompts.txt"; it should hold one a line.'),
        (b"a dog\na\0b\n", "prompt holds a NUL character"),
        (b"a dog\n(a:1.2.3)\n", 'The weight in ":1.2.3)" is not a number'),
        (
            b"a dog\na <lora:film:0.8>\n",
            'LoRA "film" cannot be looked up without a folder of models; give one, or drop the tag.',
        ),
        (b"<hypernet:old>\n", 'Hypernetwork "old" cannot be looked up without a folder of models; give one, or drop'),
        (b"<lra:film:1>\n", 'Unknown kind of network "lra" in "<lra:film:1>". Did you mean "lora"'),
    ],
)
def test_prompt_files(fails, tmp_path: Path, content: bytes | None, line: str) -> None:
    path = tmp_path / "prompts.txt"
    if content is not None:
        path.write_bytes(content)
    assert line in fails("--from-file", path)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/inkbloom-was-here",)


def write_gguf(path: Path) -> None:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))


def write_truncated(path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 10)


def write_lora(path: Path) -> None:
    names = (
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
        "lora_te_text_model_encoder.lora_up.weight",
    )
    save_file({name: torch.zeros(4, 4) for name in names}, path)


def write_sdxl(path: Path) -> None:
    save_file({"conditioner.embedders.1.model.ln_final.weight": torch.zeros(8)}, path)


def write_evil(path: Path) -> None:
    with path.open("wb") as file:
        pickle.dump({"state_dict": Evil()}, file)


@pytest.mark.parametrize(
    ("name", "write", "word"),
    [
        ("missing.ckpt", lambda path: None, "missing.ckpt"),
        ("truncated.safetensors", write_truncated, "truncated.safetensors"),
        ("corrupt.safetensors", lambda path: path.write_bytes(b"\x10" + b"\0" * 7 + b"not a header at all"), "corrupt"),
        ("empty.safetensors", lambda path: path.touch(), "empty"),
        ("page.safetensors", lambda path: path.write_text("<!DOCTYPE html><html></html>"), "web page"),
        ("model.gguf", write_gguf, "GGUF"),
        ("lora.safetensors", write_lora, "LoRA"),
        ("sdxl.safetensors", write_sdxl, "XL"),
        ("evil.ckpt", write_evil, "system"),
    ],
)
def test_checkpoints(fails, tmp_path: Path, name: str, write, word: str) -> None:
    write(tmp_path / name)
    assert word in fails("a dog", ckpt=tmp_path / name)
    assert not Path("/tmp/inkbloom-was-here").exists()


def test_an_output_folder_below_a_file(fails, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = fails("a dog", outdir=tmp_path / "file" / "out")
    assert line == f'Cannot write "{tmp_path}/file/out/samples": Not a directory.'


def test_an_output_folder_without_permission(fails, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):  # root may write anywhere but into the kernel's own files
        locked = Path("/sys/kernel")
    assert fails("a dog", outdir=locked / "out").startswith(f'Cannot write "{locked}/out/samples": ')


def test_a_full_disk(fails) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # no file may grow beyond 1,000 bytes
    try:
        line = fails("a dog", "--steps", "1", "--n_samples", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert line.endswith('.latents.safetensors": File too large.')


def test_version(run) -> None:
    assert run("--version")[:2] == (0, f"{__version__}\n")
