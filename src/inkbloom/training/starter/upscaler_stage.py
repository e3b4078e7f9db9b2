"""The starter's upscaler, trained on scenes that are rendered at 128, 256 and 512 pixels.

`python -m inkbloom.training.starter.upscaler_stage --minutes 12 --folder runs/upscaler` trains it and writes
`runs/upscaler/starter-upscaler.safetensors`; the same command goes on where it was stopped. At the end it says how near
it and Lanczos's filter come to renders that it never saw.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image as PILImage

from inkbloom.checkpoints.upscalers import load_upscaler, save_upscaler
from inkbloom.core.types import Image
from inkbloom.models.upscaler import Upscaler, UpscalerSpec
from inkbloom.training.autoencoder import to_image
from inkbloom.training.ema import averaged
from inkbloom.training.learner import Learner
from inkbloom.training.loop import Budget, Every, Pace, Progress, run
from inkbloom.training.rates import LearningRate
from inkbloom.training.starter.scenes import BASE_SIZE, Scene, render, sample_scenes
from inkbloom.training.upscaler import Pairs, UpscalerJob, mean_psnr

NUM_SCENES = 512
NUM_HELD_OUT = 12
BATCH_SIZE = 16
CROP = 32
SPEC = UpscalerSpec()
RATE = LearningRate(peak=1e-3, warmup_steps=50, decay_from=0.4, floor=0.01)


def scene_pairs(scenes: Sequence[Scene], base: int = BASE_SIZE) -> list[Pairs]:
    """The scenes at `base` pixels and twice and four times that: all three ways from a smaller to a larger one."""
    one, two, four = (render(scenes, factor * base) for factor in (1, 2, 4))
    return [
        Pairs(small=one, large=two, scale=2),
        Pairs(small=one, large=four, scale=4),
        Pairs(small=two, large=four, scale=2),
    ]


def train_upscaler(
    folder: Path,
    budget: Budget,
    *,
    spec: UpscalerSpec = SPEC,
    num_scenes: int = NUM_SCENES,
    num_held_out: int = NUM_HELD_OUT,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Train, or go on where `folder` stopped; returns the file that is written, float16. Works in bfloat16."""
    torch.manual_seed(seed)
    network = Upscaler(spec)
    adam = torch.optim.AdamW(network.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    learner = Learner(network, adam, 0.995, precision="bf16")
    pairs = scene_pairs(sample_scenes(num_scenes, seed=seed))
    held_out = scene_pairs(sample_scenes(num_held_out, seed=seed + 1, held_out=True))
    job = UpscalerJob(network, pairs, held_out, learner, batch_size=BATCH_SIZE, crop=CROP, seed=seed)
    run(job, folder, budget, RATE, pace=Pace(evaluate=Every()), on_progress=on_progress)
    path = folder / "starter-upscaler.safetensors"
    with averaged(network, learner.ema):
        save_upscaler(path, network, title="starter-upscaler")
    return path


def compare(path: Path, *, num_scenes: int = NUM_HELD_OUT, seed: int = 0) -> list[str]:
    """One line for each way: the mean PSNR of the file's network and of Pillow's Lanczos filter, on held-out scenes."""
    network = load_upscaler(path)
    assert network is not None
    lines = []
    for pairs in scene_pairs(sample_scenes(num_scenes, seed=seed + 1, held_out=True)):
        ours, theirs = mean_psnr(pairs, network), mean_psnr(pairs, lanczos)
        ways = f"{pairs.small.shape[-1]} to {pairs.large.shape[-1]} pixels"
        lines.append(f"{ways}: {ours:.2f} dB, Lanczos {theirs:.2f} dB ({ours - theirs:+.2f})")
    return lines


def lanczos(image: Image, scale: int) -> Image:
    """Pillow's Lanczos filter on images in [-1, 1], by way of 8 bits."""
    levels = ((image + 1) * 127.5).round().to(torch.uint8).movedim(1, -1).numpy()  # b h w c
    enlarged = []
    for array in levels:
        picture = PILImage.fromarray(array)
        picture = picture.resize((scale * picture.width, scale * picture.height), PILImage.Resampling.LANCZOS)
        enlarged.append(torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8))
    size = (scale * image.shape[2], scale * image.shape[3], 3)
    return to_image(torch.stack(enlarged).unflatten(1, size).movedim(-1, 1))  # b c h w


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="upscaler_stage", description="Train the starter's upscaler.")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/upscaler"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    def tell(progress: Progress) -> None:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in progress.metrics.items())
        sys.stdout.write(f"step {progress.step}, {progress.seconds_left / 60:.1f} min left: {metrics}\n")
        sys.stdout.flush()

    path = train_upscaler(options.folder, Budget(seconds=60 * options.minutes), seed=options.seed, on_progress=tell)
    sys.stdout.write("\n".join([f"saved as {path}", *compare(path, seed=options.seed), ""]))


if __name__ == "__main__":
    main(sys.argv[1:])
