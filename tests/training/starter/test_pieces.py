import hashlib
import json

import pytest

from inkbloom.core.errors import CheckpointError, OutputError, RequestError
from inkbloom.training.starter.pieces import INDEX, cut, join, main

SIZE = 10_000


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "weights.bin").write_bytes(bytes(range(256)) * 150)
    (folder / "index.json").write_text("{}")
    return folder


def test_cut_and_joined_it_is_the_same(folder, tmp_path):
    pieces = cut(folder, tmp_path / "pieces", SIZE)
    assert [piece.name for piece in pieces] == [f"model.tar.{i:03d}" for i in range(len(pieces))]
    assert len(pieces) > 3
    assert all(piece.stat().st_size <= SIZE for piece in pieces)
    main([str(tmp_path / "pieces"), str(tmp_path / "again")])
    for name in ("unet/weights.bin", "index.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_cut_again_leaves_no_old_pieces_and_the_same_bytes(folder, tmp_path):
    cut(folder, tmp_path / "pieces", SIZE // 2)
    pieces = cut(folder, tmp_path / "pieces", SIZE)
    first = [piece.read_bytes() for piece in pieces]
    assert sorted((tmp_path / "pieces").glob("model.tar.*")) == pieces
    assert [piece.read_bytes() for piece in cut(folder, tmp_path / "pieces", SIZE)] == first
    index = json.loads((tmp_path / "pieces" / INDEX).read_text())
    assert list(index.values()) == [hashlib.sha256(data).hexdigest() for data in first]


def test_damaged_and_missing_pieces_are_named(folder, tmp_path):
    pieces = cut(folder, tmp_path / "pieces", SIZE)
    pieces[1].write_bytes(b"x" + pieces[1].read_bytes()[1:])
    with pytest.raises(CheckpointError, match=r"^The piece .*model\.tar\.001 is damaged: its SHA-256 is .*, not .*\.$"):
        join(tmp_path / "pieces", tmp_path / "again")
    pieces[0].unlink()
    with pytest.raises(CheckpointError, match=r"^The piece .*model\.tar\.000 cannot be read: .*\.$"):
        join(tmp_path / "pieces", tmp_path / "again")
    with pytest.raises(CheckpointError, match=r"pieces\.json cannot be read: .*\.$"):
        join(tmp_path, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_what_cannot_be_is_said(folder, tmp_path):
    with pytest.raises(RequestError, match=r"^A piece has 0 bytes; it needs at least 1\.$"):
        cut(folder, tmp_path / "pieces", 0)
    cut(folder, tmp_path / "pieces", SIZE)
    with pytest.raises(OutputError, match=r"model is not empty; give a folder that is\.$"):
        join(tmp_path / "pieces", folder)
    with pytest.raises(SystemExit, match="PIECES FOLDER"):
        main([])
