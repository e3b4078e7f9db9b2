"""Plots by a worker."""

from pathlib import Path
from typing import Any

from inkbloom import StableDiffusion

from .conftest import Office, end, told
from .test_painting import pixels

DOG: dict[str, Any] = {"prompt": "a dog", "width": 64, "height": 64, "steps": 2, "seed": 3, "model": "tiny"}


def test_cells_and_grid(office: Office, tiny_file: Path) -> None:
    spec = {"kind": "plot", "request": DOG, "x": "Steps: 1, 2", "y": "Prompt S/R: dog, cat", "margin": 4}
    run = office.order(spec)
    office.connection.send(run)
    heard = office.hear_until("done", "failed")
    assert end(heard) == ("done", "")
    (result,) = told(heard, "result")
    assert result["result"]["axes"] == [
        {"name": "Steps", "values": ["1", "2"]},
        {"name": "Prompt S/R", "values": ["dog", "cat"]},
        {"name": "Nothing", "values": [""]},
    ]
    assert [(tuple(cell["place"]), cell["index"]) for cell in result["result"]["cells"]] == [
        ((0, 0, 0), 0),
        ((1, 0, 0), 1),
        ((0, 1, 0), 2),
        ((1, 1, 0), 3),
    ]
    *cells, grid = told(heard, "picture")
    assert [(cell["index"], cell["request"]["steps"], cell["request"]["prompt"]) for cell in cells] == [
        (0, 1, "a dog"),
        (1, 2, "a dog"),
        (2, 1, "a cat"),
        (3, 2, "a cat"),
    ]
    assert (grid["role"], grid["index"], grid["request"]) == ("grid", 0, None)
    assert grid["width"] > 2 * 64 + 4
    model = StableDiffusion.load(tiny_file, device="cpu")
    alone = model.generate(**{name: value for name, value in DOG.items() if name != "model"} | {"prompt": "a cat"})
    assert pixels(cells[3]["path"]) == alone.images[0].tobytes()

    office.connection.send(run | {"done": [0, 1, 2, 3]})  # all that was lost is the grid
    heard = office.hear_until("done", "failed")
    assert [message["role"] for message in told(heard, "picture")] == ["grid"]
    assert not [message for message in told(heard, "progress") if message["progress"]["stage"] == "working"]


def test_models_are_the_outer_loop(office: Office) -> None:
    spec = {"kind": "plot", "request": DOG | {"steps": 1}, "x": "Checkpoint name: tiny, starter", "y": "Seed: 1-2"}
    heard = office.run(spec)
    assert end(heard) == ("done", "")
    assert [message["index"] for message in told(heard, "picture")] == [0, 2, 1, 3, 0]
    assert [message["request"]["model"] for message in told(heard, "picture")[:4]] == ["tiny"] * 2 + [
        "starter_model"
    ] * 2


def test_every_cell_is_checked_before_the_first_is_painted(office: Office) -> None:
    heard = office.run({"kind": "plot", "request": DOG, "x": "Clip skip: 1, 40"})
    assert end(heard)[0] == "failed"
    assert heard[-1]["message"].startswith("Clip skip: 40: clip_skip 40: must be from 1 to 2")
    assert not told(heard, "picture")
    hires = DOG | {"hires": {"scale": 2}}
    heard = office.run({"kind": "plot", "request": hires, "x": "Hires upscaler: Latent, /etc/passwd"})
    message = 'Hires upscaler: /etc/passwd: hires upscaler "/etc/passwd": give its name in the library, not a path.'
    assert end(heard) == ("failed", message)
    heard = office.run({"kind": "plot", "request": DOG, "x": "Stepps: 1"})
    assert heard[-1]["message"].startswith('Unknown axis "Stepps". Did you mean "Steps"')
