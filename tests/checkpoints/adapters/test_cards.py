"""Embedding cards, written here as A1111 writes them."""

import base64
import json
import zlib
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from inkbloom.checkpoints.adapters import read_embedding
from inkbloom.core.errors import CheckpointError

VECTORS = [[0.5, -1.25, 3.0, 0.0], [1.0, 2.0, -0.125, 8.0]]
CARD = {
    "string_to_token": {"*": 265},
    "string_to_param": {"*": {"TORCHTENSOR": VECTORS}},
    "name": "my style",
    "step": 100,
}


def save_text(path: Path, text: str) -> None:
    info = PngInfo()
    info.add_text("sd-ti-embedding", text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)


def generator():
    value = 0
    while True:
        value = (1664525 * value + 1013904223) % 2**32
        yield value % 255


def block(nibbles: np.ndarray, height: int) -> np.ndarray:
    columns = -(-len(nibbles) // (3 * height))
    padded = np.resize(nibbles, columns * 3 * height)
    scramble = np.array(list(islice(generator(), len(padded))), np.uint8) & 15
    return ((padded ^ scramble) | 0x50).reshape(height, columns, 3)


def save_pixels(path: Path, height: int = 16, border: int = 0) -> None:
    data = np.frombuffer(zlib.compress(json.dumps(CARD).encode()), np.uint8)
    picture = np.full((height, 20, 3), 0x77, np.uint8)
    gap = np.zeros((height, 1, 3), np.uint8)
    whole = np.concatenate([block(data & 15, height), gap, picture, gap, block(data >> 4, height)], axis=1)
    Image.fromarray(np.pad(whole, ((border, border), (border, border), (0, 0)))).save(path)


@pytest.mark.parametrize("border", [0, 3])
def test_pixels(tmp_path: Path, border: int) -> None:
    save_pixels(tmp_path / "card.png", border=border)
    embedding = read_embedding(tmp_path / "card.png")
    assert embedding.name == "my style"
    assert torch.equal(embedding.vectors, torch.tensor(VECTORS))


def test_text(tmp_path: Path) -> None:
    save_text(tmp_path / "card.png", base64.b64encode(json.dumps(CARD).encode()).decode())
    embedding = read_embedding(tmp_path / "card.png")
    assert embedding.name == "my style"
    assert torch.equal(embedding.vectors, torch.tensor(VECTORS))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is no embedding card: "),
        (b"[1]", "is no embedding card: it holds a list"),
        (b'{"x": {"TORCHTENSOR": [[1], [2, 3]]}}', "is no embedding card: "),
        (b'{"x": {"TORCHTENSOR": "no"}}', "is no embedding card: "),
        (b"[" * 100_000, "is no embedding card: "),
        (b'{"name": "empty"}', "is no embedding: it holds 0 tensors"),
    ],
)
def test_bad_text(tmp_path: Path, content: bytes, message: str) -> None:
    save_text(tmp_path / "card.png", base64.b64encode(content).decode())
    with pytest.raises(CheckpointError, match=message):
        read_embedding(tmp_path / "card.png")


@pytest.mark.parametrize(
    ("colour", "message"),
    [
        ("black", "it is black"),
        ("white", "neither its text nor its pixels hold one"),
        ("#707070", "is no embedding card"),
    ],
)
def test_ordinary_pictures(tmp_path: Path, colour: str, message: str) -> None:
    Image.new("RGB", (16, 16), colour).save(tmp_path / "photo.png")
    with pytest.raises(CheckpointError, match=message):
        read_embedding(tmp_path / "photo.png")


def test_no_picture(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(CheckpointError, match="is no embedding card: cannot identify image file"):
        read_embedding(tmp_path / "text.png")
    with pytest.raises(CheckpointError, match="There is no picture at"):
        read_embedding(tmp_path / "none.png")
