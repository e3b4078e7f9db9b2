"""Uploads, data sets, prompts, models, choices, settings, system: what they answer, and what they refuse."""

import io
import subprocess
import sys

import pytest
from PIL import Image
from starlette.testclient import TestClient

from inkbloom.apps.api.app import create_app
from inkbloom.apps.service.service import Service
from inkbloom.pipelines.preprocessing import PREPROCESSORS
from inkbloom.sampling.registry import all_samplers

API = "/api/v1"


def test_an_upload_comes_back_as_png(client: TestClient, make_png) -> None:
    data = make_png(format="JPEG")
    first = client.post(f"{API}/uploads", content=data, headers={"content-type": "image/jpeg"})
    second = client.post(f"{API}/uploads", files={"file": ("x.jpg", data, "image/jpeg")})
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert (first.json()["width"], first.json()["height"], first.json()["alpha"]) == (40, 30, False)
    answer = client.get(first.json()["url"])
    assert "immutable" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (40, 30))


def test_a_data_set(client: TestClient, make_png) -> None:
    sets = f"{API}/datasets"
    assert client.post(sets, json={"name": "my cats"}).status_code == 201
    assert client.post(sets, json={"name": "my cats"}).status_code == 409
    assert client.post(sets, json={"name": "../cats"}).status_code == 422
    assert client.get(sets).json() == {"datasets": ["my cats"]}
    added = client.post(f"{sets}/my cats/pictures", files={"file": ("a.jpg", make_png())}, data={"caption": "a cat"})
    assert added.status_code == 201, added.text
    file = added.json()["file"]
    assert client.get(added.json()["url"]).headers["content-type"] == "image/png"
    assert client.patch(f"{sets}/my cats/pictures/{file}", json={"caption": "一只猫"}).status_code == 204
    found = client.get(f"{sets}/my cats").json()
    assert found["pictures"] == [
        {"file": file, "width": 40, "height": 30, "caption": "一只猫", "url": added.json()["url"]}
    ]
    findings = client.get(f"{sets}/my cats/lint", params={"resolution": 64})
    assert findings.status_code == 200, findings.text
    assert client.get(f"{sets}/my cats/file/..%2f..%2finkbloom.db").status_code == 404
    assert client.post(f"{sets}/my cats/pictures", content=b"x").status_code == 422
    assert client.delete(f"{sets}/my cats/pictures/{file}").status_code == 204
    assert client.delete(f"{sets}/my cats").status_code == 204
    assert client.get(f"{sets}/my cats").status_code == 404


def test_styles(client: TestClient) -> None:
    styles = {"styles": [{"name": "film", "prompt": "{prompt}, on film", "negative_prompt": "digital"}]}
    assert client.put(f"{API}/styles", json=styles).json() == styles
    assert client.get(f"{API}/styles").json() == styles
    assert client.get(f"{API}/prompts/complete", params={"text": "fi"}).json() == {
        "items": [{"kind": "style", "name": "film", "insert": "film"}]
    }
    assert client.put(f"{API}/styles", json={"styles": styles["styles"] * 2}).status_code == 422
    assert client.get(f"{API}/wildcards").json() == {"wildcards": []}


def test_inspection(client: TestClient) -> None:
    told = client.post(f"{API}/prompts/inspect", json={"prompt": "a (cat:1.3) <lora:none:0.5>"}).json()
    tokens = told["prompt"]["parts"][0]["phases"][0]["chunks"][0]
    assert [(token["text"], token["weight"]) for token in tokens] == [("a", 1.0), ("cat", 1.3)]
    assert (told["prompt"]["tokens"], told["prompt"]["capacity"]) == (2, 75)
    assert (told["prompt"]["networks"][0]["name"], told["prompt"]["networks"][0]["weight"]) == ("none", 0.5)
    assert "none" in told["messages"][0]
    assert client.post(f"{API}/prompts/inspect", json={"prompt": "a", "dialect": "latin"}).status_code == 422


def test_models(client: TestClient) -> None:
    models = client.get(f"{API}/models", params={"kind": "checkpoints"}).json()["models"]
    assert [(model["name"], model["default"], model["purpose"]) for model in models] == [("starter", True, "paint")]
    assert client.get(f"{API}/models", params={"kind": "shoes"}).status_code == 422
    assert client.post(f"{API}/models/refresh").status_code == 200
    assert client.post(f"{API}/models/load", json={"name": "starter"}).status_code == 202
    assert client.post(f"{API}/models/unload").status_code == 204
    answer = client.post(f"{API}/models/load", json={"name": "../../etc/passwd"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (422, "CheckpointError")


def test_choices_are_the_registries(client: TestClient) -> None:
    choices = client.get(f"{API}/choices").json()
    assert [one["name"] for one in choices["samplers"]] == [one.name for one in all_samplers()]
    assert all(one["about"] for kind in ("samplers", "schedules", "merge_methods") for one in choices[kind])
    assert [one["name"] for one in choices["preprocessors"]] == list(PREPROCESSORS)
    assert choices["formats"] == ["png", "jpg", "webp", "avif"]
    assert {"Lanczos", "Starter"} <= {*choices["upscalers"]}


def test_the_fields_of_trainings(client: TestClient) -> None:
    trainings = client.get(f"{API}/choices").json()["trainings"]
    assert [*trainings] == ["lora", "embedding", "dreambooth", "diffusion", "hypernetwork", "controlnet"]
    for fields in trainings.values():
        assert all(field["description"] for field in fields)
        assert not {"name", "data", "base", "output", "cache_folder"} & {field["name"] for field in fields}
    control = {field["name"]: (field["type"], field["names"]) for field in trainings["controlnet"]}
    assert control["hint_folder"] == ("string", "datasets")
    assert control["control_init"] == ("string", "controlnet")
    assert control["regularisation_data"] == ("list", "datasets")
    lora = {field["name"]: field for field in trainings["lora"]}
    assert (lora["rank"]["type"], lora["steps"]["section"], lora["buckets"]["default"]) == ("integer", "run", True)
    assert lora["result_precision"]["choices"] == ["fp32", "fp16", "bf16"]


def test_schemas_name_pictures_as_clients_do(client: TestClient) -> None:
    schema = client.get(f"{API}/schema").json()
    assert [*schema["specs"]] == ["generate", "upscale", "plot", "merge", "train", "verify"]
    assert schema["request"]["properties"]["steps"]["description"] == "sampling steps"
    assert schema["request"]["$defs"]["PictureSource"]["anyOf"][0]["pattern"].startswith("^(upload:")


def test_settings_change_one_by_one(client: TestClient) -> None:
    before = client.get(f"{API}/settings").json()
    after = client.put(f"{API}/settings", json={"format": "webp", "memory_budget_gb": None}).json()
    assert after == before | {"format": "webp"}
    assert client.get(f"{API}/settings").json() == after
    for bad, field in (
        ({"format": "gif"}, "format"),
        ({"preview_every": -1}, "preview_every"),
        ({"colour": 1}, "colour"),
    ):
        answer = client.put(f"{API}/settings", json=bad)
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert client.put(f"{API}/settings", json={"default_model": "../x"}).status_code == 422


def test_the_system(client: TestClient, service: Service) -> None:
    told = client.get(f"{API}/system").json()
    assert told["data_dir"] == str(service.folder.root)
    assert told["memory"]["ram"]["total"] > 0


def test_a_preprocessor(client: TestClient, make_png) -> None:
    upload = client.post(f"{API}/uploads", content=make_png((80, 64)), headers={"content-type": "image/png"}).json()
    body = {"preprocessor": "invert", "image": f"upload:{upload['id']}", "resolution": 64}
    answer = client.post(f"{API}/preprocess", json=body)
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (0, 255, 255)
    assert client.post(f"{API}/preprocess", json=body | {"preprocessor": "magic"}).status_code == 422
    assert client.post(f"{API}/preprocess", json=body | {"image": "/etc/passwd"}).status_code == 422


def test_the_document_is_whole(service: Service) -> None:
    document = create_app(service).openapi()
    operations = [
        operation
        for path, methods in document["paths"].items()
        if path.startswith(API)
        for operation in methods.values()
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert {"4XX", "5XX"} <= operation["responses"].keys()
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_server_starts_without_torch() -> None:
    code = "import sys, inkbloom.apps.api.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_no_page_that_loads_from_elsewhere(client: TestClient, path: str) -> None:
    assert "cdn" not in client.get(path).text
