"""The ControlNet that ships with the starter: it is found by name and follows outlines of scenes it never saw."""

import torch

from inkbloom import StableDiffusion
from inkbloom.families import starter
from inkbloom.nn.canny import canny
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.pictures import from_pictures, to_pictures
from inkbloom.training.starter.captions import held_out_prompts
from inkbloom.training.starter.control_stage import agreement
from inkbloom.training.starter.scenes import render

LARGEST = 16 * 2**20


def test_it_follows_outlines() -> None:
    assert (starter.CONTROLS / "starter-canny.safetensors").stat().st_size <= LARGEST
    model = StableDiffusion.load(device="cpu")
    # Without words, since with them the starter alone puts things where its scenes have them
    followed = {"without": 0.0, "with": 0.0}
    for seed, (scene, _) in enumerate(held_out_prompts(4, seed=11, layouts=("one", "pair"))):
        pixels = render([scene])
        source = PictureSource.of(to_pictures(pixels.float() / 127.5 - 1)[0])
        unit = {"model": "starter-canny", "image": source, "preprocessor": "canny"}
        for name, controls in (("without", []), ("with", [unit])):
            image = model.generate("", seed=seed, steps=8, controls=controls).images[0]
            outline = canny(((from_pictures([image]) + 1) * 127.5).to(torch.uint8))
            followed[name] += agreement(canny(pixels), outline) / 4
    assert followed["with"] > 1.5 * followed["without"]


def test_it_is_deterministic() -> None:
    model = StableDiffusion.load(device="cpu")
    source = PictureSource.of(to_pictures(render([held_out_prompts(1, seed=3)[0][0]]).float() / 127.5 - 1)[0])
    unit = {"model": "starter-canny", "image": source, "preprocessor": "canny"}
    first, second = (model.generate("a dog", seed=1, steps=2, controls=[unit]).latents for _ in range(2))
    assert torch.equal(first, second)
