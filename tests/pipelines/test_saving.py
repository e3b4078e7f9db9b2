import os
import resource
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest
from PIL import Image

from inkbloom import GenerationRequest
from inkbloom.core.errors import OutputError
from inkbloom.families.sd1 import SD1
from inkbloom.pipelines.metadata import read_metadata
from inkbloom.pipelines.saving import numbered, output_folders, prepare_folder, save_new, save_picture

PICTURE = Image.effect_noise((64, 64), 50).convert("RGB")


def names(folder: Path) -> chain[Path]:
    return numbered(folder, "{:05}.png", 0)


def test_the_picture_carries_its_request(tmp_path: Path) -> None:
    request = GenerationRequest(prompt="星空下的城堡, a castle", seed=7).resolved(SD1)
    path = save_picture(PICTURE, names(tmp_path), request)
    assert read_metadata(path).request == GenerationRequest(**request.model_dump())
    with Image.open(path) as file:
        assert file.info["parameters"].startswith("星空下的城堡, a castle\nSteps: 50")
        assert file.tobytes() == PICTURE.tobytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "00000.png").write_text("mine")
    (tmp_path / "00002.png").write_text("mine too")
    assert [save_picture(PICTURE, names(tmp_path)).name for _ in range(2)] == ["00001.png", "00003.png"]
    assert (tmp_path / "00000.png").read_text() == "mine"


def test_writers_at_the_same_time_get_different_names(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        paths = list(threads.map(lambda _: save_picture(PICTURE, names(tmp_path)), range(24)))
    assert sorted(path.name for path in paths) == [f"{i:05}.png" for i in range(24)]
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in paths)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # no file may grow beyond 1,000 bytes
    try:
        with pytest.raises(OutputError, match=r'Cannot write ".*00000.png": File too large\.'):
            save_picture(PICTURE, names(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_new(write, names(tmp_path))
    assert os.listdir(tmp_path) == []


def test_folders_are_made_and_tried(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == []
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r'Cannot write ".*file/b": Not a directory\.'):
        prepare_folder(tmp_path / "file" / "b")


def test_folders_that_stay_empty_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    folders = tmp_path / "a" / "b" / "samples", tmp_path / "a" / "b", tmp_path / "old"

    def fail() -> None:
        with output_folders(*folders):
            assert all(folder.is_dir() for folder in folders)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [*tmp_path.rglob("*")] == [tmp_path / "old"]
    with output_folders(*folders):
        (folders[1] / "grid.png").touch()
    assert sorted(tmp_path.rglob("*.png")) == [folders[1] / "grid.png"]
    assert not folders[0].exists()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), output_folders(tmp_path / "new" / "x", tmp_path / "file" / "x"):
        raise AssertionError
    assert not (tmp_path / "new").exists()
