"""What `inkbloom models` prints; fetching is tested with the server, in tests/checkpoints/test_download.py."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

Run = Callable[..., tuple[int, str, str]]


class Malice:
    def __reduce__(self) -> tuple:
        return os.system, ("echo bad",)


@pytest.fixture
def library(tiny_file: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A1111's folder with a model, a LoRA and a diffusers folder in it, which is the default for models."""
    folder = tmp_path / "webui" / "models"
    for name in ("Stable-diffusion/deep", "Lora"):
        (folder / name).mkdir(parents=True)
    shutil.copy(tiny_file, folder / "Stable-diffusion" / "deep" / "tiny.safetensors")
    shutil.copytree(tiny_folder, folder / "Stable-diffusion" / "folder")
    lora = folder / "Lora" / "cat.safetensors"
    save_file(
        {"lora_unet_x.lora_down.weight": torch.zeros(2)}, lora, {"ss_note": "\x1b[31mred\nline", "long": "x" * 99}
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("INKBLOOM_MODELS", str(folder.parent))
    return folder


def test_list(run: Run, library: Path) -> None:
    code, output, _ = run("models", "list")
    assert code == 0
    rows = [line.split() for line in output.splitlines()]
    assert [row[0] for row in rows] == ["checkpoints", "checkpoints", "loras"]
    assert [row[-1] for row in rows] == ["deep/tiny.safetensors", "folder", "cat.safetensors"]
    run("models", "hash", "tiny")
    sha256 = hashlib.sha256((library / "Stable-diffusion/deep/tiny.safetensors").read_bytes()).hexdigest()
    assert f"deep/tiny.safetensors [{sha256[:10]}]" in run("models", "list")[1]
    assert len(run("models", "list", "--kind", "loras")[1].splitlines()) == 1
    assert run("models", "list", "--kind", "vae")[1] == f"There are no models in {library.parent}.\n"


def test_show(run: Run, library: Path, tiny_file: Path) -> None:
    code, output, _ = run("models", "show", "tiny")
    assert code == 0
    facts = {key.strip(): text.strip() for key, _, text in (line.partition(":") for line in output.splitlines())}
    sha256 = hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    assert facts["is"] == "a sd1 model"
    assert (facts["sha256"], facts["AutoV2"]) == (sha256, sha256[:10])
    assert facts["networks"] == "text encoder, U-Net, autoencoder"
    assert (facts["predicts"], facts["input"], facts["EMA weights"]) == ("epsilon", "4 channels", "no")
    assert facts["leftovers"] == "none"
    assert facts["metadata modelspec.title"] == "tiny"
    assert "sha256" not in run("models", "show", library / "Stable-diffusion/folder")[1]


def test_hostile_metadata_stays_on_its_line(run: Run, library: Path) -> None:
    code, output, _ = run("models", "show", "cat")
    assert code == 0
    assert "\x1b" not in output
    assert "metadata ss_note: \\u001b[31mred\\nline\n" in output
    assert f"metadata long: {'x' * 60}... (99 characters)\n" in output


def test_scan(run: Run, library: Path, tmp_path: Path) -> None:
    code, output, _ = run("models", "scan", library)
    assert code == 0
    assert all(line.startswith("safe ") for line in output.splitlines())
    bad = tmp_path / "bad.ckpt"
    torch.save({"state_dict": Malice()}, bad)
    code, output, _ = run("models", "scan", library / "Lora", bad)
    assert code == 2
    assert output.splitlines()[-1].startswith(
        f"NOT SAFE  {bad} was refused, because loading it could run code: its pickle names"
    )
    assert (
        run("models", "scan")[2]
        == "inkbloom: Name the files or folders to scan, as in: inkbloom models scan downloads.\n"
    )


def test_verify(run: Run, library: Path, tiny_file: Path) -> None:
    sha256 = hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    path = library / "Stable-diffusion/deep/tiny.safetensors"
    code, output, _ = run("models", "verify", "tiny", "--sha256", sha256[:10].upper())
    assert code == 0
    assert output.startswith(f"{path} is whole: ")
    assert output.endswith(" tensors, all numbers finite, and the hash fits.\n")
    code, output, error = run("models", "verify", "tiny", "--sha256", "0")
    assert (code, output) == (2, "")
    assert error == f'inkbloom: {path} has the SHA-256 {sha256}, which does not begin with "0".\n'
    path.write_bytes(path.read_bytes()[:-9])
    code, _, error = run("models", "verify", path)
    assert (code, error.count("\n")) == (2, 1)
    assert "is truncated" in error
    assert run("models", "verify", "folder", "--sha256", "0")[2].endswith("is a folder; a SHA-256 is of one file.\n")
    assert run("models", "verify", "folder")[0] == 0


def test_hash(run: Run, library: Path, tiny_file: Path) -> None:
    code, output, _ = run("models", "hash", "tiny", tiny_file)
    content = tiny_file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    old = hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]
    assert code == 0
    assert [line.split()[:3] for line in output.splitlines()] == [[sha256, sha256[:10], old]] * 2
    assert run("models", "hash", "folder")[2].endswith("is a folder; a hash is of one file.\n")
    assert run("models", "hash")[0] == 2


@pytest.mark.parametrize("word", ["show", "verify", "hash"])
def test_unknown_names(run: Run, library: Path, word: str) -> None:
    code, output, error = run("models", word, "tinny")
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert 'There is no model "tinny" among the models of' in error
    assert 'Did you mean "deep/tiny"' in error
    error = run("models", word, "tinny.ckpt", "--models-dir", library / "nowhere")[2]
    assert error.startswith("inkbloom: There is no model at tinny.ckpt.")


def test_help_needs_no_torch() -> None:
    code = """
import sys
from inkbloom.apps.cli.convert import convert
from inkbloom.apps.cli.merge import merge
from inkbloom.apps.cli.models import models
models(["get", "--help"], result_action="return_value")
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "civitai:MODEL" in done.stdout
