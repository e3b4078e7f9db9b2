from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints import load

Run = Callable[..., tuple[int, str, str]]


def test_round_trip(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """To the byte, where the model keeps its name, which is its title."""
    places = [tmp_path / name for name in ("1/tiny.ckpt", "2/tiny", "3/tiny.safetensors")]
    for source, target in zip([tiny_file, *places], places, strict=False):
        assert run("convert", source, target) == (0, f"Saved {target}.\n", "")
    assert places[-1].read_bytes() == tiny_file.read_bytes()


def test_options(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.touch()
    assert run("convert", tiny_file, path, "--precision", "bfloat16", "--prune", "--overwrite")[0] == 0
    unet = load(path).unet
    assert unet is not None
    assert unet.conv_in.weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing.ckpt", "x.safetensors"), "There is no model at nothing.ckpt."),
        (("FILE", "x.safetensors", "--use-ema"), "has no EMA weights; convert it without them."),
        (("FILE", "x.safetensors", "--precision", "int8"), 'Unknown precision "int8".'),
        (("FILE", "FILE"), "is there already; give another name, or overwrite it."),
    ],
)
def test_errors_are_one_line(
    run: Run, tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output, error = run("convert", *(str(tiny_file) if word == "FILE" else word for word in words))
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert message in error
    assert list(tmp_path.iterdir()) == []
