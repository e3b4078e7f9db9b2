"""The starter's training pictures: scenes drawn at random, and the renderer that paints them.

A scene is a place, up to three objects and perhaps a style. Sprites stand on the latent grid (left and top are
multiples of 8 pixels of 128) in few sizes, because every other shift is one more thing that a small model has to learn.
About one combination of place and objects in twelve is held out: a fixed hash says which, so nobody trains on them by
accident.
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
from inkbloom.training.starter.atlas import sprite
from inkbloom.training.starter.backgrounds import NUM_VARIATIONS, paint
from inkbloom.training.starter.catalogue import (
    ARRANGEMENTS,
    COLOR_NAMES,
    EDITIONS,
    OBJECT_NAMES,
    PLACE_NAMES,
    SIZES,
    SPOTS,
    STYLE_NAMES,
    Edition,
)
from inkbloom.training.starter.styles import apply_style

BASE_SIZE = 128
"""The picture size that all pixel numbers here refer to."""
GRID = 8
_LEFT = {"small": (8, 40, 72), "normal": (0, 32, 64), "big": (0, 16, 32)}
_BOTTOM = {"small": 112, "normal": 112, "big": 120}
_BOXES = {  # (left, top, side) of every spot
    "pair": {"left": (0, 48, 64), "right": (64, 48, 64)},
    "stack": {"above": (40, 8, 56), "below": (40, 64, 56)},
    "row": {"left": (0, 64, 48), "center": (40, 64, 48), "right": (80, 64, 48)},
}
_HELD_OUT_SHARE = 12
_CHUNK = 32

LAYOUTS = ("empty", "one", "pair", "stack", "row", "two", "three")
"""What scenes are drawn as: those of `ARRANGEMENTS`, all objects different, and a pair or row of the same object."""
_LAYOUT_SHARES = (4, 54, 18, 8, 6, 5, 5)
_STYLED_SHARE = 0.45


def _check(what: str, value: str | None, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise RequestError(f'Unknown {what} "{value}".{nearest(str(value), allowed)}')


@dataclass(frozen=True)
class Placement:
    """An object in a scene; wrong words raise `RequestError`."""

    object: int
    """Its number in `catalogue.OBJECTS`."""
    size: str = "normal"
    spot: str = "center"

    def __post_init__(self) -> None:
        if not 0 <= self.object < len(OBJECT_NAMES):
            raise RequestError(f"Unknown object number {self.object}; they go from 0 to {len(OBJECT_NAMES) - 1}.")
        _check("size", self.size, tuple(SIZES))
        _check("spot", self.spot, SPOTS)


@dataclass(frozen=True)
class Scene:
    """What a picture shows; `RequestError` for what cannot be painted."""

    place: str
    color: str | None
    """The background's colour: named for the place "plain", None for all others."""
    placements: tuple[Placement, ...]
    """None, one, or those of an arrangement in its order; the size of several is "normal"."""
    seed: int
    """Chooses the small variations of place and position, not less than 0."""
    style: str | None = None

    def __post_init__(self) -> None:
        _check("place", self.place, PLACE_NAMES)
        if self.place == "plain":
            _check("colour", self.color, COLOR_NAMES)
        elif self.color is not None:
            raise RequestError(f'The place "{self.place}" takes no colour, but "{self.color}" was given.')
        if self.style is not None:
            _check("style", self.style, STYLE_NAMES)
        spots = tuple(placement.spot for placement in self.placements)
        one = len(spots) == 1 and spots[0] in ("left", "center", "right")
        if not one and spots not in ARRANGEMENTS.values():
            allowed = "; ".join(", ".join(spots) for spots in list(ARRANGEMENTS.values())[2:])
            raise RequestError(f"No scene has objects at {', '.join(spots)}; several stand at {allowed}.")
        if len(spots) > 1 and any(placement.size != "normal" for placement in self.placements):
            raise RequestError('Several objects do not fit in other sizes than "normal".')
        if self.seed < 0:
            raise RequestError(f"A scene's seed is 0 or more, not {self.seed}.")

    @property
    def arrangement(self) -> str:
        """The key in `catalogue.ARRANGEMENTS`."""
        if len(self.placements) == 1:
            return "one"
        spots = tuple(placement.spot for placement in self.placements)
        return next(name for name, own in ARRANGEMENTS.items() if own == spots)

    @property
    def objects(self) -> tuple[int, ...]:
        return tuple(placement.object for placement in self.placements)

    @property
    def same(self) -> bool:
        """Whether it shows several of one thing: "two apples"."""
        return len(self.placements) > 1 and len(set(self.objects)) == 1


@lru_cache(maxsize=16384)
def _is_held_out(place: str, color: str | None, objects: tuple[int, ...]) -> bool:
    key = "/".join([place, color or "", *sorted(OBJECT_NAMES[index] for index in objects)])
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % _HELD_OUT_SHARE == 0


def is_held_out(scene: Scene) -> bool:
    """Whether training may never see this combination of place, colour and objects, in whatever order, size or spot,
    and in any style.

    A place without objects is never held out.
    """
    return bool(scene.placements) and _is_held_out(scene.place, scene.color, scene.objects)


def _draw_scene(rng: random.Random, edition: Edition, layouts: Sequence[str] | None, styled: bool | None) -> Scene:
    place = "plain" if rng.random() < 0.18 else rng.choice([name for name in PLACE_NAMES if name != "plain"])
    # White is the colour of prompts that name no place, so it comes twice as often as any other.
    color = rng.choice([*COLOR_NAMES, "white"]) if place == "plain" else None
    if styled is None:
        styled = rng.random() < _STYLED_SHARE
    style = rng.choice(STYLE_NAMES) if styled else None
    layout = rng.choice(layouts) if layouts else rng.choices(LAYOUTS, _LAYOUT_SHARES)[0]

    arrangement = {"two": "pair", "three": "row"}.get(layout, layout)
    spots = ARRANGEMENTS[arrangement]
    objects = rng.sample(edition.objects, len(spots))
    if layout in ("two", "three"):
        objects = objects[:1] * len(spots)
    size = "normal"
    if layout == "one":
        size = rng.choices(("normal", "big", "small"), (60, 22, 18))[0]
        # 96 of 128 pixels fill the picture: left and right would not be seen.
        spots = ("center",) if size == "big" else rng.choices((("center",), ("left",), ("right",)), (76, 12, 12))[0]
    placements = tuple(Placement(thing, size, spot) for thing, spot in zip(objects, spots, strict=True))
    return Scene(place, color, placements, rng.getrandbits(32), style)


def sample_scenes(
    count: int,
    seed: int,
    *,
    edition: Edition = EDITIONS["small"],
    held_out: bool | None = False,
    layouts: Sequence[str] | None = None,
    styled: bool | None = None,
) -> list[Scene]:
    """Draw `count` scenes, the same ones for the same `seed`.

    54 % show one object, the others none, two or three (`layouts`, from `LAYOUTS`, limits them, evenly); 45 % have a
    style (`styled`: all or none); 18 % are plain, the other places come evenly. `held_out`: False for training, True
    for the combinations that it never sees, None for all. Raises `RequestError` for negative seeds, unknown layouts,
    and for held-out scenes without any object: there are none.
    """
    if seed < 0:  # Python's generator would give the scenes of -seed
        raise RequestError(f"The seed of scenes is 0 or more, not {seed}.")
    for layout in layouts or ():
        _check("layout", layout, LAYOUTS)
    if held_out and layouts and set(layouts) == {"empty"}:
        raise RequestError("No scene without objects is held out; ask for other layouts.")
    rng = random.Random(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = _draw_scene(rng, edition, layouts, styled)
        if held_out is None or is_held_out(scene) is held_out:
            scenes.append(scene)
    return scenes


def box(scene: Scene, placement: Placement) -> tuple[int, int, int]:
    """(left, top, side) of a placement's cell, in pixels of a picture of 128: all multiples of 8.

    One in five objects that stand alone in the centre stands 8 pixels further left or right, as the scene's seed says.
    """
    if len(scene.placements) > 1:
        return _BOXES[scene.arrangement][placement.spot]
    side = SIZES[placement.size]
    left = _LEFT[placement.size][("left", "center", "right").index(placement.spot)]
    if placement.spot == "center":
        left += {0: -GRID, 1: GRID}.get(scene.seed % 10, 0)
    return left, _BOTTOM[placement.size] - side, side


@lru_cache(maxsize=2048)
def _sprite(thing: int, side: int) -> Float[Tensor, "4 side side"]:
    """A sprite at one size: colour multiplied by alpha (only so may it be averaged), and alpha."""
    rgba = sprite(thing)
    rgba[:3] *= rgba[3:]
    return F.interpolate(rgba[None], size=(side, side), mode="bilinear", antialias=True)[0]


def render(scenes: Sequence[Scene], size: int = BASE_SIZE) -> Int[Tensor, "batch 3 size size"]:
    """Paint the scenes: uint8 RGB. `size` is a multiple of 32 (`RequestError` otherwise); everything scales with it.

    A picture does not depend on the others it is painted with.
    """
    if size < 32 or size % 32:
        raise RequestError(f"The size of a rendered scene is a multiple of 32, not {size}.")
    pictures = torch.empty(len(scenes), 3, size, size, dtype=torch.uint8)
    by_place: dict[tuple[str, str | None, str | None], list[int]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        by_place[scene.place, scene.color, scene.style].append(index)
    for (place, color, style), members in by_place.items():
        for start in range(0, len(members), _CHUNK):  # small enough for the cache
            rows = members[start : start + _CHUNK]
            chunk = [scenes[row] for row in rows]
            u = np.stack([np.random.default_rng(scene.seed).random(NUM_VARIATIONS) for scene in chunk])
            canvas = paint(place, color, torch.from_numpy(u).float(), size)
            objects = _place_sprites(canvas, chunk)
            if style is not None:
                canvas = apply_style(style, canvas, objects)
            pictures[rows] = canvas.mul_(255).round_().clamp_(0, 255).to(torch.uint8)
    return pictures


def _place_sprites(
    canvas: Float[Tensor, "batch 3 size size"], scenes: Sequence[Scene]
) -> Float[Tensor, "batch 1 size size"]:
    """Lay the scenes' objects over their backgrounds, in place, all sprites of a box at once; say where they are."""
    scale = canvas.shape[-1] / BASE_SIZE
    covered = torch.zeros_like(canvas[:, :1])
    by_box: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
    for row, scene in enumerate(scenes):
        for placement in scene.placements:
            cell = tuple(round(pixels * scale) for pixels in box(scene, placement))
            by_box[cell].append((row, placement.object))
    for (left, top, side), members in by_box.items():
        rows, objects = (list(column) for column in zip(*members, strict=True))
        sprites = torch.stack([_sprite(thing, side) for thing in objects])
        rgb, alpha = sprites[:, :3], sprites[:, 3:]
        window = slice(top, top + side), slice(left, left + side)
        canvas[rows, :, *window] = canvas[rows, :, *window] * (1 - alpha) + rgb
        covered[rows, :, *window] = torch.maximum(covered[rows, :, *window], alpha)
    return covered
