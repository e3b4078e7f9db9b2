"""Train the starter's tiny decoder, fit its matrix, and measure both against its full decoder.

    python scripts/starter_previews.py --minutes 11 --out runs/starter-previews

The decoder is written to OUT/starter_decoder.safetensors; it ships in `src/inkbloom/families/starter_preview/`. The
matrix is printed for `families/starter.py`. Then, for scenes that neither saw: the PSNR against the full decoder's
pictures, of scenes as they are and softened as while they are painted, and the time of one picture as a part of the
full decoder's. A new autoencoder needs both anew.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional as F

from inkbloom.checkpoints import load
from inkbloom.checkpoints.tiny_autoencoders import load_tiny_decoder
from inkbloom.core.types import Image, Latent
from inkbloom.families import starter
from inkbloom.training.loop import Budget, Progress
from inkbloom.training.starter.preview_stage import decoded_scenes, fit_colors, nearness, train_previews

NUM_FITTED, NUM_MEASURED, NUM_TIMED = 256, 64, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=starter.FOLDER)
    parser.add_argument("--minutes", type=float, default=11.0)
    parser.add_argument("--out", type=Path, default=Path("runs/starter-previews"))
    options = parser.parse_args()

    model = load(options.model, components=("autoencoder",), dtype=torch.float32)
    assert model.autoencoder is not None
    path = train_previews(model, options.out, Budget(seconds=60 * options.minutes), on_progress=tell)
    print(f"{path}: {path.stat().st_size / 2**10:.0f} KiB")

    colors = fit_colors(decoded_scenes(model, NUM_FITTED, soft=0.5, seed=0))
    print(f"latent_scale={model.spec.latent_scale}, colors and, in the last row, bias:")
    for row in colors.tolist():
        print("(" + ", ".join(f"{value:.4f}" for value in row) + ")")

    full, scale = model.autoencoder.decode, model.spec.latent_scale
    ways: dict[str, Callable[[Latent], Image]] = {
        "matrix": partial(colored, colors),
        "tiny": load_tiny_decoder(path),
        "full": lambda latent: full(latent / scale),
    }
    scenes, soft = (decoded_scenes(model, NUM_MEASURED, soft=soft, seed=1, held_out=True) for soft in (0.0, 1.0))
    seconds = {name: seconds_for(decode, scenes.latents[:1]) for name, decode in ways.items()}
    for name, decode in ways.items():
        near = f"{nearness(decode, scenes):.1f} dB, soft {nearness(decode, soft):.1f} dB, " if name != "full" else ""
        print(f"{name:6}  {near}{seconds[name] / seconds['full']:.3f} of the full decoder's time")


def colored(colors: torch.Tensor, latent: Latent) -> Image:
    image = F.pad(latent.movedim(1, -1), (0, 1), value=1.0) @ colors
    return F.interpolate(image.movedim(-1, 1), scale_factor=8, mode="bilinear")


@torch.inference_mode()
def seconds_for(decode: Callable[[Latent], Image], latent: Latent) -> float:
    """The median, after a first call that is not counted."""
    times = []
    for _ in range(NUM_TIMED + 1):
        begin = time.perf_counter()
        decode(latent)
        times.append(time.perf_counter() - begin)
    return sorted(times[1:])[NUM_TIMED // 2]


def tell(progress: Progress) -> None:
    metrics = "  ".join(f"{name} {value:.4g}" for name, value in progress.metrics.items())
    print(f"{progress.part:6.1%}  step {progress.step}  {progress.steps_per_second:.2f} steps/s  {metrics}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
