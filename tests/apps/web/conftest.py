"""A real Chromium on a real server, and pages that are watched while a test uses them.

Where there is no Chromium, tests that need it are skipped; with INKBLOOM_BROWSER=required they fail.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, expect, sync_playwright

LONG = 60_000
"""Milliseconds for what must come; the limit is only for what hangs."""

_FLAGS = (
    "--no-sandbox",  # as root, in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """$INKBLOOM_CHROMIUM, or what the PATH has; else the test is skipped, or fails where a browser is required."""
    named = os.environ.get("INKBLOOM_CHROMIUM")
    names = (named,) if named else ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is not None:
        return found
    reason = "no Chromium was found: install chromium, or name it in INKBLOOM_CHROMIUM"
    if os.environ.get("INKBLOOM_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with its module: while Playwright runs, no other test of this process can start an event loop."""
    path = find_chromium()
    expect.set_options(timeout=LONG)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def studio(
    browser: Browser, start_studio: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A server that keeps its port when it is started again, so that it stays the same place to a browser."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "models").mkdir()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    running = start_studio(folder / "data", "--models-dir", str(folder / "models"), port=port)
    yield running
    running.stop()


class Visits:
    """Opens pages, and hears what goes wrong in them."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url
        self.wrong: list[str] = []
        self.forgiven: list[str] = []
        """Parts of complaints that the test itself is the cause of."""
        self._contexts: list[BrowserContext] = []

    def __call__(self, tab: str = "paint", **options: Any) -> Page:
        """A page in a browser of its own, with nothing kept; `options` are Playwright's, such as a locale."""
        context = self.browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-GB"} | options)
        self._contexts.append(context)
        context.set_default_timeout(LONG)
        context.on("request", lambda request: self._check_host(request.url))
        context.on("console", lambda message: self._hear(message.type, message.text))
        context.on("weberror", lambda error: self._hear("error", str(error.error)))
        return self.another(context, tab)

    def another(self, context: BrowserContext, tab: str = "paint") -> Page:
        """One more tab of the same browser."""
        page = context.new_page()
        page.goto(f"{self.url}/#/{tab}")
        page.get_by_role("main").wait_for()
        return page

    def _check_host(self, url: str) -> None:
        if urlsplit(url).scheme in ("http", "https") and not url.startswith(f"{self.url}/"):
            self.wrong.append(f"asks another host: {url}")

    def _hear(self, kind: str, text: str) -> None:
        # What breaks the policy (CSP) is an error of the console, too
        if kind in ("error", "warning"):
            self.wrong.append(f"{kind}: {text}")

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        assert [text for text in self.wrong if not any(part in text for part in self.forgiven)] == []


@pytest.fixture
def visit(browser: Browser, studio: Any) -> Iterator[Visits]:
    """Opens the page: `visit("gallery")`. Afterwards no page may have complained or asked another host."""
    visits = Visits(browser, studio.url)
    yield visits
    visits.close()


class Paint:
    """The room Paint, as its user sees it in English."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.prompt = page.get_by_role("textbox", name="Prompt", exact=True)
        self.stage = page.get_by_role("region", name="Picture", exact=True)
        self.preview = self.stage.get_by_role("img", name=re.compile("^Preview at step"))
        self.results = page.get_by_role("group", name="Painted in this tab").get_by_role("button")

    def field(self, name: str) -> Locator:
        return self.page.get_by_role("textbox", name=name, exact=True)

    def ask(self, prompt: str, steps: int = 4, size: int = 64) -> None:
        """Write down a quick picture, unless `size` and `steps` say otherwise."""
        self.field("Width").fill(str(size))
        self.field("Height").fill(str(size))
        self.field("Steps").fill(str(steps))
        self.prompt.fill(prompt)

    def send(self) -> str:
        """Ctrl+Enter; the job's id."""

        def sent(answer: Response) -> bool:
            return answer.request.method == "POST" and urlsplit(answer.url).path == "/api/v1/jobs"

        with self.page.expect_response(sent) as answer:
            self.page.keyboard.press("Control+Enter")
        assert answer.value.ok, answer.value.text()
        return answer.value.json()["id"]

    def watch(self) -> None:
        """Note all that is seen of a painting from now on, however short it is seen."""
        self.page.evaluate(
            """() => {
                window.seen = { steps: [], frames: 0 };
                const look = () => {
                    const alt = document.querySelector("img[alt^='Preview at step']")?.alt;
                    const step = Number(alt?.split(" ").at(-1));
                    if (alt && seen.steps.at(-1) !== step) seen.steps.push(step);
                    const frames = document.querySelectorAll("[aria-label='Steps so far'] button").length;
                    seen.frames = Math.max(seen.frames, frames);
                };
                const all = { subtree: true, childList: true, attributes: true };
                new MutationObserver(look).observe(document.body, all);
            }"""
        )

    def seen(self) -> dict[str, Any]:
        """Since `watch`: the steps of previews in their order, and how long the filmstrip became."""
        return self.page.evaluate("seen")

    def step(self) -> int:
        """Of the preview that is shown."""
        return int((self.preview.get_attribute("alt") or "").rpartition(" ")[2])


@pytest.fixture
def as_paint() -> Callable[[Page], Paint]:
    return Paint


@pytest.fixture
def open_paint(visit: Visits) -> Callable[..., Paint]:
    return lambda **options: Paint(visit("paint", **options))
