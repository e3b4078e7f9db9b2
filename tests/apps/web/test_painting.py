"""What a person does in the room Paint, in a real browser on a real server with the starter."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage
from playwright.sync_api import expect

LENGTHY: dict[str, Any] = {"steps": 150, "size": 256}
"""A painting that is still at work after a test has looked at it."""


@pytest.fixture
def client(studio: Any) -> Any:
    with studio.client() as client:
        yield client


def opened(client: Any, path: str, mode: str = "RGB") -> np.ndarray:
    """A picture of the server."""
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return np.asarray(PILImage.open(io.BytesIO(answer.content)).convert(mode))


def test_paint_and_watch(open_paint: Callable[..., Any], client: Any) -> None:
    """Typed, sent by the keyboard, seen while it is painted, and there."""
    client.put("/api/v1/settings", json={"preview_every": 1}).raise_for_status()
    paint = open_paint()
    paint.ask("", steps=30, size=128)
    paint.watch()
    paint.prompt.press_sequentially("a cute dog, (red:1.2)")
    job = paint.send()
    picture = paint.stage.get_by_role("img", name="a cute dog, (red:1.2)")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 128)
    steps, frames = paint.seen()["steps"], paint.seen()["frames"]
    assert len(steps) >= 2
    assert steps == sorted(steps)
    assert 1 <= steps[0] < steps[-1] <= 30
    assert 2 <= frames <= 30
    expect(paint.results).to_have_count(1)
    expect(paint.page.get_by_role("button", name="Use all its settings")).to_be_visible()
    told = client.get(f"/api/v1/jobs/{job}").json()
    assert told["state"] == "done"
    assert told["pictures"][0]["request"]["steps"] == 30
    expect(paint.page.get_by_role("button", name="Nothing in the queue")).to_be_visible()


def test_inpaint_with_the_mouse(open_paint: Callable[..., Any], client: Any, tmp_path: Path) -> None:
    """Where no mask was drawn, not one bit of the picture changes."""
    rng = np.random.default_rng(0)
    coarse = PILImage.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    coarse.resize((96, 64), PILImage.Resampling.BICUBIC).save(tmp_path / "before.png")
    paint = open_paint()
    page = paint.page
    page.get_by_role("radiogroup", name="What to start from").get_by_text("Part of a picture", exact=True).click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a picture").click()
    chooser.value.set_files(tmp_path / "before.png")
    board = page.get_by_role("application", name="Canvas")
    place = board.bounding_box()
    assert place is not None
    page.get_by_role("button", name="Rectangle").click()
    middle = (place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.move(middle[0] - 60, middle[1] - 50)
    page.mouse.down()
    page.mouse.move(*middle)
    page.mouse.move(middle[0] + 60, middle[1] + 50)
    page.mouse.up()
    paint.field("Blur of the mask, in pixels").fill("0")
    paint.field("Change").fill("1")
    paint.field("Steps").fill("4")
    paint.prompt.fill("a castle")
    job = paint.send()
    expect(paint.stage.get_by_role("img", name="a castle")).to_be_visible()

    told = client.get(f"/api/v1/jobs/{job}").json()
    request, picture = told["spec"]["request"], told["pictures"][0]["id"]
    mask = opened(client, f"uploads/{request['mask_image'].removeprefix('upload:')}", "L")
    before = opened(client, f"uploads/{request['init_image'].removeprefix('upload:')}")
    after = opened(client, f"pictures/{picture}/file")
    assert mask.shape == (64, 96)
    drawn = mask > 0
    assert drawn[32, 48]
    assert not drawn[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert np.array_equal(before, np.asarray(PILImage.open(tmp_path / "before.png")))
    assert np.array_equal(after[~drawn], before[~drawn])
    assert (after[drawn] != before[drawn]).mean() > 0.5


def test_reload_in_the_middle(open_paint: Callable[..., Any], client: Any) -> None:
    """What is painted goes on, and is seen again at once; then it is stopped."""
    paint = open_paint()
    paint.ask("a rocket in space", **LENGTHY)
    job = paint.send()
    expect(paint.preview).to_be_visible()
    before = paint.step()
    paint.page.reload()
    expect(paint.prompt).to_have_value("a rocket in space")
    expect(paint.preview).to_be_visible()
    again = paint.step()
    assert before <= again
    expect(paint.preview).not_to_have_attribute("alt", f"Preview at step {again}")
    assert again < paint.step()
    told = client.get(f"/api/v1/jobs/{job}").json()
    assert (told["state"], told["attempts"]) == ("running", 1)
    paint.page.get_by_role("button", name="Cancel", exact=True).click()
    expect(paint.preview).to_be_hidden()
    assert client.get(f"/api/v1/jobs/{job}").json()["state"] == "cancelled"


def test_the_server_is_killed_while_the_page_is_open(
    open_paint: Callable[..., Any], visit: Any, studio: Any, client: Any
) -> None:
    """The page says so, finds the server again by itself, and the picture comes."""
    visit.forgiven += ["net::ERR_"]
    paint = open_paint()
    paint.ask("a castle at night", steps=40, size=128)
    job = paint.send()
    expect(paint.preview).to_be_visible()
    before = paint.step()
    studio.kill()
    lost = paint.page.get_by_text("No connection to the server")
    expect(lost).to_be_visible()
    studio.start()
    expect(lost).to_be_hidden()
    expect(paint.preview).to_be_visible()
    assert paint.step() >= before
    expect(paint.prompt).to_have_value("a castle at night")
    expect(paint.field("Steps")).to_have_value("40")
    expect(paint.stage.get_by_role("img", name="a castle at night")).to_be_visible()
    told = client.get(f"/api/v1/jobs/{job}").json()
    assert (told["state"], told["attempts"], len(told["pictures"])) == ("done", 2, 1)


def test_two_tabs_do_not_disturb_each_other(open_paint: Callable[..., Any], visit: Any) -> None:
    """Drafts and results are each tab's own; a new tab begins with the newest draft."""
    first = open_paint()
    first.ask("a cat", steps=4)
    second = type(first)(visit.another(first.page.context))
    expect(second.prompt).to_have_value("a cat")
    second.ask("a dog", steps=5)
    first.page.reload()
    second.page.reload()
    expect(first.prompt).to_have_value("a cat")
    expect(first.field("Steps")).to_have_value("4")
    expect(second.prompt).to_have_value("a dog")
    expect(second.field("Steps")).to_have_value("5")
    second.page.bring_to_front()
    second.prompt.focus()
    second.send()
    expect(second.stage.get_by_role("img", name="a dog")).to_be_visible()
    expect(second.results).to_have_count(1)
    expect(first.results).to_have_count(0)


def test_a_wrong_request_is_said_beside_the_button(open_paint: Callable[..., Any], visit: Any) -> None:
    visit.forgiven += ["status of 422"]
    paint = open_paint()
    paint.ask("a cat <lora:nobody:1>")
    paint.page.keyboard.press("Control+Enter")
    expect(paint.page.get_by_role("alert")).to_contain_text("nobody")
