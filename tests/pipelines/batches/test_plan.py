import json
from pathlib import Path

import pytest
from PIL import Image as PILImage

from inkbloom import StableDiffusion
from inkbloom.core.errors import OutputError, RequestError
from inkbloom.pipelines.batches.folder import read_folder
from inkbloom.pipelines.batches.jobs import Job, job_of
from inkbloom.pipelines.batches.plan import Entry, Plan, open_plan
from inkbloom.pipelines.batches.work import paint_plan
from inkbloom.pipelines.metadata import read_metadata

from ...conftest import TINY

BASE = {"steps": 1, "width": 64, "height": 64}


def plan_of(folder: Path | None, rows: list[dict], parent: Path = Path("none"), **more) -> tuple[Path, Plan]:
    jobs = [job_of(row, BASE, f"line {i}") for i, row in enumerate(rows, 1)]
    return open_plan(folder, parent, "batch.json", jobs, lambda checkpoint: TINY, ending=".png", **more)


@pytest.fixture(scope="module")
def model(tiny_file: Path) -> StableDiffusion:
    return StableDiffusion.load(tiny_file, device="cpu")


def test_the_plan_tells_every_picture_before_the_first_is_painted(tmp_path: Path) -> None:
    folder, plan = plan_of(tmp_path, [{"prompt": "a", "seed": 5, "num_images": 2}, {"prompt": "b", "model": "x.pt"}])
    assert folder == tmp_path
    assert [entry.file for entry in plan.entries] == ["00000.png", "00001.png", "00002.png"]
    assert [entry.request["seed"] for entry in plan.entries[:2]] == [5, 6]
    assert plan.entries[2].load == ("x.pt", None)
    assert all(None not in (entry.request["sampler"], entry.request["seed"]) for entry in plan.entries)
    assert Plan.model_validate(json.loads((tmp_path / "batch.json").read_text())) == plan
    assert plan.missing(tmp_path) == plan.entries


def test_the_same_request_goes_on_with_random_seeds_kept(tmp_path: Path) -> None:
    rows = [{"prompt": "a"}, {"prompt": "b"}]
    first, plan = plan_of(None, rows, tmp_path)
    assert plan_of(None, rows, tmp_path) == (first, plan)
    other, _ = plan_of(None, rows[:1], tmp_path)
    assert (first.name, other.name) == ("0000", "0001")
    with pytest.raises(RequestError) as error:
        plan_of(first, rows[:1])
    assert str(error.value) == (
        f'"{first}" holds what another command has begun (batch.json); choose another --outdir.'
    )


def test_names_that_are_taken_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "00000.png").write_text("mine")
    _, plan = plan_of(tmp_path, [{"prompt": "a"}])
    assert plan.entries[0].file == "00001.png"
    jobs = [Job(request=job_of({"prompt": "a"}, BASE, "cat.png").request, stem="00000")]
    with pytest.raises(OutputError, match=r"00000\.png\" is already there; choose another --outdir\."):
        open_plan(tmp_path, tmp_path, "other.json", jobs, lambda checkpoint: TINY, ending=".png")


def test_a_damaged_plan_is_told(tmp_path: Path) -> None:
    (tmp_path / "batch.json").write_text("{")
    with pytest.raises(RequestError, match=r"is no plan of inkbloom, or is damaged; choose another --outdir\."):
        plan_of(tmp_path, [{"prompt": "a"}])


def test_what_the_model_cannot_do_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"^line 2: clip_skip 9"):
        plan_of(tmp_path / "out", [{"prompt": "a"}, {"prompt": "b", "clip_skip": 9}])
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_painted_each_model_loaded_once(tmp_path: Path, model: StableDiffusion) -> None:
    rows = [
        {"prompt": p, "seed": i, "model": m} for i, (p, m) in enumerate(zip("abcd", ["", "x", "", "x"], strict=True))
    ]
    folder, plan = plan_of(tmp_path, rows)
    loads: list[str | None] = []
    done: list[int] = []

    def load(checkpoint: str | None, vae: str | None) -> StableDiffusion:
        loads.append(checkpoint)
        return model

    assert paint_plan(plan, folder, load, on_saved=done.append).painted == 4
    assert (loads, done, plan.missing(folder)) == ([None, "x"], [1, 2, 3, 4], [])
    assert not (tmp_path / "spool").exists()
    picture = model.generate("c", seed=2, **BASE).images[0]
    with PILImage.open(folder / "00002.png") as saved:
        assert saved.tobytes() == picture.tobytes()
    (folder / "00001.png").unlink()
    assert paint_plan(plan, folder, load).painted == 1
    assert loads == [None, "x", "x"]
    assert read_metadata(folder / "00001.png").prompt == "b"


def test_a_failing_picture_does_not_stop_the_others(tmp_path: Path, model: StableDiffusion) -> None:
    """An infinite latent: a sampler whose noise is far beyond float32."""
    rows = [
        {"prompt": "a", "seed": 1},
        {"prompt": "b", "seed": 2, "sampler": "Euler a", "sampler_options": {"s_noise": 1e39}, "steps": 2},
        {"prompt": "c", "seed": 3},
    ]
    folder, plan = plan_of(tmp_path, rows)
    outcome = paint_plan(plan, folder, lambda checkpoint, vae: model)
    assert outcome.painted == 2
    assert [entry.file for entry in plan.missing(folder)] == ["00001.png"]
    assert len(outcome.failures) == 1
    assert outcome.failures[0].startswith("line 2: Sampling with Euler a")


def test_an_unknown_name_in_any_prompt_is_told_before_painting(tmp_path: Path, model: StableDiffusion) -> None:
    folder, plan = plan_of(tmp_path, [{"prompt": "a"}, {"prompt": "b <lora:none:1>"}])
    with pytest.raises(RequestError, match=r"^line 2: LoRA"):
        paint_plan(plan, folder, lambda checkpoint, vae: model)
    assert len(plan.missing(folder)) == 2


def test_neighbours_are_painted_at_once_and_alike(tmp_path: Path, model: StableDiffusion) -> None:
    rows = [{"prompt": p, "seed": i, "batch_size": 2} for i, p in enumerate("abc")]
    folder, plan = plan_of(tmp_path, rows)
    done: list[int] = []
    paint_plan(plan, folder, lambda checkpoint, vae: model, on_saved=done.append)
    assert done == [2, 3]
    assert [read_metadata(folder / entry.file).prompt for entry in plan.entries] == ["a", "b", "c"]


def test_a_folder_of_pictures_with_a_bad_one_in_the_middle(tmp_path: Path) -> None:
    for name in ("a.png", "c.jpg", "c.png"):
        PILImage.new("RGB", (64, 72), "red").save(tmp_path / name)
    (tmp_path / "b.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("not looked at")
    jobs, lines = read_folder(tmp_path, {"prompt": "ink"})
    assert [(job.origin, job.stem) for job in jobs] == [("a.png", "a"), ("c.jpg", "c"), ("c.png", "c.png")]
    assert len(lines) == 1
    assert "b.png" in lines[0]
    _, plan = open_plan(tmp_path / "out", tmp_path, "b.json", jobs, lambda checkpoint: TINY, ending=".png")
    assert [entry.file for entry in plan.entries] == ["a.png", "c.png", "c.png.png"]
    assert (plan.entries[0].request["width"], plan.entries[0].request["height"]) == (64, 72)
    assert isinstance(plan.entries[0], Entry)


def test_masks_by_name_or_one_for_all(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for name in ("a.png", "b.png", "masks/b.png"):
        PILImage.new("RGB", (64, 64), "red").save(tmp_path / name)
    jobs, lines = read_folder(tmp_path, {"prompt": "ink"}, tmp_path / "masks")
    assert [job.origin for job in jobs] == ["b.png"]
    assert lines == [f'"{tmp_path / "a.png"}" has no mask in "{tmp_path / "masks"}"; left out.']
    jobs, lines = read_folder(tmp_path, {"prompt": "ink"}, tmp_path / "masks" / "b.png")
    assert [job.origin for job in jobs] == ["a.png", "b.png"]
    assert {job.request.mask_image and job.request.mask_image.path for job in jobs} == {str(tmp_path / "masks/b.png")}


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="There is no picture in"):
        read_folder(tmp_path, {"prompt": "ink"})
    with pytest.raises(RequestError, match="cannot be read: No such file"):
        read_folder(tmp_path / "none", {"prompt": "ink"})
