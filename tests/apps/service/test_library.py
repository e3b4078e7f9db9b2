import shutil
from pathlib import Path

import pytest

from inkbloom.apps.service import DataFolder, Service
from inkbloom.core.errors import RequestError


def test_models_are_listed_by_their_headers(folder: DataFolder, tmp_path: Path, tiny_file: Path) -> None:
    root = tmp_path / "models"
    (root / "checkpoints").mkdir(parents=True)
    (root / "loras").mkdir()
    shutil.copy(tiny_file, root / "checkpoints" / "tiny.safetensors")
    (root / "checkpoints" / "broken.safetensors").write_bytes(b"no header")
    (root / "loras" / "film.safetensors").write_bytes(b"123")
    service = Service(folder, root, devices=[])
    cards = {card.name: card for card in service.models.list("checkpoints")}
    assert list(cards) == ["starter", "broken.safetensors", "tiny.safetensors"]
    tiny = cards["tiny.safetensors"]
    assert (tiny.family, tiny.purpose, tiny.width, tiny.steps) == ("sd1", "paint", 64, 4)
    assert tiny.bytes == tiny_file.stat().st_size
    assert not tiny.loaded
    assert not tiny.default
    assert cards["starter"].default
    assert cards["starter"].family == "starter"
    assert cards["broken.safetensors"].family is None
    assert cards["broken.safetensors"].description
    assert [card.bytes for card in service.models.list("loras")] == [3]

    service.set_settings({"default_model": "tiny"})
    service.models.told("cpu", [{"name": "tiny", "bytes": 5}])
    tiny = service.models.list("checkpoints")[2]
    assert tiny.default
    assert tiny.loaded
    assert service.models.held() == {
        "loaded": [{"name": "tiny", "bytes": 5}],
        "bytes": 5,
    }

    (root / "loras" / "film.safetensors").unlink()
    assert len(service.models.list("loras")) == 1
    service.models.refresh()
    assert service.models.list("loras") == []
    assert service.events.since(0)[-1].type == "models"
    with pytest.raises(RequestError, match='Unknown kind of model "lora"'):
        service.models.list("lora")
    service.close()


def test_without_a_folder_there_is_the_starter(service: Service) -> None:
    assert [card.name for card in service.models.list("checkpoints")] == ["starter"]
    assert service.models.list("loras") == []


def test_hashes_are_read_once_and_told(folder: DataFolder, tmp_path: Path) -> None:
    loras = tmp_path / "models" / "loras"
    loras.mkdir(parents=True)
    (loras / "film.safetensors").write_bytes(b"123")
    service = Service(folder, tmp_path / "models", devices=[])
    assert [card.hash for card in service.models.list("loras")] == [None]
    service.models.hash_all(lambda: True)
    assert [card.hash for card in service.models.list("loras")] == [None]
    before = service.events.last
    for _ in range(2):
        service.models.hash_all(lambda: False)
    # SHA-256 of "123", as sha256sum says
    assert [card.hash for card in service.models.list("loras")] == ["a665a45920"]
    assert [event.type for event in service.events.since(before)] == ["models"]
    service.models.refresh()
    assert [card.hash for card in service.models.list("loras")] == ["a665a45920"]
    service.close()
