"""The starter's training pictures: scenes drawn at random, and the renderer that paints them.

A scene is a place and up to two objects. Sprites stand on the latent grid (left and top are multiples of 8 pixels of
128) in three sizes, because every other shift is one more thing that a small model has to learn. About one combination
of place and objects in twelve is held out: a fixed hash says which, so nobody trains on them by accident.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Float, Int
from inkbloom.training.starter.atlas import load_atlas
from inkbloom.training.starter.backgrounds import NUM_VARIATIONS, paint
from inkbloom.training.starter.catalogue import COLOR_NAMES, COLUMNS, OBJECT_NAMES, PLACE_NAMES, SIZES

BASE_SIZE = 128
"""The picture size that all pixel numbers here refer to."""
GRID = 8
_LEFT = {"small": (8, 40, 80), "normal": (0, 32, 64), "big": (0, 16, 32)}
_BOTTOM = {"small": 112, "normal": 112, "big": 120}
_HELD_OUT_SHARE = 12
_CHUNK = 32


def _check(what: str, value: str | None, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise RequestError(f'Unknown {what} "{value}".{nearest(str(value), allowed)}')


@dataclass(frozen=True)
class Placement:
    """An object in a scene; wrong words raise `RequestError`."""

    object: int
    """Its number in `catalogue.OBJECTS`."""
    size: str = "normal"
    column: str = "center"

    def __post_init__(self) -> None:
        if not 0 <= self.object < len(OBJECT_NAMES):
            raise RequestError(f"Unknown object number {self.object}; they go from 0 to {len(OBJECT_NAMES) - 1}.")
        _check("size", self.size, tuple(SIZES))
        _check("column", self.column, COLUMNS)


@dataclass(frozen=True)
class Scene:
    """What a picture shows; `RequestError` for what cannot be painted."""

    place: str
    color: str | None
    """The background's colour: named for the place "plain", None for all others."""
    placements: tuple[Placement, ...]
    """None, one, or two: the first in the left column, the second in the right one."""
    seed: int
    """Chooses the small variations of place and position, not less than 0."""

    def __post_init__(self) -> None:
        _check("place", self.place, PLACE_NAMES)
        if self.place == "plain":
            _check("colour", self.color, COLOR_NAMES)
        elif self.color is not None:
            raise RequestError(f'The place "{self.place}" takes no colour, but "{self.color}" was given.')
        if len(self.placements) > 2:
            raise RequestError(f"A scene has at most 2 objects, not {len(self.placements)}.")
        if len(self.placements) == 2:
            first, second = self.placements
            if first.object == second.object:
                raise RequestError(f'Two objects of a scene differ; both are "{OBJECT_NAMES[first.object]}".')
            if (first.column, second.column) != ("left", "right"):
                raise RequestError(
                    f'Two objects stand "left" and "right", in this order, not "{first.column}" and "{second.column}".'
                )
            if "big" in (first.size, second.size):
                raise RequestError('Two objects do not fit if one is "big"; allowed are "small" and "normal".')
        if self.seed < 0:
            raise RequestError(f"A scene's seed is 0 or more, not {self.seed}.")


@lru_cache(maxsize=16384)
def _is_held_out(place: str, color: str | None, objects: tuple[int, ...]) -> bool:
    key = "/".join([place, color or "", *sorted(OBJECT_NAMES[index] for index in objects)])
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % _HELD_OUT_SHARE == 0


def is_held_out(scene: Scene) -> bool:
    """Whether training may never see this combination of place, colour and objects, in whatever order, size or column.

    A place without objects is never held out.
    """
    objects = tuple(placement.object for placement in scene.placements)
    return bool(objects) and _is_held_out(scene.place, scene.color, objects)


def _draw_scene(rng: random.Random, num_objects: int | None) -> Scene:
    place = "plain" if rng.random() < 0.2 else rng.choice([name for name in PLACE_NAMES if name != "plain"])
    # White is the colour of prompts that name no place, so it comes twice as often as any other.
    color = rng.choice([*COLOR_NAMES, "white"]) if place == "plain" else None
    if num_objects is None:
        num_objects = rng.choices((0, 1, 2), (5, 62, 33))[0]
    objects = rng.sample(range(len(OBJECT_NAMES)), num_objects)
    if num_objects == 1:
        size = rng.choices(("normal", "big", "small"), (70, 18, 12))[0]
        # 96 of 128 pixels fill the picture: left and right would not be seen.
        column = "center" if size == "big" else rng.choices(("center", "left", "right"), (76, 12, 12))[0]
        placements = (Placement(objects[0], size, column),)
    else:
        placements = tuple(Placement(o, "normal", c) for o, c in zip(objects, ("left", "right"), strict=False))
    return Scene(place, color, placements, rng.getrandbits(32))


def sample_scenes(
    count: int, seed: int, *, held_out: bool | None = False, num_objects: int | None = None
) -> list[Scene]:
    """Draw `count` scenes, the same ones for the same `seed`.

    62 % show one object, 33 % two different ones, 5 % none (`num_objects` fixes the number); 20 % are plain, the other
    places come evenly. `held_out`: False for training, True for the combinations that it never sees, None for all.
    Raises `RequestError` for negative seeds, for more than two objects, and for held-out scenes without any: there are
    none.
    """
    if seed < 0:  # Python's generator would give the scenes of -seed
        raise RequestError(f"The seed of scenes is 0 or more, not {seed}.")
    if num_objects not in (None, 0, 1, 2):
        raise RequestError(f"A scene has 0, 1 or 2 objects, not {num_objects}.")
    if held_out and num_objects == 0:
        raise RequestError("No scene without objects is held out; ask for 1 or 2 objects.")
    rng = random.Random(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = _draw_scene(rng, num_objects)
        if held_out is None or is_held_out(scene) is held_out:
            scenes.append(scene)
    return scenes


def box(scene: Scene, placement: Placement) -> tuple[int, int, int]:
    """(left, top, side) of a placement's cell, in pixels of a picture of 128: all multiples of 8.

    One in five centred objects stands 8 pixels further left or right, as the scene's seed says.
    """
    side = SIZES[placement.size]
    left = _LEFT[placement.size][COLUMNS.index(placement.column)]
    if placement.column == "center":
        left += {0: -GRID, 1: GRID}.get(scene.seed % 10, 0)
    return left, _BOTTOM[placement.size] - side, side


@lru_cache(maxsize=8)
def _sprites(side: int) -> Float[Tensor, "objects 4 side side"]:
    """All sprites at one size: colour multiplied by alpha (only so may it be averaged), and alpha."""
    sprites = load_atlas()
    sprites[:, :3] *= sprites[:, 3:]
    return F.interpolate(sprites, size=(side, side), mode="bilinear", antialias=True)


def render(scenes: Sequence[Scene], size: int = BASE_SIZE) -> Int[Tensor, "batch 3 size size"]:
    """Paint the scenes: uint8 RGB. `size` is a multiple of 16 (`RequestError` otherwise); everything scales with it.

    A picture does not depend on the others it is painted with.
    """
    if size < 16 or size % 16:
        raise RequestError(f"The size of a rendered scene is a multiple of 16, not {size}.")
    pictures = torch.empty(len(scenes), 3, size, size, dtype=torch.uint8)
    by_place: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        by_place[scene.place, scene.color].append(index)
    for (place, color), members in by_place.items():
        for start in range(0, len(members), _CHUNK):  # small enough for the cache
            rows = members[start : start + _CHUNK]
            chunk = [scenes[row] for row in rows]
            u = np.stack([np.random.default_rng(scene.seed).random(NUM_VARIATIONS) for scene in chunk])
            canvas = paint(place, color, torch.from_numpy(u).float(), size)
            _place_sprites(canvas, chunk)
            pictures[rows] = canvas.mul_(255).round_().clamp_(0, 255).to(torch.uint8)
    return pictures


def _place_sprites(canvas: Float[Tensor, "batch 3 size size"], scenes: Sequence[Scene]) -> None:
    """Lay the scenes' objects over their backgrounds, in place; all sprites of one box at once."""
    scale = canvas.shape[-1] / BASE_SIZE
    by_box: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
    for row, scene in enumerate(scenes):
        for placement in scene.placements:
            cell = tuple(round(pixels * scale) for pixels in box(scene, placement))
            by_box[cell].append((row, placement.object))
    for (left, top, side), members in by_box.items():
        rows, objects = (list(column) for column in zip(*members, strict=True))
        sprites = _sprites(side)[objects]
        window = canvas[rows, :, top : top + side, left : left + side]
        canvas[rows, :, top : top + side, left : left + side] = window * (1 - sprites[:, 3:]) + sprites[:, :3]
