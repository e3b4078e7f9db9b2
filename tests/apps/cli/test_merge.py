import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from inkbloom.checkpoints import detect

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def two(tiny_file: Path, tmp_path: Path) -> list[Path]:
    """The tiny model and another; do not change the first."""
    folder = tmp_path / "models"
    folder.mkdir()
    a, b = folder / "a.safetensors", folder / "b.safetensors"
    shutil.copy(tiny_file, a)
    save_file({name: 2 * tensor for name, tensor in load_file(a).items()}, b)
    return [a, b]


def test_merging(run: Run, two: list[Path]) -> None:
    path = two[0].with_name("0.6(a) + 0.4(b).safetensors")
    assert run("merge", *two, "-m", "0.4") == (0, f"Saved {path}.\n", "")
    name = "model.diffusion_model.out.2.bias"
    assert (load_file(path)[name] - 1.4 * load_file(two[0])[name]).abs().max() < 1e-6
    assert detect(path) == detect(two[0])


def test_every_option(run: Run, two: list[Path], tmp_path: Path) -> None:
    words = ("--method", "dare", "--multiplier", "0.7", "--blocks", "IN=1", "--drop", "0.5", "--seed", "3")
    more = ("--vae", two[1], "--discard", "^first_stage_model.enc", "--precision", "float16", "--name", "new")
    code, output, _ = run("merge", *two, two[0], *words, *more, "--outdir", tmp_path / "out", "--density", "0.1")
    path = tmp_path / "out" / "new.safetensors"
    assert (code, output) == (0, f"Saved {path}.\n")
    assert (
        run("merge", two[0], "--method", "no-interpolation", "--name", "new", "--overwrite", "--outdir", path.parent)[0]
        == 0
    )


def test_a_dry_run_writes_nothing(run: Run, two: list[Path], tmp_path: Path) -> None:
    code, output, _ = run("merge", *two, "--dry-run")
    assert code == 0
    lines = output.splitlines()
    assert lines[0].split() == ["block", "tensors", "|B", "-", "A|", "/", "|A|", "cosine"]
    assert [line.split()[0] for line in lines[1:]] == [
        "BASE",
        "IN00",
        "IN01",
        "IN02",
        "IN03",
        "M00",
        *(f"OUT0{n}" for n in range(4)),
    ]
    assert all(line.split()[2:] == ["100.0000%", "1.000000"] for line in lines[1:])
    assert sorted(two[0].parent.iterdir()) == two


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "tie"), 'Unknown merge method "tie". Did you mean "ties"'),
        (("--method", "ties"), "The method ties takes 3 models (A, B and C); 2 were given."),
        (("--blocks", "IN99=1"), 'This model has no block "IN99".'),
        (("--multiplier", "2"), "The multiplier is 2; for weighted-sum it must be from 0 to 1."),
        (("--name", "a"), "a.safetensors is there already; give another name, or overwrite it."),
        (("--vae", "nothing.pt"), "There is no model at nothing.pt."),
    ],
)
def test_errors_are_one_line(run: Run, two: list[Path], words: tuple[str, ...], message: str) -> None:
    code, output, error = run("merge", *two, *words)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert message in error
    assert sorted(two[0].parent.iterdir()) == two


def test_models_of_different_families(run: Run, two: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "xl.safetensors"
    save_file({"conditioner.embedders.1.model.ln_final.weight": load_file(two[0]).popitem()[1]}, other)
    code, _, error = run("merge", two[0], other)
    assert code == 2
    assert error.startswith(f"inkbloom: {other} is a Stable Diffusion XL model, which inkbloom cannot use")
