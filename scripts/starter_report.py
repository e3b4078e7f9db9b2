"""Measure the starter and write `starter/REPORT.md` with its samples: python scripts/starter_report.py [--log RUN] ...

The judge scores pictures of held-out prompts, painted with the model's own steps, guidance and sampler. Nothing is
chosen: the samples are the first ones.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from inkbloom import StableDiffusion
from inkbloom.pipelines.pictures import make_grid
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.training.starter.captions import held_out_prompts
from inkbloom.training.starter.judge import Judge, Scores, measure
from inkbloom.training.starter.scenes import Scene

FOLDER = Path(__file__).parent.parent / "starter"
NUM_PROMPTS = 512
NUM_SAMPLES = 32
PROMPT_SEED, FIRST_SEED = 2_026, 1_000
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="diffusers folder [default: the shipped starter]")
    parser.add_argument("--run", type=Path, help="folder of `inkbloom train starter`, for its curves")
    parser.add_argument("--prompts", type=int, default=NUM_PROMPTS)
    arguments = parser.parse_args()

    model = StableDiffusion.load(arguments.model)
    scenes, captions = zip(*held_out_prompts(arguments.prompts, PROMPT_SEED), strict=True)
    started = time.monotonic()
    pictures = paint(model, captions)
    seconds = time.monotonic() - started

    judge = Judge.load()
    scores = {"all": judge.score(pictures, scenes)}
    for count, name in ((1, "one object"), (2, "two objects")):
        chosen = [i for i, scene in enumerate(scenes) if len(scene.placements) == count]
        scores[name] = judge.score(pictures[chosen], [scenes[i] for i in chosen])

    FOLDER.mkdir(exist_ok=True)
    make_grid([Image.fromarray(p.permute(1, 2, 0).numpy()) for p in pictures[:NUM_SAMPLES]], 8).save(
        FOLDER / "samples.png", optimize=True
    )
    text = report(model, scenes, captions, scores, seconds)
    if arguments.run:
        text += curves(arguments.run)
    (FOLDER / "REPORT.md").write_text(text, encoding="utf-8")
    print(text)


def paint(model: StableDiffusion, captions: Sequence[str]) -> torch.Tensor:
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


def report(
    model: StableDiffusion, scenes: Sequence[Scene], captions: Sequence[str], scores: dict[str, Scores], seconds: float
) -> str:
    request = model.resolve(GenerationRequest(prompt=""))
    clean, softened = measure(Judge.load()), measure(Judge.load(), softened=True)
    combinations = len({(s.place, s.color, tuple(p.object for p in s.placements)) for s in scenes})
    samples = "\n".join(f"{i + 1}. {caption}" for i, caption in enumerate(captions[:NUM_SAMPLES]))
    return f"""# The starter, measured

Written by `python scripts/starter_report.py`. {len(scenes)} prompts of {combinations} held-out combinations of place
and objects, which training never saw (`held_out_prompts({len(scenes)}, seed={PROMPT_SEED})`); picture i takes the seed
{FIRST_SEED} + i; {request.sampler}, schedule {request.schedule}, {request.steps} steps, guidance scale
{request.guidance_scale:g}, {request.width} x {request.height} pixels. Painting took {seconds:.0f} s.

The judge is a small classifier trained on true renders alone. Its own accuracy on renders that it never saw bounds
what the pictures can reach.

| | scene | first object | both objects |
|---|---|---|---|
| pictures, all prompts | {row(scores["all"])} |
| pictures, prompts of one object | {row(scores["one object"])} |
| pictures, prompts of two objects | {row(scores["two objects"])} |
| true renders of another seed | {row(clean)} |
| the same, softened as in the judge's training | {row(softened)} |

Aim: scene 95 %, single object 85 %.

## 32 samples, not chosen

![The first 32 pictures](samples.png)

Left to right, top to bottom:

{samples}
"""


def row(scores: Scores) -> str:
    return " | ".join(
        "-" if s is None else f"{s:.1%}" for s in (scores.scene, scores.first_object, scores.both_objects)
    )


def curves(run: Path) -> str:
    """Ten lines of each part's log."""
    lines = ["\n## Training\n"]
    parts = {
        "autoencoder/crops": ("loss", "psnr"),
        "autoencoder/whole": ("loss", "psnr"),
        "diffusion": ("loss", "held_out_loss"),
    }
    for stage, metrics in parts.items():
        log = [json.loads(line) for line in (run / stage / "log.jsonl").read_text().splitlines()]
        lines += [
            f"\n### {stage}\n",
            "| minutes | step | " + " | ".join(metrics) + " |",
            "|---" * (2 + len(metrics)) + "|",
        ]
        for entry in [log[round(i * (len(log) - 1) / 10)] for i in range(1, 11)]:
            values = [entry["metrics"].get(metric) for metric in metrics]
            cells = ["-" if value is None else f"{value:.4g}" for value in values]
            lines.append(f"| {entry['seconds'] / 60:.0f} | {entry['step']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
