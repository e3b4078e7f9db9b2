"""Which models stay in memory."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from inkbloom.apps.service.worker.cache import ModelCache
from inkbloom.core.errors import CheckpointError
from inkbloom.pipelines.device import choose_compute


@pytest.fixture
def root(tiny_file: Path, tmp_path: Path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    for name in ("a", "b"):
        shutil.copy(tiny_file, tmp_path / "checkpoints" / f"{name}.safetensors")
    return tmp_path


def opened(root: Path | None, budget: int) -> tuple[ModelCache, list[Any]]:
    told: list[Any] = []
    cache = ModelCache(root, choose_compute("cpu"), budget, told.append)
    cache.refresh()
    return cache, told


def test_a_model_is_loaded_once_and_again_when_its_file_changes(root: Path) -> None:
    cache, told = opened(root, 2**30)
    model = cache.get("a")
    assert cache.get("a", dtype="float32") is model
    assert [one["name"] for one in told[-1]["loaded"]] == ["a"]
    os.utime(root / "checkpoints" / "a.safetensors", ns=(1, 1))
    assert cache.get("a") is not model
    weights = sum(
        p.numel() * 4 for net in (model.text, model.unet, model.autoencoder.network) for p in net.parameters()
    )
    assert cache.bytes == 2 * weights


def test_those_used_longest_ago_go_first(root: Path) -> None:
    cache, told = opened(root, 2**30)
    a = cache.get("a")
    cache.budget = cache.bytes * 5 // 2  # two of them
    b = cache.get("b")
    assert cache.get("a") is a
    cache.get("starter")
    assert "b" not in [one["name"] for one in told[-1]["loaded"]]
    assert cache.get("b") is not b
    cache.budget = 1
    assert cache.get("a").name == "a"  # what is in use is kept, however large
    assert [one["name"] for one in told[-1]["loaded"]] == ["a"]
    cache.clear()
    assert told[-1] == {"tell": "models", "loaded": [], "bytes": 0}


def test_a_new_folder_of_the_library_is_seen(root: Path, tiny_file: Path) -> None:
    cache, _ = opened(root, 2**30)
    model = cache.get("a")
    cache.refresh()
    assert cache.get("a") is model
    (root / "vae").mkdir()
    shutil.copy(tiny_file, root / "vae" / "other.safetensors")
    cache.refresh()
    assert cache.get("a", vae="other").vae == root / "vae" / "other.safetensors"


def test_names(root: Path) -> None:
    cache, _ = opened(root, 2**30)
    assert cache.path(None) == cache.path("starter") == cache.path("starter_model")
    with pytest.raises(CheckpointError, match=r'^There is no model "c" among the checkpoints'):
        cache.path("c")
    bare, _ = opened(None, 0)
    with pytest.raises(CheckpointError, match=r'^There is no model "c": the server has no folder of models\.$'):
        bare.path("c")
