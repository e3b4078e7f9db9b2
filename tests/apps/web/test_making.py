"""What takes several pictures: a LoRA that is taught and used, and a plot; each from the form to the result."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage
from playwright.sync_api import expect

API = "/api/v1"


@pytest.fixture
def client(studio: Any) -> Iterator[Any]:
    with studio.client() as client:
        yield client


def lesson() -> list[dict[str, Any]]:
    """Four pictures, as files that a browser uploads."""
    rng = np.random.default_rng(0)
    files = []
    for number in range(4):
        coarse = PILImage.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        content = io.BytesIO()
        coarse.resize((64, 64), PILImage.Resampling.BICUBIC).save(content, "PNG")
        files.append({"name": f"{number}.png", "mimeType": "image/png", "buffer": content.getvalue()})
    return files


def test_a_lora_is_taught_and_used(visit: Any, as_paint: Callable[..., Any], client: Any) -> None:
    page = visit("train")
    page.get_by_role("textbox", name="New data set").fill("blobs")
    page.get_by_role("button", name="Create").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Add pictures").click()
    chooser.value.set_files(lesson())
    for number in range(4):
        caption = page.get_by_role("textbox", name=f"Caption of {number}.png")
        caption.fill(f"a myblob, number {number}")
        caption.press("Tab")
    page.get_by_role("tab", name="Settings").click()
    fields = {"Name of the result": "myblob", "Rank": "2", "Steps": "8", "Batch size": "1", "Resolution": "64"}
    for name, value in fields.items():
        page.get_by_role("textbox", name=name, exact=True).fill(value)
    page.get_by_role("textbox", name="Steps between samples", exact=True).fill("")
    page.get_by_role("button", name="Start the training").click()
    expect(page.get_by_text("Done: myblob.safetensors")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("img", name="Loss over the steps")).to_be_visible()
    page.get_by_role("button", name="Use it").click()

    paint = as_paint(page)
    expect(paint.prompt).to_have_value("<lora:myblob:1>")
    paint.ask("a myblob <lora:myblob:1>", steps=2)
    job = paint.send()
    expect(paint.stage.get_by_role("img", name="a myblob <lora:myblob:1>")).to_be_visible()
    request = client.get(f"{API}/jobs/{job}").json()["pictures"][0]["request"]
    assert list(request["network_hashes"]) == ["lora:myblob"]
    captions = {one["file"]: one["caption"] for one in client.get(f"{API}/datasets/blobs").json()["pictures"]}
    assert captions == {f"{number}.png": f"a myblob, number {number}" for number in range(4)}


def test_a_plot_of_two_by_two(visit: Any, as_paint: Callable[..., Any], client: Any) -> None:
    page = visit("paint")
    as_paint(page).ask("a red apple")
    page.get_by_role("link", name="X/Y/Z plot").click()
    for axis, (name, values) in {"X": ("Steps", "1, 2"), "Y": ("Seed", "5, 6")}.items():
        page.get_by_role("combobox", name=f"{axis} axis", exact=True).click()
        page.get_by_role("option", name=name, exact=True).click()
        page.get_by_role("textbox", name=f"Values of the {axis} axis").fill(values)
    page.get_by_role("button", name="Paint the plot").click()
    result = page.get_by_role("region", name="Result")
    cells = result.get_by_role("table").get_by_role("button")
    expect(cells).to_have_count(4)
    expect(result.get_by_role("columnheader")).to_have_text(["Steps: 1", "2"])
    expect(result.get_by_role("rowheader")).to_have_text(["Seed: 5", "6"])
    expect(result.get_by_role("button", name="Download as one picture")).to_be_visible()
    cells.nth(2).click()
    expect(page.get_by_role("dialog", name="Steps: 1 · Seed: 6")).to_contain_text("a red apple")

    job = client.get(f"{API}/jobs", params={"kind": "plot"}).json()["jobs"][0]["id"]
    told = client.get(f"{API}/jobs/{job}").json()
    painted = [picture for picture in told["pictures"] if picture["role"] == "picture"]
    wanted = {(one["request"]["steps"], one["request"]["seed"]) for one in painted}
    assert wanted == {(1, 5), (2, 5), (1, 6), (2, 6)}
    assert [picture["role"] for picture in told["pictures"]].count("grid") == 1
