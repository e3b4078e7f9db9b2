import hashlib
import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inkbloom.checkpoints.hashes import HashCache, a1111_hash, old_hash
from inkbloom.core.errors import CheckpointError


def test_hashes_of_a_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4400  # 1,126,400 bytes, so that the old hash reads all it wants
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    hashes = HashCache(tmp_path / "cache" / "hashes.json").hashes(path)
    assert hashes.sha256 == hashlib.sha256(content).hexdigest()
    assert hashes.autov2 == hashes.sha256[:10]
    assert hashes.old == hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]


def test_the_old_hash_of_a_short_file_is_that_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert old_hash(tmp_path / "x") == "e3b0c442"  # so many small files have it in common


def test_the_cache_notices_changes(tmp_path: Path) -> None:
    path, store = tmp_path / "x", tmp_path / "hashes.json"
    path.write_bytes(b"one")
    os.utime(path, ns=(0, 10**9))
    cache = HashCache(store)
    assert cache.known(path) is None
    first = cache.sha256(path)
    assert HashCache(store).known(path) == first == hashlib.sha256(b"one").hexdigest()

    path.write_bytes(b"two")
    os.utime(path, ns=(0, 10**9))  # same size, same time: it cannot know
    assert cache.sha256(path) == first
    os.utime(path, ns=(0, 2 * 10**9))
    assert cache.known(path) is None
    assert cache.sha256(path) == hashlib.sha256(b"two").hexdigest()

    other = tmp_path / "other"
    other.write_bytes(b"")
    path.unlink()
    cache.sha256(other)
    assert list(json.loads(store.read_text())) == [str(other)]  # without the file that is gone
    with pytest.raises(CheckpointError, match="cannot be read: No such file or directory"):
        cache.sha256(path)


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"%s": 3}', '{"%s": {"stamp": [1]}}'])
def test_a_damaged_cache_is_begun_anew(tmp_path: Path, damage: str) -> None:
    path, store = tmp_path / "x", tmp_path / "hashes.json"
    path.write_bytes(b"one")
    store.write_text(damage.replace("%s", str(path)))
    assert HashCache(store).sha256(path) == hashlib.sha256(b"one").hexdigest()
    assert HashCache(store).known(path) is not None


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")
    cache = HashCache(tmp_path / "file" / "hashes.json")
    assert cache.sha256(tmp_path / "file") == hashlib.sha256(b"one").hexdigest()
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_the_hashes_of_a1111(tmp_path: Path) -> None:
    path = tmp_path / "film.safetensors"
    save_file({"a": torch.arange(4.0)}, path, {"ss_steps": "5"})
    numbers = struct.pack("<4f", 0, 1, 2, 3)
    # Of the tensors alone, so that other metadata leave it
    assert a1111_hash(path, {}) == hashlib.sha256(numbers).hexdigest()[:12]
    assert a1111_hash(path, {"sshs_model_hash": "0123456789abcdef"}) == "0123456789ab"
    # Of an embedding, and of a pickle, the whole file
    whole = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert a1111_hash(path) == whole
    pickled = path.rename(tmp_path / "film.pt")
    assert a1111_hash(pickled, {}) == whole
    pickled.write_bytes(b"another")
    assert a1111_hash(pickled) == hashlib.sha256(b"another").hexdigest()[:12]
    with pytest.raises(CheckpointError, match="cannot be read"):
        a1111_hash(tmp_path / "none.pt")
