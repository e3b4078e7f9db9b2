"""The rooms around painting: queue, gallery, picture info, and what is dropped on the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

API = "/api/v1"


@pytest.fixture
def client(studio: Any) -> Iterator[Any]:
    with studio.client() as client:
        yield client


@pytest.fixture(scope="module")
def painted(studio: Any) -> list[dict[str, Any]]:
    """Three pictures, and how they are told of."""
    prompts = {"a red apple": 11, "a blue rocket in space": 12, "a castle by the sea": 13}
    with studio.client() as client:
        for prompt, seed in prompts.items():
            request = {"prompt": prompt, "seed": seed, "width": 64, "height": 64, "steps": 2}
            job = client.post(f"{API}/jobs", json={"kind": "generate", "request": request}).json()
            while job["state"] != "done":
                assert job["state"] in ("queued", "running"), job
                job = client.get(f"{API}/jobs/{job['id']}", params={"wait": 30}).json()
        return client.get(f"{API}/pictures", params={"order": "oldest"}).json()["pictures"]


def waiting(client: Any) -> list[str]:
    """The titles of what waits, in the server's order."""
    return [job["title"] for job in client.get(f"{API}/queue").json()["waiting"]]


def test_ten_jobs_are_put_into_another_order(
    open_paint: Callable[..., Any], visit: Any, client: Any, tools: Any
) -> None:
    """By keyboard and by drag; one is cancelled, and then all of them."""
    page = visit("queue")
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.get_by_text("The queue is paused.")).to_be_visible()
    paint = open_paint()
    paint.ask("", steps=2)
    for number in range(10):
        paint.prompt.fill(f"picture {number}")
        paint.send()
    order = [f"picture {number}" for number in range(10)]
    jobs = page.get_by_role("list", name="Waiting").get_by_role("listitem")
    expect(jobs).to_contain_text(order)

    page.get_by_role("button", name="Move up: picture 9").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    order.insert(7, order.pop(9))
    expect(jobs).to_contain_text(order)
    tools.until(lambda: waiting(client) == order)

    jobs.nth(0).drag_to(jobs.nth(4))
    order.insert(4, order.pop(0))
    expect(jobs).to_contain_text(order)
    tools.until(lambda: waiting(client) == order)
    page.reload()
    expect(jobs).to_contain_text(order)

    page.get_by_role("button", name=f"Cancel: {order[2]}").click()
    order.pop(2)
    expect(jobs).to_contain_text(order)
    page.get_by_role("button", name="Cancel all").click()
    page.get_by_role("dialog").get_by_role("button", name="All 9 that wait").click()
    expect(jobs).to_have_count(0)
    assert waiting(client) == []
    ended = client.get(f"{API}/jobs", params={"state": "cancelled"}).json()
    assert {job["title"] for job in ended["jobs"]} == {f"picture {number}" for number in range(10)}
    page.get_by_role("button", name="Resume the queue").click()
    expect(page.get_by_text("The queue is paused.")).to_be_hidden()


def test_the_gallery_is_searched(visit: Any, painted: list[dict[str, Any]]) -> None:
    page = visit("gallery")
    field = page.get_by_role("searchbox")
    tiles = page.get_by_role("main").get_by_role("listitem")
    expect(tiles).to_have_count(3)
    field.fill("rocket")
    expect(tiles).to_have_count(1)
    expect(page.get_by_role("button", name="a blue rocket in space", exact=True)).to_be_visible()
    field.fill("seed:13")
    expect(page.get_by_role("button", name="a castle by the sea", exact=True)).to_be_visible()
    expect(tiles).to_have_count(1)
    field.fill("nothing of the kind")
    expect(page.get_by_text("No picture matches.")).to_be_visible()


def test_a_picture_is_looked_at_by_keyboard(visit: Any, painted: list[dict[str, Any]]) -> None:
    page = visit("gallery")
    page.get_by_role("button", name="a castle by the sea", exact=True).focus()
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog", name="Picture viewer")
    expect(viewer.get_by_role("img", name="a castle by the sea")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("img", name="a blue rocket in space")).to_be_visible()
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()


def drop(page: Page, name: str, kind: str, content: bytes) -> None:
    """As if a file came from outside of the browser."""
    files = page.evaluate_handle(
        """([name, kind, content]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name, { type: kind }));
            return data;
        }""",
        [name, kind, base64.b64encode(content).decode()],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.get_by_role("main").dispatch_event(event, {"dataTransfer": files})


def test_a_dropped_picture_brings_its_settings(
    open_paint: Callable[..., Any], client: Any, painted: list[dict[str, Any]]
) -> None:
    paint = open_paint()
    content = client.get(f"{API}/pictures/{painted[1]['id']}/file").content
    drop(paint.page, "rocket.png", "image/png", content)
    paint.page.get_by_role("dialog").get_by_role("button", name="Load all settings").click()
    expect(paint.prompt).to_have_value("a blue rocket in space")
    expect(paint.field("Steps")).to_have_value("2")
    paint.page.get_by_role("button", name="Seed and variation").click()
    expect(paint.field("Seed")).to_have_value("12")


def test_a_dropped_text_brings_its_settings(open_paint: Callable[..., Any]) -> None:
    paint = open_paint()
    text = "a pear\nNegative prompt: blurry\nSteps: 7, Sampler: Euler a, CFG scale: 3, Seed: 5, Size: 64x96"
    drop(paint.page, "pear.txt", "text/plain", text.encode())
    paint.page.get_by_role("dialog").get_by_role("button", name="Load all settings").click()
    expect(paint.prompt).to_have_value("a pear")
    expect(paint.field("Negative prompt")).to_have_value("blurry")
    expect(paint.field("Height")).to_have_value("96")
    expect(paint.field("Steps")).to_have_value("7")


def test_what_a_picture_tells(visit: Any, client: Any, painted: list[dict[str, Any]]) -> None:
    """Picture info, from a file; the settings go to Paint."""
    page = visit("info")
    content = client.get(f"{API}/pictures/{painted[0]['id']}/file").content
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a picture").click()
    chooser.value.set_files({"name": "apple.png", "mimeType": "image/png", "buffer": content})
    found = page.get_by_role("region", name="What was found")
    expect(found).to_contain_text("a red apple")
    expect(found).to_contain_text("inkbloom")
    found.get_by_role("button", name="Load into Paint").click()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("a red apple")


def test_a_broken_picture_is_said_to_be_one(visit: Any) -> None:
    visit.forgiven += ["the server responded with a status of 4"]
    page = visit("info")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a picture").click()
    chooser.value.set_files({"name": "broken.png", "mimeType": "image/png", "buffer": b"\x89PNG broken"})
    expect(page.get_by_role("alert")).to_contain_text("picture")
