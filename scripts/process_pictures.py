"""Draw the README's pictures from the real model: python scripts/process_pictures.py

forward.png: a true scene as noise is added to its latent, in steps of the schedule.
reverse.png: pure noise becoming a picture: the noised latents above, what the model believes at that moment below.
painted.png: a few prompts, one picture each.
"""

from pathlib import Path

import torch
from PIL import Image

from inkbloom import StableDiffusion
from inkbloom.core.rng import ImageNoise
from inkbloom.pipelines.pictures import make_grid, to_pictures
from inkbloom.pipelines.stable_diffusion import Progress
from inkbloom.sampling.process import add_noise
from inkbloom.training.starter.catalogue import OBJECT_NAMES
from inkbloom.training.starter.scenes import Placement, Scene, render

FOLDER = Path(__file__).parent.parent / "docs" / "images"
PROMPT, SEED = "a big castle under a starry night sky", 7
FORWARD_TIMES = (0, 100, 250, 400, 550, 700, 850, 999)
REVERSE_STEPS, SHOWN = 30, (1, 5, 9, 13, 17, 21, 25, 30)
PROMPTS = (
    "a big castle under a starry night sky",
    "a cute dog",
    "a watercolour painting of a cat on the beach",
    "a rocket in space",
    "two apples on a white background",
    "沙滩上的棕榈树",
    "pixel art of a robot at sunset",
    "水墨画：一只大熊猫",
)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    model = StableDiffusion.load()
    save("forward", forward(model), len(FORWARD_TIMES))
    save("reverse", reverse(model), len(SHOWN))
    painted = [model.generate(prompt, seed=SEED).images[0] for prompt in PROMPTS]
    save("painted", painted, 4)


def forward(model: StableDiffusion) -> list[Image.Image]:
    castle = Placement(OBJECT_NAMES.index("castle"), "big", "center")
    truth = render([Scene("night", None, (castle,), seed=SEED)]).float() / 127.5 - 1
    latent = model.autoencoder.encode(truth)
    noise = ImageNoise([SEED], tuple(latent.shape[1:])).initial()
    schedule = model.spec.noise_schedule.build()
    noised = [add_noise(latent, noise, torch.tensor([t]), schedule) for t in FORWARD_TIMES]
    return to_pictures(model.autoencoder.decode(torch.cat(noised)))


def reverse(model: StableDiffusion) -> list[Image.Image]:
    kept: list[Progress] = []
    model.generate(PROMPT, seed=SEED, steps=REVERSE_STEPS, on_progress=kept.append)
    shown = [kept[step - 1] for step in SHOWN]
    rows = [progress.latents for progress in shown], [progress.denoised for progress in shown]
    return [picture for row in rows for picture in to_pictures(model.autoencoder.decode(torch.cat(row)))]


def save(name: str, pictures: list[Image.Image], columns: int) -> None:
    path = FOLDER / f"{name}.png"
    make_grid(pictures, columns).save(path, optimize=True)
    print(path)


if __name__ == "__main__":
    main()
