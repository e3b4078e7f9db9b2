"""What people would type for a scene, in English and Chinese.

Every caption names the objects; size and column are said where they are not "normal" and "center"; of two objects the
left one comes first. About one caption in ten names no place: only for white and sunny scenes, so that "a cute dog"
means those.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from inkbloom.core.errors import RequestError, nearest
from inkbloom.training.starter.catalogue import COLORS, OBJECTS, PLACES
from inkbloom.training.starter.scenes import Placement, Scene, sample_scenes

Language = Literal["en", "zh"]
T = TypeVar("T")

_ENGLISH_SHARE = 0.65
_CANONICAL_SHARE = 0.7
_FILLER_SHARE = 0.2
_PREFIX_SHARE = 0.2
_NO_PLACE_SHARE = {"white": 0.8, "day": 0.6}

Templates = dict[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class _Grammar:
    """One language's words; of each tuple the first is canonical.

    Templates know {a} and {b}, the objects as full phrases ("a dog", 一只狗); {n} and {m}, the same without article or
    measure word; {where}, {scene} and {tag}, the place; and {side}, the column. They are sorted by what a scene holds:
    "empty", "one", "side" (one object beside the middle) or "two".
    """

    sizes: dict[str, tuple[str, ...]]
    fillers: tuple[str, ...]
    prefixes: tuple[str, ...]
    sides: dict[str, str]
    templates: Templates
    placeless: Templates


_ENGLISH = _Grammar(
    sizes={"small": ("small", "tiny", "little"), "big": ("big", "large", "huge")},
    fillers=("cute", "cute", "beautiful", "lovely"),
    prefixes=("a picture of ", "a painting of ", "an illustration of ", "a drawing of ", "a photo of "),
    sides={"left": "on the left", "right": "on the right"},
    templates={
        "empty": ("{scene}", "{tag}"),
        "one": ("{a} {where}", "{n} {where}", "{n}, {tag}", "{scene} with {a}", "{where}, {a}", "there is {a} {where}"),
        "side": (
            "{a} {side}, {where}",
            "{a} {where}, {side}",
            "{n} {side}, {tag}",
            "{scene} with {a} {side}",
            "{where}, {a} {side}",
        ),
        "two": (
            "{a} and {b} {where}",
            "{n} and {m} {where}",
            "{n} and {m}, {tag}",
            "{n}, {m}, {tag}",
            "{scene} with {a} and {b}",
            "{a} next to {b} {where}",
            "{a} on the left and {b} on the right, {where}",
        ),
    },
    placeless={
        "one": ("{a}", "{n}"),
        "side": ("{a} {side}", "{n} {side}"),
        "two": ("{a} and {b}", "{n} and {m}", "{a} next to {b}", "{a} on the left and {b} on the right"),
    },
)
_CHINESE = _Grammar(
    sizes={"small": ("小", "小小的", "很小的"), "big": ("大", "巨大的", "很大的")},
    fillers=("可爱的", "可爱的", "漂亮的", "美丽的"),
    prefixes=("一幅画：", "一张图片：", "一张插图："),
    sides={"left": "左边", "right": "右边"},
    templates={
        "empty": ("{scene}",),
        "one": ("{where}的{a}", "{where}的{n}", "{a}在{where}", "{n}，{scene}", "{where}有{a}", "{n}在{where}"),
        "side": ("{where}，{side}有{a}", "{where}的{n}，在{side}", "{n}在{side}，{scene}", "{side}有{a}，{scene}"),
        "two": (
            "{where}的{a}和{b}",
            "{where}的{n}和{m}",
            "{a}和{b}在{where}",
            "{n}和{m}，{scene}",
            "{n}，{m}，{scene}",
            "{where}有{a}和{b}",
            "{where}，左边是{a}，右边是{b}",
        ),
    },
    placeless={
        "one": ("{a}", "{n}"),
        "side": ("{side}有{a}", "{n}在{side}"),
        "two": ("{a}和{b}", "{n}和{m}", "左边是{a}，右边是{b}"),
    },
)
_GRAMMARS: dict[str, _Grammar] = {"en": _ENGLISH, "zh": _CHINESE}

_TAKES_PREFIX = ("{a}", "{scene}", "{where}的")
"""How a template begins that may follow "a picture of" or 一幅画."""

_PLACE_BY_NAME = {place.name: place for place in PLACES}
_COLOR_BY_NAME = {color.name: color for color in COLORS}


class _Canonical(random.Random):
    """The source of the plainest caption: every share is missed and every choice is the first."""

    def random(self) -> float:
        return 1.0

    def choice(self, seq: Sequence[T]) -> T:  # pyright: ignore[reportIncompatibleMethodOverride]
        return seq[0]


def caption(scene: Scene, rng: random.Random, language: Language | None = None) -> str:
    """Describe `scene` in words drawn from `rng`: 65 % English in lower case, 35 % Chinese, or always `language`.

    At most 24 English words or 32 Chinese characters. Raises `RequestError` for other languages.
    """
    if language is None:
        language = "en" if rng.random() < _ENGLISH_SHARE else "zh"
    if language not in _GRAMMARS:
        raise RequestError(f'Unknown caption language "{language}".{nearest(language, _GRAMMARS)}')
    grammar = _GRAMMARS[language]

    words = _place_words(scene, rng, language)
    for full, short, placement in zip("ab", "nm", scene.placements, strict=False):
        words[full], words[short] = _object_words(placement, rng, language)
    kind = ("empty", "one", "two")[len(scene.placements)]
    if kind == "one" and scene.placements[0].column != "center":
        kind, words["side"] = "side", grammar.sides[scene.placements[0].column]

    omit = scene.placements and rng.random() < _NO_PLACE_SHARE.get(scene.color or scene.place, 0.0)
    template = _pick((grammar.placeless if omit else grammar.templates)[kind], rng, canonical_share=0.3)
    prefixed = template.startswith(_TAKES_PREFIX) and rng.random() < _PREFIX_SHARE
    return (rng.choice(grammar.prefixes) if prefixed else "") + template.format(**words)


def canonical_caption(scene: Scene, language: Language = "en") -> str:
    """The plainest caption of `scene`, always with its place: "a dog and a cat on the beach", 沙滩上的一只狗和一只猫.

    Raises `RequestError` for other languages.
    """
    return caption(scene, _Canonical(), language)


def held_out_prompts(count: int, seed: int, language: Language = "en") -> list[tuple[Scene, str]]:
    """Scenes that training never sees, with their canonical captions: by turns of one object and of two."""
    ones = sample_scenes((count + 1) // 2, seed, held_out=True, num_objects=1)
    twos = sample_scenes(count // 2, seed, held_out=True, num_objects=2)
    scenes = [(ones, twos)[index % 2][index // 2] for index in range(count)]
    return [(scene, canonical_caption(scene, language)) for scene in scenes]


def _pick(words: tuple[str, ...], rng: random.Random, canonical_share: float = _CANONICAL_SHARE) -> str:
    """The first word with a chance of `canonical_share`, else any."""
    return words[0] if rng.random() < canonical_share else rng.choice(words)


def _place_words(scene: Scene, rng: random.Random, language: Language) -> dict[str, str]:
    place = _PLACE_BY_NAME[scene.place]
    color = _COLOR_BY_NAME[scene.color or "white"]
    if language == "en":
        choices, color_word = {"where": place.where, "scene": place.scene, "tag": place.tag}, color.name
    else:
        choices, color_word = {"where": place.where_zh, "scene": place.scene_zh}, color.chinese
    return {role: _pick(words, rng).format(color=color_word) for role, words in choices.items()}


def _object_words(placement: Placement, rng: random.Random, language: Language) -> tuple[str, str]:
    """The object as a full phrase, and the same without article or measure word."""
    thing, grammar = OBJECTS[placement.object], _GRAMMARS[language]
    noun = _pick(thing.english if language == "en" else thing.chinese, rng)
    adjective = ""
    if placement.size != "normal":
        adjective = _pick(grammar.sizes[placement.size], rng)
    elif rng.random() < _FILLER_SHARE:
        adjective = rng.choice(grammar.fillers)
    if language == "zh":
        return f"一{thing.measure}{adjective}{noun}", adjective + noun
    if adjective:  # all of them begin with a consonant
        return f"a {adjective} {noun}", f"{adjective} {noun}"
    return f"{thing.article} {noun}", noun
