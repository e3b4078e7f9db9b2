import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from inkbloom import GenerationRequest, StableDiffusion
from inkbloom.apps.cli.txt2img import Txt2ImgOptions
from inkbloom.pipelines.metadata import FORMATS, Privacy, read_metadata
from inkbloom.pipelines.pictures import make_grid
from inkbloom.text.prompt.chunks import Dialect
from inkbloom.text.prompt.parsing import Emphasis

QUICK = ("--device", "cpu", "--ddim_steps", "1")


def request_in(path: Path) -> GenerationRequest:
    request = read_metadata(path).request
    assert request is not None
    return request


def test_pictures_grid_and_report(run, tiny_file: Path, tmp_path: Path) -> None:
    code, out, err = run("txt2img", "a dog", "--ckpt", tiny_file, "--outdir", tmp_path, "--seed", "7", *QUICK)
    assert (code, err) == (0, "")
    paths = sorted((tmp_path / "samples").iterdir())
    assert [path.name for path in paths] == [f"{i:05}.png" for i in range(6)]
    assert sorted(os.listdir(tmp_path)) == ["grid-0000.png", "samples"]
    assert [request_in(path).seed for path in paths] == [7, 8, 9, 10, 11, 12]
    assert out.startswith("Painted 6 pictures in ")
    assert out.endswith(
        f" s, saved as {tmp_path}/samples/00000.png to 00005.png, the grid as {tmp_path}/grid-0000.png (seed 7).\n"
    )
    pictures = [Image.open(path) for path in paths]
    with Image.open(tmp_path / "grid-0000.png") as grid:
        assert np.array_equal(np.asarray(grid), np.asarray(make_grid(pictures, 3)))


def test_the_picture_is_that_of_the_python_interface(run, tiny_file: Path, tmp_path: Path) -> None:
    run("txt2img", "--prompt", "a dog", "--ckpt", tiny_file, "--outdir", tmp_path, "--n_iter", "1", "--n_samples", "1")
    expected = StableDiffusion.load(tiny_file).generate("a dog", seed=42).images[0]
    with Image.open(tmp_path / "samples" / "00000.png") as picture:
        assert picture.tobytes() == expected.tobytes()


def test_numbers_go_on_and_nothing_is_overwritten(run, tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "00001.png").write_text("mine")
    arguments = (
        "txt2img",
        "a dog",
        "--ckpt",
        tiny_file,
        "--outdir",
        tmp_path,
        "--n_iter",
        "1",
        "--n_samples",
        "1",
        *QUICK,
    )
    for _ in range(2):
        assert run(*arguments)[0] == 0
    assert sorted(os.listdir(tmp_path / "samples")) == ["00001.png", "00002.png", "00003.png"]
    assert sorted(os.listdir(tmp_path)) == ["grid-0000.png", "grid-0001.png", "samples"]


@pytest.mark.parametrize("spelling", ["--skip_grid", "--skip-grid"])
def test_skip_grid(run, tiny_file: Path, tmp_path: Path, spelling: str) -> None:
    arguments = ("--ckpt", tiny_file, "--outdir", tmp_path, "--n_iter", "1", "--n_samples", "2", *QUICK)
    assert run("txt2img", "a dog", *arguments, spelling)[0] == 0
    assert os.listdir(tmp_path) == ["samples"]


def test_skip_save(run, tiny_file: Path, tmp_path: Path) -> None:
    arguments = ("--ckpt", tiny_file, "--outdir", tmp_path, "--n_iter", "1", "--n_samples", "2", *QUICK)
    code, out, _ = run("txt2img", "a dog", *arguments, "--skip_save")
    assert code == 0
    assert os.listdir(tmp_path) == ["grid-0000.png"]
    assert "saved as" not in out


def test_prompts_from_a_file_with_a_short_last_chunk(run, tiny_file: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\ufeffa dog\n\n  a cat  \n一只狗\n", encoding="utf-8")
    arguments = ("--from-file", prompts, "--ckpt", tiny_file, "--outdir", tmp_path / "out", "--n_samples", "2")
    assert run("txt2img", *arguments, *QUICK)[0] == 0
    found = [request_in(path) for path in sorted((tmp_path / "out" / "samples").iterdir())]
    assert [request.prompt for request in found] == ["a dog", "a cat", "一只狗"] * 2
    assert [request.seed for request in found] == [42, 43, 44, 45, 46, 47]


def test_fixed_code_starts_each_iteration_alike(run, tiny_file: Path, tmp_path: Path) -> None:
    arguments = ("--ckpt", tiny_file, "--outdir", tmp_path, "--n_samples", "2", "--fixed_code", *QUICK)
    assert run("txt2img", "a dog", *arguments)[0] == 0
    assert [request_in(path).seed for path in sorted((tmp_path / "samples").iterdir())] == [42, 43, 42, 43]


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (("--plms",), {"sampler": "PLMS", "schedule": "leading"}),
        (("--plms", "--ddim_eta", "0"), {"sampler": "PLMS", "sampler_options": {}}),
        (("--dpm_solver", "--plms"), {"sampler": "DPM-Solver"}),
        (("--ddim_eta", "0.5"), {"sampler": "DDIM", "sampler_options": {"eta": 0.5}}),
        (("--H", "128", "--W", "64", "--C", "4", "--f", "8"), {"height": 128, "width": 64}),
        (("--scale", "1.5", "--precision", "full"), {"guidance_scale": 1.5, "dtype": "float32"}),
        (("--guidance-scale", "3", "--negative-prompt", "rain"), {"guidance_scale": 3.0, "negative_prompt": "rain"}),
        (("--sampler", "Euler Karras", "--sampler-option", "s_churn=0.5"),
         {"sampler": "Euler", "schedule": "karras", "sampler_options": {"s_churn": 0.5}}),
        (("--schedule", "beta", "--clip-skip", "2", "--noise-source", "nv", "--guidance-rescale", "0.5"),
         {"schedule": "beta", "clip_skip": 2, "noise_source": "nv", "guidance_rescale": 0.5}),
        (("--dialect", "comfy"), {"dialect": "comfy", "emphasis": "Original"}),
        (("--emphasis", "No norm"), {"dialect": "a1111", "emphasis": "No norm"}),
    ],
)  # fmt: skip
def test_flags_reach_the_request(run, tiny_file: Path, tmp_path: Path, flags: tuple[str, ...], fields: dict) -> None:
    common = ("--ckpt", tiny_file, "--outdir", tmp_path, "--n_iter", "1", "--n_samples", "1", "--skip_grid", *QUICK)
    assert run("txt2img", "a dog", *common, *flags)[0] == 0
    written = request_in(tmp_path / "samples" / "00000.png").model_dump()
    assert {name: written[name] for name in fields} == fields


def test_prompts_of_different_length_in_one_batch_are_painted_as_each_alone(
    run, tiny_file: Path, tmp_path: Path
) -> None:
    lines = ["a dog", "a [cat:dog:0.5]", "dog " * 79 + "dog", "a cat AND a dog :0.5"]
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(lines), encoding="utf-8")
    common = ("--ckpt", tiny_file, "--n_iter", "1", "--skip_grid", "--device", "cpu")
    together, alone = tmp_path / "together", tmp_path / "alone"
    assert run("txt2img", "--from-file", prompts, "--outdir", together, "--n_samples", "4", *common)[0] == 0
    for place, line in enumerate(lines):
        own = ("--outdir", alone, "--n_samples", "1", "--seed", str(42 + place))
        assert run("txt2img", line, *own, *common)[0] == 0
        name = Path("samples") / f"{place:05}.png"
        assert request_in(together / name).model_dump() == request_in(alone / name).model_dump()
        with Image.open(together / name) as one, Image.open(alone / name) as other:
            apart = np.asarray(one, np.int16) - np.asarray(other, np.int16)
        # Latents agree to 1e-5, which may tip a grey value
        assert np.abs(apart).max() <= 1


def test_styles_and_wildcards(run, tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nart,{prompt} by greg,bad\n", encoding="utf-8")
    (tmp_path / "animal.txt").write_text("cat\ndog\n", encoding="utf-8")
    common = ("--ckpt", tiny_file, "--outdir", tmp_path / "out", "--n_iter", "1", "--skip_grid", *QUICK)
    styled = ("--style", "art", "--styles-file", tmp_path / "styles.csv", "--wildcards", tmp_path, "--n_samples", "6")
    assert run("txt2img", "a {red|blue} __animal__", *common, *styled, "--negative-prompt", "rain")[0] == 0
    painted = [request_in(path) for path in sorted((tmp_path / "out" / "samples").iterdir())]
    assert {request.negative_prompt for request in painted} == {"rain, bad"}
    prompts = [request.prompt for request in painted]
    assert len(set(prompts)) > 1
    assert set(prompts) <= {f"a {colour} {animal} by greg" for colour in ("red", "blue") for animal in ("cat", "dog")}
    # What the picture tells paints it without templates
    assert run("txt2img", prompts[0], *common, "--n_samples", "1", "--negative-prompt", "rain, bad")[0] == 0
    assert request_in(tmp_path / "out" / "samples" / "00006.png") == painted[0]


def test_the_prompt_of_a_second_pass_is_filled_too(run, tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nart,by greg,bad\n", encoding="utf-8")
    common = ("--ckpt", tiny_file, "--outdir", tmp_path, "--n_iter", "1", "--n_samples", "4", "--skip_grid", *QUICK)
    styled = ("--style", "art", "--styles-file", tmp_path / "styles.csv", "--variants")
    hires = ("--hires-scale", "1.5", "--hires-steps", "1", "--hires-prompt", "a {cat|dog}")
    code, _, err = run("txt2img", "a {red|blue} house", *common, *styled, *hires)
    assert (code, err) == (0, "")
    seconds = [request_in(path).hires for path in sorted((tmp_path / "samples").iterdir())]
    assert {second.prompt for second in seconds} == {"a cat, by greg", "a dog, by greg"}
    assert {second.negative_prompt for second in seconds} == {None}
    code, _, err = run("txt2img", "a house", *common, *hires[:-1], "<lora:none:1>")
    assert (code, err.count("\n")) == (2, 1)


def test_braces_are_text_unless_variants_are_asked_for(run, tiny_file: Path, tmp_path: Path) -> None:
    common = ("--ckpt", tiny_file, "--outdir", tmp_path, "--n_iter", "1", "--n_samples", "1", "--skip_grid", *QUICK)
    assert run("txt2img", "a {cat|cat}", *common)[0] == 0
    assert run("txt2img", "a {cat|cat}", *common, "--variants")[0] == 0
    prompts = [request_in(path).prompt for path in sorted((tmp_path / "samples").iterdir())]
    assert prompts == ["a {cat|cat}", "a cat"]


def test_ctrl_c_keeps_what_was_finished(tiny_file: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "inkbloom",
        "txt2img",
        "a dog",
        "--ckpt",
        str(tiny_file),
        "--outdir",
        str(tmp_path),
    ]
    command += ["--n_iter", "500", "--n_samples", "1", "--device", "cpu"]
    # Where these tests run in the background, Ctrl-C may be switched off for them and what they start.
    listens = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **listens)
    samples = tmp_path / "samples"
    deadline = time.monotonic() + 120
    while not (samples / "00001.png").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    names = sorted(os.listdir(samples))
    assert (process.returncode, out) == (130, "")
    # A second line where it was stopped while decoding
    assert err.startswith(f"inkbloom: stopped. {len(names)} of 500 pictures are kept in {samples}.\n")
    assert names == [f"{i:05}.png" for i in range(len(names))]
    for name in names:
        with Image.open(samples / name) as picture:
            picture.load()


def test_format_and_privacy(run, tiny_file: Path, tmp_path: Path) -> None:
    settings = ("--n_iter", "1", "--n_samples", "1", "--skip_grid", "--outdir", tmp_path, "--ckpt", tiny_file, *QUICK)
    assert run("txt2img", "a dog", *settings, "--format", "webp")[0] == 0
    assert run("txt2img", "a dog", *settings, "--format", "jpg", "--privacy", "without-prompt")[0] == 0
    assert sorted(os.listdir(tmp_path / "samples")) == ["00000.webp", "00001.jpg"]
    assert request_in(tmp_path / "samples" / "00000.webp").prompt == "a dog"
    assert read_metadata(tmp_path / "samples" / "00001.jpg").prompt == ""


def test_the_choices_are_those_of_the_pipeline() -> None:
    hints = get_type_hints(Txt2ImgOptions)
    assert get_args(hints["dialect"]) == get_args(Dialect)
    assert get_args(hints["emphasis"]) == get_args(Emphasis)
    assert get_args(hints["privacy"]) == get_args(Privacy)
    assert {f".{ending}" for ending in get_args(hints["format"])} == set(FORMATS) - {".jpeg"}


def test_loras_of_the_models_folder(run, tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    save_file(
        {"lora_te_text_model_encoder_layers_0_mlp_fc1.diff": torch.ones(256, 64)}, tmp_path / "loras/film.safetensors"
    )
    common = (
        "--ckpt",
        tiny_file,
        "--models-dir",
        tmp_path,
        "--outdir",
        tmp_path / "out",
        "--steps",
        "1",
        "--skip_grid",
    )
    single = ("--n_iter", "1", "--n_samples", "1")
    assert run("txt2img", "a dog <lora:film:0.8>", *common, *single)[0] == 0
    painted = tmp_path / "out/samples/00000.png"
    assert run("verify", painted, "--ckpt", tiny_file, "--models-dir", tmp_path)[0] == 0
    with Image.open(painted) as picture:
        assert '"lora:film": "' in picture.info["parameters"]
    assert run("txt2img", "a dog <lora:flim>", *common, *single)[0] == 2
    code, _, err = run("txt2img", "a dog <lora:flim>", *common, *single, "--lenient")
    assert code == 0
    assert 'inkbloom: LoRA: There is no model "flim"' in err
    code, _, err = run("txt2img", "a dog", "--ckpt", tiny_file, "--models-dir", tmp_path / "none")
    assert (code, err) == (2, f"inkbloom: There is no folder of models at {tmp_path / 'none'}.\n")
