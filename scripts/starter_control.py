"""Train the starter's ControlNet for outlines, then paint held-out scenes by it and measure how well they follow.

    python scripts/starter_control.py --minutes 17 --out runs/starter-control

The network is written to OUT/starter-canny.safetensors (15.2 MiB); in `src/inkbloom/families/starter_controls/` it
ships with the package, and `--control starter-canny` finds it. OUT/control.png shows, a row for each held-out scene,
the outline, the picture without and with it, and the same two for an empty prompt. "Agreement" is
`control_stage.agreement`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from inkbloom import StableDiffusion
from inkbloom.checkpoints import load
from inkbloom.families import starter
from inkbloom.nn.canny import canny
from inkbloom.pipelines.control.unit import ControlUnit
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.pictures import from_pictures, make_grid, to_pictures
from inkbloom.training.loop import Budget, Progress
from inkbloom.training.starter.captions import held_out_prompts
from inkbloom.training.starter.control_stage import agreement, train_control
from inkbloom.training.starter.scenes import render

NUM_PICTURES = 32
SHOWN = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=starter.FOLDER)
    parser.add_argument("--minutes", type=float, default=17.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--scenes", type=int, default=8_000)
    parser.add_argument("--out", type=Path, default=Path("runs/starter-control"))
    options = parser.parse_args()

    loaded = load(options.model, dtype=torch.float32)
    budget = Budget(seconds=60 * options.minutes, steps=options.steps)
    path = train_control(loaded, options.out, budget, num_scenes=options.scenes, on_progress=tell)
    print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
    print(json.dumps(measure(options.model, path, options.out), indent=2))


def tell(progress: Progress) -> None:
    metrics = "  ".join(f"{name} {value:.4g}" for name, value in progress.metrics.items())
    print(f"{progress.part:6.1%}  step {progress.step}  {progress.steps_per_second:.2f} steps/s  {metrics}", flush=True)
    sys.stdout.flush()


def measure(model_path: Path, control: Path, out: Path) -> dict[str, float]:
    model = StableDiffusion.load(model_path)
    pairs = held_out_prompts(NUM_PICTURES, seed=5, layouts=("one", "pair"))
    found: dict[str, list[float]] = {"without": [], "with": [], "without, no prompt": [], "with, no prompt": []}
    rows = []
    for i, (scene, prompt) in enumerate(pairs):
        picture = to_pictures(render([scene]).float() / 127.5 - 1)[0]
        hint = canny(render([scene]))
        unit = ControlUnit(model=str(control), image=PictureSource.of(picture), preprocessor="canny")
        painted = {
            "without": model.generate(prompt, seed=i).images[0],
            "with": model.generate(prompt, seed=i, controls=[unit]).images[0],
            "without, no prompt": model.generate("", seed=i).images[0],
            "with, no prompt": model.generate("", seed=i, controls=[unit]).images[0],
        }
        for name, image in painted.items():
            found[name].append(agreement(hint, canny(((from_pictures([image]) + 1) * 127.5).to(torch.uint8))))
        if i < SHOWN:
            rows += [picture, to_pictures(hint.expand(-1, 3, -1, -1).float() / 127.5 - 1)[0], *painted.values()]
    make_grid(rows, 6).save(out / "control.png")
    return {name: sum(values) / len(values) for name, values in found.items()}


if __name__ == "__main__":
    main()
