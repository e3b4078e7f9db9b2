"""Pictures a second that the data loader gives, beside those that a training step takes, on the starter.

python benchmarks/loader.py [--data FOLDER] [--steps 8] [--threads 4]

Without a folder it makes 32 JPEGs of 768 x 512 pixels. Three rates of the loader: pictures decoded and cropped anew,
latents from the cache on disk, and what a LoRA's training step uses up meanwhile.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from inkbloom.training.adapters.settings import LoraSettings
from inkbloom.training.data.dataset import Dataset
from inkbloom.training.data.loader import Loader, pictures_per_second
from inkbloom.training.data.settings import DataSettings
from inkbloom.training.recipes import DiffusionRecipe, ModelSettings
from inkbloom.training.runs import prepare


def make_pictures(folder: Path, count: int = 32) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 12, 3), dtype=np.uint8))
        coarse.resize((768, 512), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=92)
        (folder / f"{i}.txt").write_text(f"picture {i}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.data or Path(scratch)
        if arguments.data is None:
            make_pictures(folder)
        settings = DataSettings(data=(folder,), batch_size=8, loader_threads=arguments.threads)
        recipe = DiffusionRecipe(
            kind="lora", own=LoraSettings(), data=settings, model=ModelSettings(output=Path(scratch) / "run")
        )
        training = prepare(recipe, torch.device("cpu"))
        training.data.prepare()
        pixels = Dataset(replace(training.survey, settings=replace(settings, cache_latents=False)))
        for name, data in (("decoded and cropped", pixels), ("cached latents", training.data)):
            with Loader(data, threads=arguments.threads, ahead=2) as loader:
                print(f"loader, {name:<20} {pictures_per_second(loader, arguments.steps):10.1f} pictures/s")
        started = time.perf_counter()
        for step in range(arguments.steps):
            training.job.train_step(step, 1e-4)
        seconds = time.perf_counter() - started
        print(f"training step (LoRA, starter)    {arguments.steps * settings.batch_size / seconds:6.1f} pictures/s")


if __name__ == "__main__":
    main()
