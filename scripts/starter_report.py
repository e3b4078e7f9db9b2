"""Measure the starter and write `starter/REPORT.md` with its pictures: python scripts/starter_report.py --run RUN

The judge scores pictures of held-out prompts, painted with the model's own steps, guidance and sampler. Nothing is
chosen: the samples are the first ones, and the failures the first that the judge found.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from inkbloom import StableDiffusion
from inkbloom.pipelines.pictures import make_grid
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.training.autoencoder import to_image
from inkbloom.training.starter.captions import canonical_caption
from inkbloom.training.starter.catalogue import STYLE_NAMES
from inkbloom.training.starter.frechet import frechet_distance
from inkbloom.training.starter.judge import Judge, Reading, Scores, soften, tally
from inkbloom.training.starter.scenes import Scene, render, sample_scenes

FOLDER = Path(__file__).parent.parent / "starter"
NUM_PROMPTS = 1_024
NUM_SAMPLES, NUM_FAILURES = 64, 16
PROMPT_SEED, OTHER_SEED, FIRST_SEED = 2_026, 2_027, 1_000
BATCH = 32
AIMS = {"scene": 0.98, "style": 0.95, "one object": 0.95, "both of two": 0.85}
MEANING = """

Scene: the place, and the colour where it is plain and the style shows colours. Objects: those asked for are the ones
seen most clearly. Positions: several different objects are arranged as asked, and each is the clearest at its own spot.
Counts: the same for "two cats" and "three cats".

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="diffusers folder [default: the shipped starter]")
    parser.add_argument("--run", type=Path, help="folder of `inkbloom train starter`, for its curves")
    parser.add_argument("--lesson", type=Path, help="report of scripts/starter_lesson.py, to be part of this one")
    parser.add_argument("--prompts", type=int, default=NUM_PROMPTS)
    parser.add_argument("--painted", type=Path, help="file that keeps the pictures, or has them already")
    arguments = parser.parse_args()

    model, judge = StableDiffusion.load(arguments.model), Judge.load()
    scenes = sample_scenes(arguments.prompts, PROMPT_SEED, held_out=True)
    captions = [canonical_caption(scene, "zh" if i % 4 == 3 else "en") for i, scene in enumerate(scenes)]
    pictures, seconds = painted(model, captions, arguments.painted)

    reading = judge.read(pictures)
    true = render(scenes)
    true_reading = judge.read(true)
    softened_reading = judge.read(softened(true))
    other = judge.read(render(sample_scenes(len(scenes), OTHER_SEED, held_out=True))).features
    distances = frechet_distance(reading.features, other), frechet_distance(true_reading.features, other)

    FOLDER.mkdir(exist_ok=True)
    grid(pictures[:NUM_SAMPLES], 8, "samples.png")
    styles = [chosen(scenes, lambda scene, style=style: scene.style == style)[:8] for style in STYLE_NAMES]
    grid(pictures[[index for row in styles for index in row]], 8, "styles.png")
    failures = failed(reading, scenes)
    if failures:
        grid(pictures[failures[:NUM_FAILURES]], 8, "failures.png")

    text = head(model, scenes, seconds)
    text += metrics(scenes, reading, true_reading, softened_reading)
    text += frechet(distances, len(scenes))
    text += by_style(scenes, reading, true_reading)
    text += samples(captions, styles, failures)
    if arguments.lesson:
        text += arguments.lesson.read_text(encoding="utf-8")
    if arguments.run:
        text += curves(arguments.run)
    (FOLDER / "REPORT.md").write_text(text, encoding="utf-8")
    print(text)


def paint(model: StableDiffusion, captions: Sequence[str]) -> Tensor:
    """A picture for each caption, uint8 (n, 3, height, width); picture i takes the seed FIRST_SEED + i."""
    pictures = []
    for start in range(0, len(captions), BATCH):
        requests = [
            model.resolve(GenerationRequest(prompt=caption, seed=FIRST_SEED + start + i))
            for i, caption in enumerate(captions[start : start + BATCH])
        ]
        pictures += model.paint(requests).images
        print(f"{len(pictures)} of {len(captions)}", end="\r", flush=True)
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)


def painted(model: StableDiffusion, captions: Sequence[str], file: Path | None) -> tuple[Tensor, float]:
    """The pictures, and how many seconds painting them took."""
    if file and file.exists():
        kept = torch.load(file, weights_only=True)
        if kept["captions"] == list(captions):
            return kept["pictures"], kept["seconds"]
    started = time.monotonic()
    pictures = paint(model, captions)
    seconds = time.monotonic() - started
    if file:
        torch.save({"captions": list(captions), "pictures": pictures, "seconds": seconds}, file)
    return pictures, seconds


def softened(pictures: Tensor) -> Tensor:
    """As imperfect as in the judge's training."""
    generator = torch.Generator().manual_seed(0)
    images = torch.cat([soften(to_image(chunk), generator) for chunk in pictures.split(32)])
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def chosen(scenes: Sequence[Scene], condition: Callable[[Scene], bool]) -> list[int]:
    return [index for index, scene in enumerate(scenes) if condition(scene)]


def scored(reading: Reading, scenes: Sequence[Scene], rows: Sequence[int]) -> Scores:
    return tally(Reading(*(part[list(rows)] for part in reading)), [scenes[row] for row in rows])


def named(scores: Scores) -> dict[str, float | None]:
    one, two, three = scores.objects
    return {
        "scene": scores.scene,
        "style": scores.style,
        "one object": one,
        "both of two": two,
        "all of three": three,
        "positions": scores.positions,
        "counts": scores.counts,
    }


def failed(reading: Reading, scenes: Sequence[Scene]) -> list[int]:
    """The pictures of which the judge finds anything wrong."""
    return [
        row
        for row in range(len(scenes))
        if any(value is not None and value < 1 for value in named(scored(reading, scenes, [row])).values())
    ]


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def head(model: StableDiffusion, scenes: Sequence[Scene], seconds: float) -> str:
    request = model.resolve(GenerationRequest(prompt=""))
    combinations = len({(s.place, s.color, tuple(sorted(s.objects))) for s in scenes})
    return f"""# The starter, measured

Written by `python scripts/starter_report.py`; how it was trained is told in [TRAINING.md](TRAINING.md).

{len(scenes):,} prompts of {combinations} held-out combinations of place and objects, which training never saw
(`sample_scenes({len(scenes)}, {PROMPT_SEED}, held_out=True)`, drawn as training scenes are, every fourth prompt in
Chinese); picture i takes the seed {FIRST_SEED} + i; {request.sampler}, schedule {request.schedule},
{request.steps} steps, guidance scale {request.guidance_scale:g}, {request.width} x {request.height} pixels. Painting
took {seconds:.0f} s.

The judge is a small classifier trained on true renders alone. What it makes of true renders of the same scenes, which
it never saw, bounds what the pictures can reach.

"""


def metrics(scenes: Sequence[Scene], *readings: Reading) -> str:
    everything = range(len(scenes))
    columns = [
        ("pictures", named(scored(readings[0], scenes, everything))),
        ("without style", named(scored(readings[0], scenes, chosen(scenes, lambda scene: scene.style is None)))),
        ("Chinese prompts", named(scored(readings[0], scenes, [row for row in everything if row % 4 == 3]))),
        ("true renders", named(scored(readings[1], scenes, everything))),
        ("true, softened", named(scored(readings[2], scenes, everything))),
    ]
    counts = {
        "scene": len(scenes),
        "style": len(scenes),
        "one object": len(chosen(scenes, lambda s: len(s.objects) == 1)),
        "both of two": len(chosen(scenes, lambda s: len(s.objects) == 2 and not s.same)),
        "all of three": len(chosen(scenes, lambda s: len(s.objects) == 3 and not s.same)),
        "positions": len(chosen(scenes, lambda s: len(s.objects) > 1 and not s.same)),
        "counts": len(chosen(scenes, lambda s: s.same)),
    }
    lines = ["| | of | " + " | ".join(name for name, _ in columns) + " | aim |", "|---" * (len(columns) + 3) + "|"]
    for name, count in counts.items():
        cells = [percent(values[name]) for _, values in columns]
        lines.append(f"| {name} | {count} | " + " | ".join(cells) + f" | {percent(AIMS.get(name))} |")
    return "\n".join(lines) + MEANING


def frechet(distances: tuple[float, float], count: int) -> str:
    pictures, true = distances
    return f"""Fréchet distance in the judge's features, {count:,} pictures each (Heusel et al. 2017): {pictures:.3f}
between the pictures and true renders of other held-out scenes (seed {OTHER_SEED}), {true:.3f} between true renders of
the prompts' own scenes and those: a ratio of {pictures / true:.2f} (aim: 1.5).

"""


def by_style(scenes: Sequence[Scene], reading: Reading, true_reading: Reading) -> str:
    parts = ("style", "scene", "one object", "both of two")
    heads = (f"{part} (true renders)" for part in parts)
    lines = ["## Style by style\n", "| | of | " + " | ".join(heads) + " |", "|---" * (len(parts) + 2) + "|"]
    for style in (None, *STYLE_NAMES):
        rows = chosen(scenes, lambda scene, style=style: scene.style == style)
        ours, true = (named(scored(read, scenes, rows)) for read in (reading, true_reading))
        cells = (f"{percent(ours[part])} ({percent(true[part])})" for part in parts)
        lines.append(f"| {style or 'none'} | {len(rows)} | " + " | ".join(cells) + " |")
    return (
        "\n".join(lines)
        + "\n\n![Eight of each style](styles.png)\n\nThe first eight of each style, in the table's order.\n\n"
    )


def samples(captions: Sequence[str], styles: Sequence[Sequence[int]], failures: Sequence[int]) -> str:
    listed = "\n".join(f"{i + 1}. {caption}" for i, caption in enumerate(captions[:NUM_SAMPLES]))
    text = f"""## {NUM_SAMPLES} samples, not chosen

![The first {NUM_SAMPLES} pictures](samples.png)

Left to right, top to bottom:

{listed}

## What it learned when

![The same ten prompts along the run](learning.png)

The same ten prompts and seeds along the run; [TRAINING.md](TRAINING.md) says the steps.

## Failures

The judge finds something wrong with {len(failures)} of {len(captions):,} pictures"""
    if not failures:
        return text + ".\n"
    shown = "\n".join(f"{i + 1}. {captions[row]}" for i, row in enumerate(failures[:NUM_FAILURES]))
    return text + f". The first of them:\n\n![The first failures](failures.png)\n\n{shown}\n"


def grid(pictures: Tensor, columns: int, name: str) -> None:
    images = [Image.fromarray(picture.permute(1, 2, 0).numpy()) for picture in pictures]
    make_grid(images, columns).save(FOLDER / name, optimize=True)


def curves(run: Path) -> str:
    """Ten lines of each part's log."""
    lines = ["\n## Training curves\n"]
    parts = {
        "text": ("loss", "understood"),
        "autoencoder/crops": ("loss", "psnr"),
        "autoencoder/whole": ("loss", "psnr"),
        "diffusion": ("loss", "held_out_loss"),
    }
    for stage, names in parts.items():
        file = run / stage / "log.jsonl"
        if not file.exists():  # crops are for networks from nothing
            continue
        log = [json.loads(line) for line in file.read_text().splitlines()]
        lines += [f"\n### {stage}\n", "| minutes | step | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
        for entry in [log[round(i * (len(log) - 1) / 10)] for i in range(1, 11)]:
            values = [entry["metrics"].get(name) for name in names]
            cells = ["-" if value is None else f"{value:.4g}" for value in values]
            lines.append(f"| {entry['seconds'] / 60:.0f} | {entry['step']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
