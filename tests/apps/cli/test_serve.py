from pathlib import Path

import pytest

from inkbloom.apps.cli.serve import models_folder
from inkbloom.checkpoints.library import Library


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--port", "70000"), "--port 70000 is out of range; allowed are 0 to 65535."),
        (("--api-auth", "anna"), "--api-auth must be USER:PASSWORD."),
        (("--token", ""), "--token is empty; give one that cannot be guessed."),
        (("--models-dir", "nowhere"), "There is no folder of models at nowhere."),
        (
            ("--host", "0.0.0.0"),
            "--host 0.0.0.0 lets other machines in; give a --token for them, or --api-auth USER:PASSWORD.",
        ),
    ],
)
def test_what_cannot_be_served(run, tmp_path: Path, flags: tuple[str, ...], message: str) -> None:
    assert run("serve", "--data-dir", tmp_path, *flags) == (2, "", f"inkbloom: {message}\n")


def test_there_is_a_place_for_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = Path("data")
    for _ in range(2):
        assert models_folder(None, data) == data / "models"
    assert Library(data / "models").home("loras") == data / "models" / "loras"
    assert Library(data / "models").home("checkpoints") == data / "models" / "checkpoints"
    for name in ("models", "mine"):
        Path(name).mkdir()
    assert models_folder(None, data) == Path("models")
    assert models_folder(Path("mine"), data) == Path("mine")


def test_a_folder_that_cannot_be_made_is_told(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INKBLOOM_MODELS", raising=False)
    (tmp_path / "file").touch()
    assert run("serve", "--data-dir", "file/data") == (
        2,
        "",
        'inkbloom: Cannot write "file/data/models": Not a directory.\n',
    )
