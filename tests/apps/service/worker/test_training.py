"""Trainings by a worker: a new file in the library, a run that goes on, and refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from inkbloom.checkpoints.adapters import read_adapter

from .conftest import Office, end, told


@pytest.fixture(scope="module")
def dataset(office: Office) -> Path:
    folder = office.root / "datasets" / "cats"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(4):
        coarse = PILImage.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((64, 64), PILImage.Resampling.BICUBIC).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"a mycat, number {i}", encoding="utf-8")
    return folder


def spec(dataset: Path, name: str, training: str = "lora", **fields: Any) -> dict[str, Any]:
    return {
        "kind": "train",
        "training": training,
        "name": name,
        "dataset": str(dataset),
        "model": "tiny",
        "fields": {"batch_size": 2} | fields,
    }


def test_a_lora_with_samples(office: Office, dataset: Path, models_dir: Path) -> None:
    fields = {"rank": 2, "steps": 2, "sample_every": 1, "sample_steps": 1, "sample_prompts": ["a mycat", "a dog"]}
    heard = office.run(spec(dataset, "mycat", **fields))
    assert end(heard) == ("done", "")
    assert told(heard, "result")[-1]["result"] == {
        "files": ["mycat.safetensors"],
        "log": "runs/mycat/log.jsonl",
        "sample_prompts": ["a mycat", "a dog"],
        "sample_every": 1,
    }
    assert read_adapter(models_dir / "loras" / "mycat.safetensors").layers
    samples = told(heard, "picture")
    assert [(sample["index"], sample["role"], sample["seed"]) for sample in samples] == [
        (0, "sample", 0),
        (1, "sample", 1),
        (2, "sample", 0),
        (3, "sample", 1),
        (4, "sample", 0),
        (5, "sample", 1),
    ]
    last = [one["progress"] for one in told(heard, "progress") if one["progress"]["stage"] == "working"][-1]
    assert (last["step"], last["steps"], last["done"]) == (2, 2, 1.0)
    assert last["metrics"]["loss"] > 0
    log = (office.root / "runs" / "mycat" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(log[-1])["step"] == 2
    request = {"prompt": "a mycat <lora:mycat:1>", "width": 64, "height": 64, "steps": 1, "model": "tiny"}
    assert end(office.run({"kind": "generate", "request": request})) == ("done", "")  # the library has it now

    heard = office.run(spec(dataset, "mycat", **fields | {"steps": 3}))  # the same run goes on
    assert [sample["index"] for sample in told(heard, "picture")] == [6, 7]
    assert end(heard) == ("done", "")
    (models_dir / "loras" / "other.safetensors").write_bytes(b"someone's")
    heard = office.run(spec(dataset, "other", **fields))
    assert heard[-1]["message"] == (
        'There is already "other.safetensors" in the library; give the training another name.'
    )


def test_cancel_keeps_the_state(office: Office, dataset: Path) -> None:
    run = office.order(spec(dataset, "long", rank=2, steps=100_000))
    office.connection.send(run)
    heard = office.hear_until("progress")
    while not (office.root / "runs" / "long" / "latents").exists():
        heard = office.hear_until("progress", "done", "failed")
    office.connection.send({"do": "cancel", "job": run["job"], "picture": None})
    heard = office.hear_until("done", "cancelled", "failed")
    assert end(heard)[0] == "cancelled"
    assert not told(heard, "picture")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rnak": 4}, 'A training of kind lora has no field "rnak". Did you mean "rank"'),
        ({"rank": "many"}, "rank 'many': must be a valid integer"),
        ({"rank": 0}, "rank is 0; it must be at least 1"),
        ({}, "A training needs a budget: minutes, steps, or both."),
        ({"output": "/tmp/elsewhere"}, "The field output cannot be given here: the service decides it."),
        ({"hint_folder": "../cats"}, "hint_folder '../cats': must be a plain name"),
        ({"hint_folder": "dogs"}, 'hint_folder: there is no data set "dogs".'),
        ({"start_from": "/etc/passwd"}, 'There is no model "/etc/passwd" among the loras'),
        ({"sample_steps": "few"}, "sample_steps 'few': must be a valid integer"),
    ],
)
def test_refusals(office: Office, dataset: Path, fields: dict[str, Any], message: str) -> None:
    heard = office.run(spec(dataset, "refused", **fields))
    assert heard[-1]["tell"] == "failed"
    assert heard[-1]["message"].startswith(message)
