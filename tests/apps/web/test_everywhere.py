"""What holds on every tab: both languages, both themes, a phone's width, and what axe-core finds."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage
from playwright.sync_api import Page, expect

WEB = Path(__file__).parents[3] / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
API = "/api/v1"
TABS = ("paint", "gallery", "queue", "extras", "info", "merger", "train", "plot", "models", "settings", "system")


@pytest.fixture(scope="module", autouse=True)
def furnished(studio: Any) -> None:
    """Something to see in the rooms: a picture, a data set, a job that was cancelled, one that waits, one on hold."""
    request = {"prompt": "城堡", "width": 64, "height": 64, "steps": 1}
    with studio.client() as client:

        def submit(spec: dict[str, Any]) -> dict[str, Any]:
            answer = client.post(f"{API}/jobs", json=spec)
            assert answer.status_code == 202, answer.text
            return answer.json()

        job = submit({"kind": "generate", "request": request})
        while job["state"] != "done":
            assert job["state"] in ("queued", "running"), job
            job = client.get(f"{API}/jobs/{job['id']}", params={"wait": 30}).json()
        client.post(f"{API}/datasets", json={"name": "things"})
        drawn = io.BytesIO()
        PILImage.new("RGB", (64, 64), "teal").save(drawn, "PNG")
        files = {"file": ("one.png", drawn.getvalue(), "image/png")}
        client.post(f"{API}/datasets/things/pictures", files=files, data={"caption": "青色"})
        client.post(f"{API}/queue/pause")
        for action in ("hold", "cancel"):
            job = submit({"kind": "generate", "request": request})
            assert client.post(f"{API}/jobs/{job['id']}/{action}").status_code == 200
        submit({"kind": "generate", "request": request | {"num_images": 2}})


def settle(page: Page) -> None:
    """Unfold all that is folded, and wait until nothing moves or loads."""
    main = page.get_by_role("main")
    expect(main.locator("h1, h2, section").first).to_be_visible()
    expect(main.locator(".mantine-Loader-root")).to_have_count(0)
    folded = main.locator("button[aria-expanded=false]:not([aria-haspopup]):visible")
    while folded.count():
        folded.first.click()
    # Stripes of a bar that is at work move for ever
    page.evaluate(
        """Promise.all(document.getAnimations()
            .filter((one) => Number.isFinite(one.effect.getTiming().iterations))
            .map((one) => one.finished.catch(() => undefined))).then(() => undefined)"""
    )


def go(page: Page, tab: str) -> None:
    page.goto(f"{page.url.partition('#')[0]}#/{tab}")
    expect(page.locator("a[aria-current=page]").first).to_have_attribute("href", f"#/{tab}")
    settle(page)


def all_views(page: Page) -> Iterator[str]:
    """Shows every tab, and each sheet of those that have some; yields their names."""
    for tab in TABS:
        go(page, tab)
        yield tab
        for sheet in page.get_by_role("main").get_by_role("tab", selected=False).all():
            sheet.click()
            settle(page)
            yield f"{tab}, {sheet.text_content()}"


def words(language: str) -> dict[str, str]:
    """namespace:key -> text."""
    texts = {}
    for path in (WEB / "src" / "locales" / language).glob("*.json"):
        for key, value in json.loads(path.read_text(encoding="utf-8")).items():
            for inner, text in value.items() if isinstance(value, dict) else [(None, value)]:
                texts[f"{path.stem}:{key}" + (f".{inner}" if inner else "")] = text
    return texts


def visible_texts(page: Page) -> set[str]:
    """All that is seen or read out, but for what people and programs wrote."""
    return set(
        page.evaluate(
            """() => {
                const texts = [];
                const written = "code, pre, textarea, [lang]:not(html)";
                const shown = (element) => element.checkVisibility() && !element.closest(written);
                const walker = document.createTreeWalker(document.getElementById("root"), NodeFilter.SHOW_TEXT);
                while (walker.nextNode())
                    if (shown(walker.currentNode.parentElement)) texts.push(walker.currentNode.textContent.trim());
                for (const name of ["aria-label", "aria-description", "title", "placeholder", "alt"])
                    for (const element of document.querySelectorAll(`#root [${name}]`))
                        if (element.checkVisibility()) texts.push(element.getAttribute(name));
                return texts.filter(Boolean);
            }"""
        )
    )


def test_every_text_is_in_the_language_that_is_chosen(visit: Any) -> None:
    """After a switch to Chinese nothing English is left on any tab, and no name of a key is seen in either."""
    english, chinese = words("en"), words("zh-CN")
    groups = {key.partition(":")[2].partition(".")[0] for key in english if "." in key}
    like_a_key = re.compile(rf"(\w+:)?({'|'.join(groups)})\.\w+")
    known = set(chinese.values())
    page = visit("system")
    keys, left = {}, {}
    for view in all_views(page):
        keys[view] = {text for text in visible_texts(page) if like_a_key.fullmatch(text)}
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitem", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    for view in all_views(page):
        texts = visible_texts(page)
        assert len(texts & known) > 15, view
        keys[f"{view}, in Chinese"] = {text for text in texts if like_a_key.fullmatch(text)}
        left[view] = {
            text
            for text in texts - known
            if text in english.values() or re.search(r"\b[A-Za-z]?[a-z]{2,} [a-z]{2,}\b", text)
        }
    wrong = [f"{place}: {text}" for found in (keys, left) for place, texts in found.items() for text in sorted(texts)]
    assert not wrong, "\n".join(wrong)
    page.reload()
    expect(page.get_by_role("link", name=chinese["common:tabs.paint"])).to_be_visible()


def test_the_language_is_that_of_the_browser(visit: Any) -> None:
    page = visit(locale="zh-Hans-CN")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("link", name=words("zh-CN")["common:tabs.gallery"])).to_be_visible()
    expect(visit(locale="fr").locator("html")).to_have_attribute("lang", "en")


def brightness(page: Page) -> float:
    """Of the page's ground, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def test_the_theme_is_chosen_and_kept(visit: Any) -> None:
    page = visit(color_scheme="light")
    assert brightness(page) > 200
    page.get_by_role("button", name="Appearance").click()
    page.get_by_role("menuitem", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    assert brightness(page) < 60
    assert brightness(visit(color_scheme="dark")) < 60  # as the system


def test_nothing_is_wider_than_a_phone(visit: Any) -> None:
    page = visit(viewport={"width": 390, "height": 844})
    widths = {}
    for view in all_views(page):
        widths[view] = page.evaluate("document.scrollingElement.scrollWidth")
    assert {view: width for view, width in widths.items() if width > 390} == {}
    page.get_by_role("button", name="More").click()
    page.get_by_role("dialog").get_by_role("link", name="Settings").click()
    expect(page).to_have_url(re.compile("#/settings$"))


def violations(page: Page) -> list[str]:
    """What axe-core calls serious or critical: the rule, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture
def axe() -> None:
    if AXE.is_file():
        return
    reason = "axe-core is not there: npm ci in web/"
    if os.environ.get("INKBLOOM_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Any, axe: None, theme: str) -> None:
    page = visit(color_scheme=theme)
    found = {}
    for view in all_views(page):
        found[view] = violations(page)
    go(page, "gallery")
    page.get_by_role("button", name="城堡", exact=True).click()
    expect(page.get_by_role("dialog", name="Picture viewer").get_by_role("img", name="城堡")).to_be_visible()
    found["viewer"] = violations(page)
    page.keyboard.press("Escape")
    go(page, "paint")
    page.get_by_role("radiogroup", name="What to start from").get_by_text("Part of a picture", exact=True).click()
    page.get_by_role("button", name="From the gallery").click()
    page.get_by_role("dialog").get_by_role("button", name="城堡").click()
    expect(page.get_by_role("application", name="Canvas")).to_be_visible()
    found["canvas"] = violations(page)
    wrong = [f"{place}: {text}" for place, texts in found.items() for text in texts]
    assert not wrong, "\n".join(wrong)
