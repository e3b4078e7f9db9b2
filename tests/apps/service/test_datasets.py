from pathlib import Path

import pytest

from inkbloom.apps.service import Service
from inkbloom.apps.service.refusals import ConflictError, UnknownError
from inkbloom.core.errors import RequestError
from inkbloom.training.data.folders import collect
from inkbloom.training.data.settings import DataSettings
from tests.apps.service.conftest import png


def test_a_set_is_made_filled_and_read_by_a_training(service: Service) -> None:
    sets = service.datasets
    sets.create("my cat")
    with pytest.raises(ConflictError, match="there is such a data set already"):
        sets.create("my cat")
    first = sets.add("my cat", "../../evil name?.JPG", png(), "a cat")
    second = sets.add("my cat", "../../evil name?.JPG", png(colour="blue"), "猫")
    assert (first, second) == ("evil name_.png", "evil name_-1.png")
    sets.caption("my cat", first, "a red cat")
    assert [(one["file"], one["width"], one["caption"]) for one in sets.get("my cat")] == [
        (second, 40, "猫"),
        (first, 40, "a red cat"),
    ]
    read = collect(DataSettings(data=(sets.path("my cat"),))).examples
    assert sorted(example.caption for example in read) == ["a red cat", "猫"]
    sets.remove("my cat", second)
    assert len(sets.get("my cat")) == 1
    assert sets.list() == ["my cat"]
    sets.delete("my cat")
    assert sets.list() == []


def test_findings(service: Service) -> None:
    service.datasets.create("x")
    assert service.datasets.lint("x")[0]["level"] == "error"
    for name in ("a", "b"):
        service.datasets.add("x", name, png(), "")
    found = service.datasets.lint("x", 512)
    assert any(set(one["files"]) == {"a.png", "b.png"} for one in found)
    assert not any(str(service.folder.root) in one["text"] for one in found)
    with pytest.raises(RequestError, match="resolution 1: must be from 64 to 4096"):
        service.datasets.lint("x", 1)


def test_nothing_outside_can_be_named(service: Service, tmp_path: Path) -> None:
    sets = service.datasets
    sets.create("x")
    (tmp_path / "outside").mkdir()
    (sets.path("x").parent / "link").symlink_to(tmp_path / "outside")
    for name in ("..", "../x", "link", "/tmp", "none"):
        with pytest.raises(RequestError, match=r"^dataset"):
            sets.path(name)
    (sets.path("x") / "link.png").symlink_to(tmp_path / "outside")
    for file in ("../../inkbloom.db", "link.png", "none.png"):
        with pytest.raises(UnknownError):
            sets.file("x", file)
        with pytest.raises(UnknownError):
            sets.caption("x", file, "text")


def test_the_curve_of_a_training_is_read_while_it_is_written(service: Service) -> None:
    run = service.folder.runs / "mycat"
    run.mkdir()
    (run / "log.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "lo')
    assert service.datasets.curve("mycat") == [{"step": 1, "loss": 0.5}]
    assert service.datasets.curve("other") == []
