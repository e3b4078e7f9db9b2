"""Photograph the studio for its pages: python scripts/studio_pictures.py [--data-dir FOLDER] [NAME ...]

Starts a server on an empty folder, lets the starter paint, enlarge, compare, plot and learn, opens every room in a
real Chromium in both languages and keeps what is seen in docs/images/studio. With --data-dir the work is done once, and
later runs only look again; a NAME is that of one picture, such as gallery. Needs a Chromium on the PATH.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from docs_pages import DOCS
from PIL import Image as PILImage
from playwright.sync_api import Browser, Page, Route, sync_playwright

from inkbloom.training.starter.teaching import write_lesson

TARGET = DOCS / "images" / "studio"
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
SIZE = {"width": 1280, "height": 800}
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
PLACES = {"platform": "Linux", "data_dir": "/srv/inkbloom", "models_dir": "/srv/models"}
PATIENCE = 120_000
"""Milliseconds; a machine that paints and learns meanwhile may be slow."""
READY = "The studio is open at "

PROMPTS = (
    "a big castle under a starry night sky",
    "a cute dog on the beach",
    "a watercolour painting of a cat in the forest",
    "two apples on a white background",
    "a rocket in space",
    "沙滩上的棕榈树",
    "pixel art of a robot at sunset",
    "水墨画：一只大熊猫",
    "a red car in the city",
    "a penguin in the snow",
    "a neon bicycle at night",
    "a sailboat on the sea",
)
CASTLE, MASKED = PROMPTS[0], PROMPTS[1]
ASKED = {"en": CASTLE, "zh": "星空下的大城堡"}
PAINTED = "gallery?q=kind:generate"
LENGTHY = 150
"""Steps of what is still at work while it is photographed."""


class Studio:
    """A server, and the calls that the pictures need."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=f"{url}/api/v1", timeout=700)

    def get(self, path: str, **params: Any) -> Any:
        return self.client.get(path, params=params).raise_for_status().json()

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        answer = self.client.post(path, json=body, **more)
        if answer.is_error:
            raise SystemExit(f"{path}: {answer.text}")
        return answer.json() if answer.content else None

    def do(self, kind: str, **spec: Any) -> Any:
        """A job, done; the same one is done only once."""
        body = {"kind": kind, **spec}
        key = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        job = self.post("/jobs", body, headers={"Idempotency-Key": key})
        while job["state"] in ("queued", "running"):
            job = self.get(f"/jobs/{job['id']}", wait=60)
        if job["state"] == "failed":
            raise SystemExit(f"{kind}: {job['state']}: {job['error']}")
        return job

    @contextlib.contextmanager
    def at_work(self, *prompts: str, step: int = 25) -> Iterator[None]:
        """While these are painted, the first one being past so many steps; then none of them is."""
        request = {"steps": LENGTHY, "seed": 7, "num_images": 2}
        for prompt in prompts:
            self.post("/jobs", {"kind": "generate", "request": request | {"prompt": prompt}})
        with self.stopping(step):
            yield

    @contextlib.contextmanager
    def stopping(self, step: int = 0) -> Iterator[None]:
        while step and not any(job["progress"]["step"] >= step for job in self.get("/queue")["running"]):
            time.sleep(0.2)
        try:
            yield
        finally:
            queue = self.get("/queue")
            for job in [*queue["waiting"], *queue["running"]]:
                self.post(f"/jobs/{job['id']}/cancel")
                while self.client.delete(f"/jobs/{job['id']}").status_code == 409:  # the worker is still at its step
                    time.sleep(0.2)


def fill(studio: Studio) -> None:
    """All that the rooms show, painted and learned."""
    for seed, prompt in enumerate(PROMPTS, 1):
        job = studio.do("generate", request={"prompt": prompt, "seed": seed, "num_images": 1 + (seed == 1)})
        if seed in (1, 5, 8):
            studio.client.patch(f"/pictures/{job['pictures'][0]['id']}", json={"favourite": True})
    studio.do(
        "plot", request={"prompt": "a cute dog", "seed": 7}, x="Prompt S/R: dog, cat, fox, bear", y="Steps: 5, 10, 20"
    )
    studio.do("upscale", images=[picture_of(studio, CASTLE)], scale=4)
    teach(studio)
    studio.do("merge", models=["starter", "hedgehog-model"], compare=True)


def teach(studio: Studio) -> None:
    """A data set of eight pictures, a LoRA of it, and a few steps of a whole model, so that two can be compared."""
    if "hedgehog" not in studio.get("/datasets")["datasets"]:
        gather(studio)
    common = {"repeats": 50, "learning_rate": 1e-3, "resolution": 128}
    whole = common | {"steps": 5, "learning_rate": 1e-4}
    studio.do("train", training="diffusion", name="hedgehog-model", dataset="hedgehog", fields=whole)
    watched = {
        "targets": "full",
        "schedule": "cosine",
        "steps": 100,
        "held_out": 0.25,
        "evaluate_every": 10,
        "sample_every": 25,
        "sample_prompts": ["a hedgehog in the forest", "a hedgehog on a red background"],
    }
    studio.do("train", training="lora", name="hedgehog", dataset="hedgehog", fields=common | watched)


def gather(studio: Studio) -> None:
    studio.post("/datasets", {"name": "hedgehog"})
    with tempfile.TemporaryDirectory() as folder:
        write_lesson(Path(folder), "hedgehog")
        for file in sorted(Path(folder).glob("*.png")):
            caption = file.with_suffix(".txt").read_text(encoding="utf-8")
            file_part = {"file": (file.name, file.read_bytes())}
            studio.post("/datasets/hedgehog/pictures", files=file_part, data={"caption": caption})


def picture_of(studio: Studio, prompt: str) -> str:
    found = studio.get("/pictures", q=f'prompt:"{prompt}" kind:generate role:picture', order="oldest")["pictures"]
    return f"picture:{found[0]['id']}"


def draft(**request: Any) -> dict[str, Any]:
    mode = "inpaint" if "init_image" in request else "txt2img"
    return {"inkbloom.draft": {"request": request, "mode": mode, "styles": [], "variants": False, "format": None}}


def form(name: str, /, **fields: Any) -> dict[str, Any]:
    return {f"inkbloom.{name}": {"state": {"form": fields}, "version": 0}}


class Camera:
    """Takes pictures of rooms in one language and theme."""

    def __init__(self, studio: Studio, browser: Browser, language: str, theme: str) -> None:
        self.studio, self.language, self.theme = studio, language, theme
        self.context = browser.new_context(viewport=SIZE, locale=LANGUAGES[language], color_scheme=theme)  # pyright: ignore[reportArgumentType] - light or dark

        self.context.route("**/api/v1/system", self._without_places)

    def _without_places(self, route: Route) -> None:
        """What the server tells of itself, with other names for where this run happens to lie."""
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | PLACES)

    @contextlib.contextmanager
    def opened(self, place: str, kept: dict[str, Any] | None = None) -> Iterator[Page]:
        """A room, with what its browser kept from before."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        texts = {name: json.dumps(value) for name, value in (kept or draft(prompt=CASTLE, seed=7)).items()}
        page.add_init_script(f"for (const [k, v] of Object.entries({json.dumps(texts)})) sessionStorage.setItem(k, v)")
        page.goto(f"{self.studio.url}/#/{place}")
        page.get_by_role("main").wait_for()
        self.rest(page)
        yield page
        page.close()

    def rest(self, page: Page) -> None:
        """Until all that is shown has come."""
        loading = "[...document.images].some(one => !one.complete && one.loading !== 'lazy')"
        page.wait_for_timeout(1500)
        while page.locator(".mantine-Loader-root").count() or page.evaluate(loading):
            page.wait_for_timeout(200)
        page.wait_for_timeout(1000)

    def take(self, page: Page, name: str) -> None:
        seen = PILImage.open(io.BytesIO(page.screenshot())).convert("RGB")
        ending = "" if self.theme == "light" else "-dark"
        path = TARGET / self.language / f"{name}{ending}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        seen.save(path, quality=82, method=6)
        print(f"{path.relative_to(DOCS)}: {path.stat().st_size // 1024} KiB", flush=True)


def paint(camera: Camera) -> None:
    with camera.opened("paint", draft(prompt=ASKED[camera.language], seed=7, steps=LENGTHY, num_images=2)) as page:
        page.keyboard.press("Control+Enter")
        with camera.studio.stopping(step=40):
            camera.rest(page)
            camera.take(page, "paint")


def mask(camera: Camera) -> None:
    source = picture_of(camera.studio, MASKED)
    kept = draft(prompt="a cute cat on the beach", seed=7, init_image=source)
    with camera.opened("paint", kept) as page:
        box = page.get_by_role("application").bounding_box()
        assert box is not None
        middle, side = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), min(box["width"], box["height"])
        page.mouse.move(middle[0] - side / 8, middle[1] - side / 8)
        page.mouse.down()
        for row in range(-4, 6):
            for x in (-1, 1) if row % 2 else (1, -1):
                page.mouse.move(middle[0] + x * side / 7, middle[1] + row * side / 26, steps=4)
        page.mouse.up()
        camera.rest(page)
        camera.take(page, "mask")


def viewer(camera: Camera) -> None:
    with camera.opened(PAINTED) as page:
        page.locator("[data-open]").nth(4).click()
        camera.rest(page)
        camera.take(page, "viewer")


def queue(camera: Camera) -> None:
    with camera.studio.at_work(*PROMPTS[2:6]), camera.opened("queue") as page:
        camera.take(page, "queue")


def merger(camera: Camera) -> None:
    cards = camera.studio.get("/models", kind="checkpoints")["models"]
    names = sorted((card["name"] for card in cards), key=lambda name: name != "starter")
    with camera.opened("merger", form("merger", models=[*names[:2], None])) as page:
        camera.take(page, "merger")


def train(camera: Camera) -> None:
    for view, name in (("data", "dataset"), ("runs", "train")):
        with camera.opened("train", form("train", view=view, name="hedgehog", dataset="hedgehog")) as page:
            camera.take(page, name)


def plot(camera: Camera) -> None:
    axes = {
        "x": {"name": "Prompt S/R", "values": "dog, cat, fox, bear"},
        "y": {"name": "Steps", "values": "5, 10, 20"},
        "z": {"name": "Nothing", "values": ""},
    }
    with camera.opened("plot", draft(prompt="a cute dog", seed=7) | form("plot", axes=axes)) as page:
        camera.take(page, "plot")


def extras(camera: Camera) -> None:
    images = [picture_of(camera.studio, CASTLE)]
    with camera.opened("extras", form("extras", images=images, scale=4)) as page:
        camera.take(page, "extras")


def info(camera: Camera) -> None:
    with camera.opened(f"info?picture={picture_of(camera.studio, PROMPTS[2])}") as page:
        camera.take(page, "info")


def room(name: str, place: str | None = None) -> Callable[[Camera], None]:
    def look(camera: Camera) -> None:
        with camera.opened(place or name) as page:
            camera.take(page, name)

    return look


SHOTS: dict[str, Callable[[Camera], None]] = {
    "paint": paint,
    "mask": mask,
    "gallery": room("gallery", PAINTED),
    "viewer": viewer,
    "queue": queue,
    "extras": extras,
    "info": info,
    "merger": merger,
    "train": train,
    "plot": plot,
    "models": room("models"),
    "settings": room("settings"),
    "system": room("system"),
}
DARK = ("paint", "gallery")


@contextlib.contextmanager
def served(data: Path) -> Iterator[Studio]:
    command = [sys.executable, "-m", "inkbloom", "serve", "--port", "0", "--data-dir", str(data / "data")]
    models = data / "models"
    (models / "checkpoints").mkdir(parents=True, exist_ok=True)
    with (data / "log").open("w") as log:
        options = ("--models-dir", str(models), "--log-level", "warning")
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith(READY):
            raise SystemExit((data / "log").read_text())
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield Studio(line.removeprefix(READY).partition(" ")[0])
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*SHOTS, []], metavar="NAME")
    parser.add_argument("--data-dir", type=Path, help="[default: a new one, removed afterwards]")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("There is no Chromium on the PATH; install one, such as Debian's package chromium.")
    with contextlib.ExitStack() as stack:
        data = arguments.data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        studio = stack.enter_context(served(data))
        fill(studio)
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=chromium, args=FLAGS)
        for theme, names in (("light", tuple(SHOTS)), ("dark", DARK)):
            for language in LANGUAGES:
                camera = Camera(studio, browser, language, theme)
                for name in names:
                    if name in (arguments.names or SHOTS):
                        SHOTS[name](camera)
        browser.close()


if __name__ == "__main__":
    main()
