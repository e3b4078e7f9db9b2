"""Pictures by a worker: those of the library itself, also after a kill in the middle of one."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from inkbloom import StableDiffusion
from inkbloom.pipelines.metadata import read_metadata

from .conftest import Office, end, told

CASTLE: dict[str, Any] = {"prompt": "a castle", "width": 64, "height": 64, "steps": 4, "seed": 7, "model": "tiny"}


def generate(**fields: Any) -> dict[str, Any]:
    extra = {name: fields.pop(name) for name in ("styles", "variants") if name in fields}
    return {"kind": "generate", "request": CASTLE | fields, **extra}


def pixels(path: str | Path) -> bytes:
    with PILImage.open(path) as picture:
        return picture.tobytes()


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


def test_pictures_are_those_of_the_library(office: Office, model: StableDiffusion) -> None:
    heard = office.run(generate(num_images=3, batch_size=2))
    assert end(heard) == ("done", "")
    saved = told(heard, "picture")
    plain = {name: value for name, value in CASTLE.items() if name != "model"}
    whole = model.generate(**plain, num_images=3, batch_size=2)
    assert [pixels(message["path"]) for message in saved] == [image.tobytes() for image in whole.images]
    assert [(message["index"], message["role"], message["seed"]) for message in saved] == [
        (0, "picture", 7),
        (1, "picture", 8),
        (2, "picture", 9),
    ]
    metadata = read_metadata(Path(saved[1]["path"]))
    assert metadata.request is not None
    assert metadata.request.model_dump(mode="json")["seed"] == saved[1]["request"]["seed"] == 8
    assert saved[1]["request"]["num_images"] == 1
    steps = [message["progress"] for message in told(heard, "progress")]
    assert [step["done"] for step in steps] == sorted(step["done"] for step in steps)
    assert not any((Path(office.root) / "spool").rglob("*.tape"))


def test_an_upload_is_changed(office: Office, tmp_path: Path, model: StableDiffusion) -> None:
    path = tmp_path / "grey.png"
    PILImage.new("RGB", (64, 64), "grey").save(path)
    heard = office.run(generate(init_image={"path": str(path)}, strength=0.5))
    plain = {name: value for name, value in CASTLE.items() if name != "model"}
    whole = model.generate(**plain, init_image=path, strength=0.5)
    assert pixels(told(heard, "picture")[0]["path"]) == whole.images[0].tobytes()


def test_styles_and_variants(office: Office) -> None:
    (office.root / "styles.csv").write_text("name,prompt,negative_prompt\nart,{prompt} by me,bad\n", encoding="utf-8")
    (office.root / "wildcards").mkdir()
    (office.root / "wildcards" / "animal.txt").write_text("cat\ndog\n", encoding="utf-8")
    heard = office.run(generate(prompt="{a|the} __animal__", num_images=4, styles=["art"], variants=True, steps=1))
    prompts = [message["request"]["prompt"] for message in told(heard, "picture")]
    assert all(prompt.endswith(("cat by me", "dog by me")) for prompt in prompts)
    assert len(set(prompts)) > 1
    assert {message["request"]["negative_prompt"] for message in told(heard, "picture")} == {"bad"}
    heard = office.run(generate(styles=["arts"]))
    assert end(heard) == ("failed", 'Unknown style "arts". Did you mean "art"?')


@pytest.mark.parametrize(
    ("fields", "type", "message"),
    [
        ({"model": "tyni"}, "CheckpointError", 'There is no model "tyni" among the checkpoints'),
        ({"prompt": "a <lora:film:1>"}, "RequestError", '"film"'),
        ({"width": 8192, "height": 8192, "batch_size": 64, "num_images": 64}, "MemoryNeededError", "needs at least"),
        ({"device": "cuda:7"}, "RequestError", 'Device "cuda:7" is not on this machine'),
    ],
)
def test_what_fails_leaves_the_worker_as_it_was(
    office: Office, fields: dict[str, Any], type: str, message: str
) -> None:
    before = told(office.run(generate()), "picture")[0]
    heard = office.run(generate(**fields))
    assert heard[-1]["type"] == type
    assert message in heard[-1]["message"]
    assert not told(heard, "picture")
    after = told(office.run(generate()), "picture")[0]
    assert pixels(after["path"]) == pixels(before["path"])


def test_finished_pictures_are_not_made_again_and_those_left_out_never(office: Office) -> None:
    heard = office.run(generate(num_images=5), done=[0, 3], skip=[1])
    assert [message["index"] for message in told(heard, "picture")] == [2, 4]
    assert end(heard)[0] == "done"


def test_a_batch_is_painted_as_before_where_a_part_of_it_is_saved(office: Office) -> None:
    whole = told(office.run(generate(num_images=3, batch_size=3)), "picture")
    rest = told(office.run(generate(num_images=3, batch_size=3), done=[0, 1]), "picture")
    assert [message["index"] for message in rest] == [2]
    assert pixels(rest[0]["path"]) == pixels(whole[2]["path"])


def test_a_file_of_an_attempt_that_could_not_tell_of_it_is_replaced(office: Office) -> None:
    run = office.order(generate())
    path = office.root / "outputs" / f"{run['stem']}-000.png"
    path.write_bytes(b"of another time")
    office.connection.send(run)
    (saved,) = told(office.hear_until("done"), "picture")
    assert Path(saved["path"]) == path
    assert len(pixels(path)) == 64 * 64 * 3


def test_cancel_takes_effect_within_a_step(office: Office) -> None:
    run = office.order(generate(steps=5000, sampler="Euler a"))
    office.connection.send(run)
    office.hear_until("progress")
    office.hear_until("progress")
    office.connection.send({"do": "cancel", "job": run["job"], "picture": None})
    heard = office.hear_until("cancelled", "done", "failed")
    assert end(heard)[0] == "cancelled"
    assert all(message["progress"]["step"] < 1000 for message in told(heard, "progress"))
    assert end(office.run(generate()))[0] == "done"


def test_one_picture_is_left_out_while_it_is_painted(office: Office) -> None:
    run = office.order(generate(num_images=2, steps=300, sampler="Euler a"))
    office.connection.send(run)
    heard = office.hear_until("progress")
    while heard[-1]["progress"]["stage"] != "working":
        heard = office.hear_until("progress")
    office.connection.send({"do": "cancel", "job": run["job"], "picture": 0})
    heard = office.hear_until("cancelled", "done", "failed")
    assert end(heard)[0] == "done"
    assert [message["index"] for message in told(heard, "picture")] == [1]


def test_a_waiting_job_is_cancelled_before_it_begins(office: Office) -> None:
    first, second = office.order(generate(steps=50)), office.order(generate())
    office.connection.send(first)
    office.connection.send(second)
    office.connection.send({"do": "cancel", "job": second["job"], "picture": None})
    assert office.hear_until("done", "cancelled", "failed")[-1] == {"tell": "done", "job": first["job"], "warnings": []}
    assert office.hear() == {"tell": "cancelled", "job": second["job"]}


def test_a_killed_worker_s_job_is_gone_on_with_to_the_bit(new_office: Callable[..., Office]) -> None:
    office = new_office()
    spec = generate(model="starter", width=64, height=64, steps=24, sampler="DPM++ 2M", num_images=2)
    spec["request"]["prompt"] = "a cat"
    run = office.order(spec)
    office.connection.send(run)
    heard = office.hear_until("picture")
    while not (heard[-1]["tell"] == "progress" and heard[-1]["progress"]["step"] >= 9):
        heard.append(office.hear())
    office.kill()
    (first,) = told(heard, "picture")
    assert first["index"] == 0
    assert any((office.root / "spool").rglob("*.tape"))

    again = new_office()
    again.connection.send(run | {"done": [0]})
    heard = again.hear_until("done", "failed")
    (second,) = told(heard, "picture")
    steps = [message["progress"]["step"] for message in told(heard, "progress") if message["progress"].get("step")]
    assert min(steps) > 9  # what was on the tape is not done again
    whole = told(again.run(spec), "picture")
    assert [pixels(one["path"]) for one in (first, second)] == [pixels(one["path"]) for one in whole]
    assert second["request"] == whole[1]["request"]
    metadata = [read_metadata(Path(one["path"])).stages for one in (second, whole[1])]
    assert metadata[0] == metadata[1]


def test_a_stopped_worker_leaves_the_tape_and_tells_no_end(new_office: Callable[..., Office]) -> None:
    office = new_office()
    office.connection.send(office.order(generate(steps=5000, sampler="Euler a")))
    heard = office.hear_until("progress")
    while not heard[-1].get("progress", {}).get("step"):
        heard.append(office.hear())
    office.connection.send({"do": "stop"})
    office.process.join(30)
    assert office.process.exitcode == 0
    assert any((office.root / "spool").rglob("*.tape"))
    while office.connection.poll():
        try:
            assert office.hear()["tell"] in ("progress", "models")
        except EOFError:
            break


def test_the_process_ends_with_the_server(new_office: Callable[..., Office]) -> None:
    office = new_office()
    office.connection.send(office.order(generate(steps=5000)))
    office.hear_until("progress")
    office.connection.close()
    office.process.join(30)
    assert office.process.exitcode == 1


@pytest.fixture
def shown(office: Office) -> Iterator[Callable[..., None]]:
    """Sets how pictures are shown, for one test."""

    def choose(**settings: Any) -> None:
        office.connection.send({"do": "settings", "settings": settings})

    yield choose
    choose(preview_method="none")


def test_previews(office: Office, shown: Callable[..., None]) -> None:
    shown(preview_method="matrix", preview_every=2)
    heard = office.run(generate(model="starter", steps=4, num_images=2, batch_size=2))
    previews = told(heard, "preview")
    assert [(one["picture"], one["step"]) for one in previews] == [(0, 2), (1, 2), (0, 4), (1, 4)]
    for one in previews:
        with PILImage.open(io.BytesIO(one["image"])) as picture:
            assert (picture.format, picture.size) == ("JPEG", (64, 64))


def test_previews_take_little_of_the_time(office: Office, shown: Callable[..., None]) -> None:
    shown(preview_method="full", preview_every=0)
    heard = office.run(generate(model="starter", steps=60))
    shown_steps = [one["step"] for one in told(heard, "preview")]
    assert 1 <= len(shown_steps) < 60
    assert shown_steps == sorted(shown_steps)


def test_a_preview_that_there_is_not_is_told_once(office: Office, shown: Callable[..., None]) -> None:
    shown(preview_method="tiny", preview_every=1)
    office.connection.send({"do": "unload"})
    first, second = office.run(generate(steps=1)), office.run(generate(steps=1))
    assert any("taesd" in line for line in first[-1]["warnings"])
    assert told(first, "preview")
    assert second[-1]["warnings"] == []


def test_a_full_disk_is_told(office: Office, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    heard = office.run(generate(), folder=str(tmp_path / "file" / "below"))
    assert heard[-1]["type"] == "OutputError"
    assert "cannot be written" in heard[-1]["message"]
