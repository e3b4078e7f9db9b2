"""Pictures of what no starter has seen, to teach it: the two objects that the catalogue keeps back."""

import random
from pathlib import Path

from PIL import Image
from torch import Tensor

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Int
from inkbloom.training.starter.captions import canonical_caption
from inkbloom.training.starter.catalogue import OBJECT_NAMES, PLACE_NAMES, UNSEEN
from inkbloom.training.starter.scenes import Placement, Scene, render

Picture = Int[Tensor, "3 size size"]


def unseen_scenes(name: str, count: int, seed: int) -> list[Scene]:
    """`count` scenes of one object alone, of normal size, at places in an order drawn by `seed`, without style.

    `name` is an object of `catalogue.UNSEEN` (`RequestError` otherwise). No place comes twice before all have come.
    """
    names = [OBJECT_NAMES[index] for index in UNSEEN]
    if name not in names:
        raise RequestError(f'"{name}" is no object kept back for teaching.{nearest(name, names)}')
    rng = random.Random(seed)
    placements = (Placement(OBJECT_NAMES.index(name)),)
    places = rng.sample(PLACE_NAMES, len(PLACE_NAMES))
    chosen = [places[index % len(places)] for index in range(count)]
    return [Scene(p, "white" if p == "plain" else None, placements, rng.getrandbits(32)) for p in chosen]


def unseen_renders(name: str, count: int = 8, seed: int = 0, *, size: int = 128) -> list[tuple[Picture, str]]:
    """True pictures (uint8 RGB) of an unseen object, with their captions: "a hedgehog in the forest"."""
    scenes = unseen_scenes(name, count, seed)
    return [(picture, canonical_caption(scene)) for picture, scene in zip(render(scenes, size), scenes, strict=True)]


def write_lesson(folder: Path, name: str, count: int = 8, seed: int = 0, *, word: str | None = None) -> None:
    """`unseen_renders` as `00.png` with `00.txt` and so on; in the captions `word` may stand for the object's name."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, (picture, caption) in enumerate(unseen_renders(name, count, seed)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{index:02d}.png")
        caption = caption.replace(name, word or name)
        (folder / f"{index:02d}.txt").write_text(caption + "\n", encoding="utf-8")
