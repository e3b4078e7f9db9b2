from pathlib import Path

import pytest
import torch

from inkbloom.checkpoints.adapters import read_embedding
from inkbloom.core.errors import CheckpointError

VECTORS = torch.arange(128.0).reshape(2, 64)


@pytest.mark.parametrize(
    "content",
    [
        {"string_to_token": {"*": 265}, "string_to_param": {"*": VECTORS}, "name": "other", "step": 5},
        {"string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(VECTORS)})},  # the first trainers'
        {"<cat>": VECTORS},
        {"emb_params": VECTORS.half()},
        {"clip_l": VECTORS, "clip_g": torch.zeros(2, 1280)},
    ],
)
def test_pickles(content: dict, tmp_path: Path) -> None:
    path = tmp_path / "my cat.pt"
    torch.save(content, path)
    embedding = read_embedding(path)
    assert embedding.name == "my cat"
    assert embedding.vectors.dtype == torch.float32
    assert torch.equal(embedding.vectors, VECTORS)
    embedding.check_width(64)


@pytest.mark.parametrize("content", [{"<cat>": VECTORS}, {"emb_params": VECTORS}, {"clip_l": VECTORS}])
def test_safetensors(content: dict, make) -> None:
    assert torch.equal(read_embedding(make.save(content)).vectors, VECTORS)


def test_one_vector(make) -> None:
    assert read_embedding(make.save({"<cat>": VECTORS[0]})).vectors.shape == (1, 64)


@pytest.mark.parametrize(("width", "family"), [(1024, r" \(it is for Stable Diffusion 2\)"), (100, "")])
def test_width(make, width: int, family: str) -> None:
    embedding = read_embedding(make.save({"emb_params": torch.zeros(1, width)}, name="cat"))
    message = rf'^The embedding "cat" has vectors {width} wide{family}; this model\'s are 768 wide\.$'
    with pytest.raises(CheckpointError, match=message):
        embedding.check_width(768)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": VECTORS, "b": VECTORS}, "is no embedding: it holds 2 tensors, where an embedding holds one"),
        ({"a": torch.zeros(2, 2, 2)}, r"is no embedding: its tensor has the shape \[2, 2, 2\]"),
        ({"a": torch.zeros(0, 64)}, r"is no embedding: its tensor has the shape \[0, 64\]"),
        ({"clip_g": VECTORS}, "is an embedding for Stable Diffusion XL's second text encoder alone"),
    ],
)
def test_something_else(make, content: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_embedding(make.save(content))


def test_a_pickle_of_something_else(tmp_path: Path) -> None:
    torch.save([VECTORS], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="holds a list; an embedding is a dictionary of tensors"):
        read_embedding(tmp_path / "list.pt")
