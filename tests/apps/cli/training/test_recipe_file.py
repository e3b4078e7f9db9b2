"""Configurations as TOML files, alone and beside flags."""

from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from cyclopts import App

from inkbloom.apps.cli.training import commands
from inkbloom.apps.cli.training.recipe_file import read_into, to_toml
from inkbloom.apps.cli.training.watching import WatchSettings
from inkbloom.core.errors import RequestError
from inkbloom.training.adapters.settings import EmbeddingSettings, LoraSettings
from inkbloom.training.data.settings import DataSettings
from inkbloom.training.loop import RunSettings
from inkbloom.training.recipes import ModelSettings

KINDS = ("lora", "embedding", "dreambooth", "diffusion", "hypernetwork", "controlnet", "autoencoder", "text_encoder")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict:
    """What a command would train, by `call`."""
    found: dict = {}
    monkeypatch.setattr(commands, "execute", lambda recipe, watch, **rest: found.update(recipe=recipe, watch=watch))
    return found


def call(kind: str, *arguments: str) -> None:
    app = App(config=(read_into,))
    app.command(getattr(commands, kind), name=kind)
    app([kind, *arguments], exit_on_error=False, print_error=False, result_action="return_value")


def test_a_file_and_flags(tmp_path: Path, called: dict) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[data]\ndata = ["a", "b 猫"]\nflip = true\n[lora]\nrank = 8\nblock_ranks = { M00 = 32 }\n'
        "[optimizer]\nbetas = [0.8, 0.9]\n[run]\nsteps = 10\n",
        encoding="utf-8",
    )
    call("lora", "--config", str(file), "--rank", "4", "--no-flip")
    recipe = called["recipe"]
    assert recipe.own == LoraSettings(rank=4, block_ranks={"M00": 32})
    assert recipe.data == DataSettings(data=(Path("a"), Path("b 猫")), flip=False)
    assert recipe.optimizer.betas == (0.8, 0.9)
    assert recipe.run.steps == 10


def test_what_is_written_reads_back(tmp_path: Path, called: dict) -> None:
    wanted = {
        "model": ModelSettings(base=Path("m.safetensors"), name='a "quoted" name'.replace('"', "'"), as_folder=True),
        "data": DataSettings(data=(Path("a"),), caption_prefix="tab\there\n猫 😀 \\", caption_dropout=0.1),
        "embedding": EmbeddingSettings(trigger_words={"mycat": 2, "my-dog": 1}, initial_words={"mycat": "cat"}),
        "run": RunSettings(steps=5, save_minutes=1.5),
        "watch": WatchSettings(sample_prompts=("one, two", 'say "three"')),
    }
    file = tmp_path / "recipe.toml"
    file.write_text(to_toml(wanted), encoding="utf-8")
    call("embedding", "--config", str(file))
    recipe = called["recipe"]
    found = {"model": recipe.model, "data": recipe.data, "embedding": recipe.own, "run": recipe.run}
    assert found | {"watch": called["watch"]} == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_one_name_and_a_help_text(kind: str) -> None:
    hints = get_type_hints(getattr(commands, kind), include_extras=False)
    sections = [part for hint in hints.values() for part in get_args(hint) if hasattr(part, "__dataclass_fields__")]
    names = Counter(field.name for section in sections for field in fields(section))
    assert [name for name, count in names.items() if count > 1] == []
    assert not names.keys() & {"config", "dry_run", "device"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nresolutions = 3\n", 'has an unknown field "resolutions".*resolution'),
        ("[data\n", "is not TOML"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_a_bad_file(text: str | bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RequestError, match=message):
        call("lora", "--config", str(file))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Cannot read the configuration"):
        call("lora", "--config", str(tmp_path / "none.toml"))


def test_a_value_of_the_wrong_kind(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[lora]\nrank = "high"\n')
    with pytest.raises(Exception, match='unable to convert "high" into int'):
        call("lora", "--config", str(file))
