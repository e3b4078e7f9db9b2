from pathlib import Path

import pytest
from PIL import Image

from inkbloom import StableDiffusion
from inkbloom.pipelines.saving import save_picture


@pytest.fixture
def painted(run, tiny_file: Path, tmp_path: Path) -> list[Path]:
    settings = ("--n_iter", "1", "--n_samples", "2", "--steps", "2", "--device", "cpu", "--sampler", "Euler a")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a dog\na very big cat\n")
    assert run("txt2img", "--from-file", prompts, "--ckpt", tiny_file, "--outdir", tmp_path, *settings)[0] == 0
    return sorted((tmp_path / "samples").iterdir())


def test_what_txt2img_painted_is_proved(run, tiny_file: Path, painted: list[Path]) -> None:
    assert len(painted) == 2
    for path in painted:
        assert run("verify", path, "--ckpt", tiny_file) == (0, "It is the same, bit for bit.\n", "")


def test_a_difference_is_code_1(run, tiny_file: Path, tmp_path: Path) -> None:
    result = StableDiffusion.load(tiny_file, device="cpu").generate("a dog", seed=7, steps=2)
    stages = result.stages[0].model_copy(update={"sigmas": "0" * 16})
    path = save_picture(result.images[0], iter([tmp_path / "a.png"]), result.requests[0], stages=stages)
    code, out, err = run("verify", path, "--ckpt", tiny_file)
    assert (code, err) == (1, "")
    assert out == ("The first stage that differs is: sigmas. The pixels differ by 0 of 255 at most, 0 in the mean.\n")


def test_another_model_is_an_error(
    run, tiny_file: Path, tiny_folder: Path, painted: list[Path], tmp_path: Path
) -> None:
    code, out, err = run("verify", painted[0], "--ckpt", tiny_folder)
    assert (code, out) == (2, "")
    assert err.startswith("inkbloom: It was painted with model tiny (")
    assert err.endswith("Load the one it was painted with.\n")


def test_the_picture_is_left_as_it_was(run, tiny_file: Path, painted: list[Path]) -> None:
    before = painted[0].read_bytes()
    run("verify", painted[0], "--ckpt", tiny_file)
    assert painted[0].read_bytes() == before
    with Image.open(painted[0]) as file:
        assert file.info["parameters"].startswith("a dog\n")
