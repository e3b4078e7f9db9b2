"""The page's files, its index for every other place, and nothing else of the disk."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from inkbloom.apps.api import errors
from inkbloom.apps.api.page import Page


@pytest.fixture
def site(tmp_path: Path) -> TestClient:
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<title>the page</title>")
    (dist / "assets" / "main-abc.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    app = FastAPI()
    errors.install(app)
    app.router.default = Page(dist)
    return TestClient(app)


def test_the_index_is_asked_for_anew_and_assets_are_kept(site: TestClient) -> None:
    index, asset = site.get("/"), site.get("/assets/main-abc.js")
    assert "the page" in index.text
    assert index.headers["cache-control"] == "no-cache"
    assert asset.text == "1"
    assert "immutable" in asset.headers["cache-control"]
    assert asset.headers["content-type"].startswith("text/javascript")
    assert asset.headers["x-content-type-options"] == "nosniff"
    assert site.get("/gallery/7").text == index.text
    assert site.head("/").status_code == 200
    assert "immutable" not in site.get("/assets/lost").headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/old.js",
        "/api/v1/nothing",
        "/api",
        "/sdapi/v1/x",
        "/..%2fsecret.txt",
        "/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
    ],
)
def test_what_is_not_there_is_told(site: TestClient, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")
    assert answer.json()["error"]["type"] == "NotFound"


def test_nothing_is_posted_to_a_page(site: TestClient) -> None:
    assert site.post("/").status_code == 404


def test_without_a_build_it_is_one_line(tmp_path: Path) -> None:
    app = FastAPI()
    app.router.default = Page(tmp_path / "none")
    assert "is not built" in TestClient(app).get("/").text
