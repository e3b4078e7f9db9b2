"""Where new models go."""

from pathlib import Path

import pytest

from inkbloom.apps.service.worker.homes import home, publish
from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import RequestError


def test_homes_are_made(tmp_path: Path) -> None:
    assert home(Library(tmp_path), "loras") == tmp_path / "loras"
    library = Library(tmp_path)
    assert library.folders == {"checkpoints": [tmp_path / "checkpoints"], "loras": [tmp_path / "loras"]}
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    assert home(Library(tmp_path), "loras") == tmp_path / "models" / "Lora"


def test_a_plain_folder_of_checkpoints_stays_one(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert home(Library(tmp_path), "checkpoints") == tmp_path
    with pytest.raises(RequestError, match=r'is a plain folder of checkpoints; move them into a folder "checkpoints"'):
        home(Library(tmp_path), "loras")
    with pytest.raises(RequestError, match=r"^The server has no folder of models to write into; start it with"):
        home(None, "loras")


def test_what_is_published_replaces_what_was_there(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    for text in ("one", "two"):
        source.mkdir(exist_ok=True)
        (source / "weights").write_text(text, encoding="utf-8")
        publish(source, target)
        assert (target / "weights").read_text(encoding="utf-8") == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
