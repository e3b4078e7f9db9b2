"""What a spec may name, and what it may not."""

import base64
import shutil
from pathlib import Path

import pytest

from inkbloom.apps.service import DataFolder, Service
from inkbloom.apps.service.jobs import GenerateSpec, MergeSpec, TrainSpec, UpscaleSpec, VerifySpec
from inkbloom.apps.service.refusals import UnknownError
from inkbloom.core.errors import CheckpointError, InkbloomError, RequestError
from inkbloom.pipelines.request import RANDOM_SEEDS
from tests.apps.service.conftest import png, spec_of


@pytest.fixture
def models(tmp_path: Path, tiny_file: Path) -> Path:
    root = tmp_path / "models"
    (root / "checkpoints" / "sub").mkdir(parents=True)
    (root / "loras").mkdir()
    shutil.copy(tiny_file, root / "checkpoints" / "sub" / "tiny.safetensors")
    (root / "loras" / "film.safetensors").write_bytes(b"")
    (tmp_path / "outside.safetensors").write_bytes(b"")
    return root


@pytest.fixture
def served(folder: DataFolder, models: Path):
    service = Service(folder, models, devices=["cpu"])
    yield service
    service.close()


def test_the_seed_is_drawn_and_stays(service: Service) -> None:
    for seed in (None, -1):
        drawn = service.submit(spec_of(seed=seed, variation_strength=0.5)).spec["request"]
        assert 0 <= drawn["seed"] < RANDOM_SEEDS
        assert 0 <= drawn["variation_seed"] < RANDOM_SEEDS
    assert service.submit(spec_of(seed=3)).spec["request"]["seed"] == 3


@pytest.mark.parametrize("name", ["sub/tiny.safetensors", "tiny", "TINY", "sub/tiny"])
def test_a_model_is_named_in_one_way(served: Service, name: str) -> None:
    assert served.submit(spec_of(model=name)).spec["request"]["model"] == "tiny"


def test_the_default_model_is_filled_in_when_the_job_is_taken(served: Service) -> None:
    assert served.submit(spec_of()).spec["request"]["model"] is None
    served.set_settings({"default_model": "tiny"})
    id = served.submit(spec_of()).id
    served.set_settings({"default_model": None})
    assert served.job(id).spec["request"]["model"] == "tiny"
    assert served.submit(spec_of(model="starter")).spec["request"]["model"] is None
    with pytest.raises(CheckpointError, match=r"default_model .*There is no model"):
        served.set_settings({"default_model": "missing"})


_PATHS = ["../outside.safetensors", "../../outside", "/etc/passwd", "checkpoints/../../outside.safetensors", "~/x", ""]


@pytest.mark.parametrize("name", _PATHS)
@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("model", lambda name: spec_of(model=name)),
        ("vae", lambda name: spec_of(vae=name)),
        ("controls 0 model", lambda name: spec_of(controls=[{"model": name, "image": "upload:x"}])),
        ("hires upscaler", lambda name: spec_of(hires={"upscaler": name})),
        ("upscaler", lambda name: UpscaleSpec(images=("upload:x",), upscaler=name)),
        ("faces", lambda name: UpscaleSpec(images=("upload:x",), faces=name)),
        ("models", lambda name: MergeSpec(models=(name,))),
    ],
)
def test_a_model_is_never_a_path(served: Service, models: Path, field: str, make, name: str) -> None:
    name = str(models.parent / "outside.safetensors") if name == "/etc/passwd" else name
    with pytest.raises(InkbloomError, match=f'^{field} "'):
        served.submit(make(name))
    assert served.jobs()[1] == 0


def test_nearest_names_are_told(served: Service, service: Service) -> None:
    with pytest.raises(CheckpointError, match=r'model "tny": .*Did you mean "sub/tiny"'):
        served.submit(spec_of(model="tny"))
    with pytest.raises(RequestError, match=r'prompt "fim": .*Did you mean "film"'):
        served.submit(spec_of("a cat <lora:fim:1>"))
    with pytest.raises(CheckpointError, match=r'model "x": the server has no folder of models. Known: starter'):
        service.submit(spec_of(model="x"))
    served.set_settings({"lenient": True})
    assert served.submit(spec_of("a cat <lora:fim:1>")).state == "queued"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "photo.png", "../x.png", "upload:../inkbloom.db", "picture:0", "picture:x", "picture:²", ""]
)
def test_a_picture_is_never_a_path(service: Service, name: str) -> None:
    for spec in (
        spec_of(init_image=name),
        spec_of(controls=[{"model": "reference_only", "image": name}]),
        spec_of("a AND b", regions=[{"part": 1, "image": name}]),
        UpscaleSpec(images=(name,)),
    ):
        with pytest.raises(RequestError):
            service.submit(spec)
    assert service.jobs()[1] == 0


def test_the_field_of_a_wrong_picture_is_named(service: Service) -> None:
    with pytest.raises(RequestError, match=r'^init_image "/etc/passwd": upload the picture first'):
        service.submit(spec_of(init_image="/etc/passwd"))
    with pytest.raises(RequestError, match=r'^controls 0 image "x.png": upload'):
        service.submit(spec_of(controls=[{"model": "reference_only", "image": "x.png"}]))
    with pytest.raises(RequestError, match=r"^init_noise: files of noise cannot be named here"):
        service.submit(spec_of(init_noise="/etc/passwd"))


def test_what_is_not_there_is_wrong_with_its_field(service: Service) -> None:
    gone = "0" * 32
    with pytest.raises(RequestError, match=f'^init_image: there is no upload "{gone}"') as error:
        service.submit(spec_of(init_image=f"upload:{gone}"))
    assert not isinstance(error.value, UnknownError)
    with pytest.raises(RequestError, match=r"^images 0: there is no picture 7\."):
        service.submit(UpscaleSpec(images=("picture:7",)))
    with pytest.raises(RequestError, match=r'^dataset "cats": there is none of this name\.'):
        service.submit(TrainSpec(training="lora", name="cat", dataset="cats"))
    with pytest.raises(RequestError, match=r'^images 0 "picture:1'):
        service.submit(UpscaleSpec(images=(f"picture:{'1' * 5000}",)))


def test_pictures_become_uploads_whatever_becomes_of_them(service: Service, painted) -> None:
    number = painted()
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    by_url = service.submit(spec_of(init_image=url, mask_image=url)).spec["request"]
    assert by_url["init_image"] == service.uploads.add(png()).name == by_url["mask_image"]
    id = service.submit(spec_of(init_image=f"picture:{number}")).id
    service.gallery.delete(number)
    for _ in range(2):
        taken = service._queue.take("cpu")
    run = service._naming.run(taken, [])
    assert run["job"] == id
    path = Path(run["spec"]["request"]["init_image"]["path"])
    assert path.is_file()
    assert path.is_relative_to(service.folder.inputs)
    assert Path(run["folder"]).is_relative_to(service.folder.outputs)
    assert "/" not in run["stem"]


def test_other_kinds(service: Service, painted) -> None:
    upload = service.uploads.add(png())
    assert service.submit(UpscaleSpec(images=(upload.name,))).spec["images"] == [upload.name]
    assert service.submit(VerifySpec(picture=painted())).title == "Verify picture 1"
    with pytest.raises(RequestError, match="picture: there is no picture 99"):
        service.submit(VerifySpec(picture=99))
    for name in ("../x", "a/b", ""):
        with pytest.raises(RequestError, match=r"name|at least"):
            service.submit(MergeSpec(models=("starter",), name=name))
        with pytest.raises(RequestError, match=r"^dataset"):
            service.submit(TrainSpec(training="lora", name="x", dataset=name))
    service.datasets.create("lesson")
    assert service.submit(TrainSpec(training="lora", name="x", dataset="lesson")).spec["dataset"] == "lesson"


def test_unknown_styles_are_refused(service: Service) -> None:
    service.save_styles([{"name": "ink", "prompt": "{prompt}, ink", "negative_prompt": ""}])
    request = spec_of().request
    assert service.submit(GenerateSpec(request=request, styles=("ink",))).spec["styles"] == ["ink"]
    with pytest.raises(RequestError, match=r'styles "inc": unknown. Did you mean "ink"'):
        service.submit(GenerateSpec(request=request, styles=("inc",)))


def test_a_request_of_the_gallery_can_be_asked_for_again(service: Service, painted) -> None:
    upload = service.uploads.add(png())
    number = painted(init_image=str(service.uploads.open(upload.id)))
    job = service.reproduce(number)
    assert job.spec["request"]["init_image"] == upload.name
    assert job.spec["request"]["seed"] == 7
