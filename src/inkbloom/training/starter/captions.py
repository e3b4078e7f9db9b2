"""What people would type for a scene, in English and Chinese.

Every caption names the objects, and the style where there is one; size and spot are said where they are not "normal"
and "center"; of objects side by side the left one comes first, unless their relation is said. About one caption in
twelve names no place: only for white and sunny scenes, so that "a cute dog" means those.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from inkbloom.core.errors import RequestError, nearest
from inkbloom.training.starter.catalogue import COLORS, EDITIONS, OBJECTS, PLACES, STYLES, Edition
from inkbloom.training.starter.scenes import Placement, Scene, sample_scenes

Language = Literal["en", "zh"]
T = TypeVar("T")

_ENGLISH_SHARE = 0.65
_CANONICAL_SHARE = 0.7
_FILLER_SHARE = 0.2
_PREFIX_SHARE = 0.2
_STYLE_AFTER_SHARE = 0.5
_NO_PLACE_SHARE = {"white": 0.8, "day": 0.6}

Templates = dict[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class _Grammar:
    """One language's words; of each tuple the first is canonical.

    Templates know {a}, {b} and {c}, the objects as full phrases ("a dog", 一只狗); {k}, {m} and {n}, the same without
    article or measure word; {many}, several of one thing; {where}, {scene} and {tag}, the place; and {side}, where a
    lone object stands. They are sorted by what a scene holds: an arrangement, "side" (one object beside the middle) or
    "many".
    """

    sizes: dict[str, tuple[str, ...]]
    fillers: tuple[str, ...]
    prefixes: tuple[str, ...]
    sides: dict[str, str]
    numbers: dict[int, tuple[str, ...]]
    templates: Templates
    placeless: Templates


_ENGLISH = _Grammar(
    sizes={"small": ("small", "tiny", "little"), "big": ("big", "large", "huge")},
    fillers=("cute", "cute", "beautiful", "lovely"),
    prefixes=("a picture of ", "a painting of ", "an illustration of ", "a drawing of ", "a photo of "),
    sides={"left": "on the left", "right": "on the right"},
    numbers={2: ("two", "2"), 3: ("three", "3")},
    templates={
        "empty": ("{scene}", "{tag}"),
        "one": ("{a} {where}", "{k} {where}", "{k}, {tag}", "{scene} with {a}", "{where}, {a}", "there is {a} {where}"),
        "side": (
            "{a} {side}, {where}",
            "{a} {where}, {side}",
            "{k} {side}, {tag}",
            "{scene} with {a} {side}",
            "{where}, {a} {side}",
        ),
        "pair": (
            "{a} and {b} {where}",
            "{k} and {m} {where}",
            "{k} and {m}, {tag}",
            "{k}, {m}, {tag}",
            "{scene} with {a} and {b}",
            "{a} next to {b} {where}",
            "{a} on the left and {b} on the right, {where}",
            "{a} to the left of {b} {where}",
            "{a} left of {b}, {where}",
            "{b} to the right of {a} {where}",
            "{b} right of {a}, {where}",
        ),
        "stack": (
            "{a} above {b} {where}",
            "{b} below {a} {where}",
            "{a} on top of {b} {where}",
            "{k} above {m}, {tag}",
            "{m} below {k}, {tag}",
            "{scene} with {a} above {b}",
            "{where}, {a} above {b}",
        ),
        "row": (
            "{a}, {b} and {c} {where}",
            "{k}, {m} and {n} {where}",
            "{k}, {m} and {n}, {tag}",
            "{k}, {m}, {n}, {tag}",
            "{scene} with {a}, {b} and {c}",
            "{a} next to {b} and {c} {where}",
        ),
        "many": (
            "{many} {where}",
            "{many}, {tag}",
            "{scene} with {many}",
            "{where}, {many}",
            "there are {many} {where}",
        ),
    },
    placeless={
        "one": ("{a}", "{k}"),
        "side": ("{a} {side}", "{k} {side}"),
        "pair": (
            "{a} and {b}",
            "{k} and {m}",
            "{a} next to {b}",
            "{a} on the left and {b} on the right",
            "{a} to the left of {b}",
            "{b} to the right of {a}",
        ),
        "stack": ("{a} above {b}", "{b} below {a}", "{a} on top of {b}", "{k} above {m}"),
        "row": ("{a}, {b} and {c}", "{k}, {m} and {n}", "{k}, {m}, {n}"),
        "many": ("{many}",),
    },
)
_CHINESE = _Grammar(
    sizes={"small": ("小", "小小的", "很小的"), "big": ("大", "巨大的", "很大的")},
    fillers=("可爱的", "可爱的", "漂亮的", "美丽的"),
    prefixes=("一幅画：", "一张图片：", "一张插图："),
    sides={"left": "左边", "right": "右边"},
    numbers={2: ("两",), 3: ("三",)},
    templates={
        "empty": ("{scene}",),
        "one": ("{where}的{a}", "{where}的{k}", "{a}在{where}", "{k}，{scene}", "{where}有{a}", "{k}在{where}"),
        "side": ("{where}，{side}有{a}", "{where}的{k}，在{side}", "{k}在{side}，{scene}", "{side}有{a}，{scene}"),
        "pair": (
            "{where}的{a}和{b}",
            "{where}的{k}和{m}",
            "{a}和{b}在{where}",
            "{k}和{m}，{scene}",
            "{k}，{m}，{scene}",
            "{where}有{a}和{b}",
            "{where}，左边是{a}，右边是{b}",
            "{where}，{a}在{b}左边",
            "{where}，{b}在{a}右边",
        ),
        "stack": (
            "{where}，{a}在{b}上面",
            "{where}，{b}在{a}下面",
            "{k}在{m}上面，{scene}",
            "{where}，上面是{a}，下面是{b}",
        ),
        "row": (
            "{where}的{a}、{b}和{c}",
            "{where}的{k}、{m}和{n}",
            "{k}、{m}和{n}，{scene}",
            "{where}有{a}、{b}和{c}",
            "{k}，{m}，{n}，{scene}",
        ),
        "many": ("{where}的{many}", "{where}有{many}", "{many}在{where}", "{many}，{scene}"),
    },
    placeless={
        "one": ("{a}", "{k}"),
        "side": ("{side}有{a}", "{k}在{side}"),
        "pair": ("{a}和{b}", "{k}和{m}", "左边是{a}，右边是{b}", "{a}在{b}左边", "{b}在{a}右边"),
        "stack": ("{a}在{b}上面", "{b}在{a}下面", "{k}在{m}上面"),
        "row": ("{a}、{b}和{c}", "{k}、{m}和{n}", "{k}，{m}，{n}"),
        "many": ("{many}",),
    },
)
_GRAMMARS: dict[str, _Grammar] = {"en": _ENGLISH, "zh": _CHINESE}

_TAKES_PREFIX = ("{a}", "{b}", "{many}", "{scene}", "{where}的")
"""How a template begins that may follow "a picture of" or 一幅画."""
_IRREGULAR = {
    "aircraft": "aircraft",
    "cactus": "cacti",
    "deer": "deer",
    "die": "dice",
    "fish": "fish",
    "leaf": "leaves",
    "loaf": "loaves",
    "knife": "knives",
    "man": "men",
    "mango": "mangoes",
    "mouse": "mice",
    "policeman": "policemen",
    "potato": "potatoes",
    "sheep": "sheep",
    "snowman": "snowmen",
    "tomato": "tomatoes",
    "tooth": "teeth",
    "volcano": "volcanoes",
    "wolf": "wolves",
    "woman": "women",
}

_PLACE_BY_NAME = {place.name: place for place in PLACES}
_STYLE_BY_NAME = {style.name: style for style in STYLES}
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
    for full, short, placement in zip("abc", "kmn", scene.placements, strict=False):
        words[full], words[short] = _object_words(placement, rng, language)
    kind = scene.arrangement
    if scene.same:
        kind, words["many"] = "many", _many_words(scene, rng, language)
    elif kind == "one" and scene.placements[0].spot != "center":
        kind, words["side"] = "side", grammar.sides[scene.placements[0].spot]

    omit = scene.placements and rng.random() < _NO_PLACE_SHARE.get(scene.color or scene.place, 0.0)
    template = _pick((grammar.placeless if omit else grammar.templates)[kind], rng, canonical_share=0.3)
    takes_prefix = template.startswith(_TAKES_PREFIX)
    text = template.format(**words)
    if scene.style is not None:
        return _in_style(text, scene.style, rng, language, takes_prefix)
    return rng.choice(grammar.prefixes) + text if takes_prefix and rng.random() < _PREFIX_SHARE else text


def canonical_caption(scene: Scene, language: Language = "en") -> str:
    """The plainest caption of `scene`, always with its place: "a dog and a cat on the beach", 沙滩上的一只狗和一只猫.

    Raises `RequestError` for other languages.
    """
    return caption(scene, _Canonical(), language)


def held_out_prompts(
    count: int,
    seed: int,
    language: Language = "en",
    *,
    edition: Edition = EDITIONS["small"],
    layouts: Sequence[str] = ("one", "pair"),
    styled: bool = False,
) -> list[tuple[Scene, str]]:
    """Scenes that training never sees, with their canonical captions: the `layouts` (`scenes.LAYOUTS`) by turns."""
    each = -(-count // len(layouts))
    kinds = [
        sample_scenes(each, seed, edition=edition, held_out=True, layouts=(layout,), styled=styled)
        for layout in layouts
    ]
    scenes = [kinds[index % len(kinds)][index // len(kinds)] for index in range(count)]
    return [(scene, canonical_caption(scene, language)) for scene in scenes]


def plural(noun: str) -> str:
    """ "foxes", "butterflies", "palm trees", "tropical fish", "pairs of scissors"."""
    head, of, rest = noun.partition(" of ")
    if " " in head:
        start, _, last = head.rpartition(" ")
        return f"{start} {plural(last)}{of}{rest}"
    if head in _IRREGULAR:
        return _IRREGULAR[head] + of + rest
    if head.endswith("y") and head[-2] not in "aeiou":
        return head[:-1] + "ies" + of + rest
    return head + ("es" if head.endswith(("s", "x", "z", "ch", "sh")) else "s") + of + rest


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


def _in_style(text: str, style: str, rng: random.Random, language: Language, takes_prefix: bool) -> str:
    """The caption with its style before it, where its beginning allows that, or after it."""
    words = _STYLE_BY_NAME[style]
    before, after = (words.before, words.after) if language == "en" else (words.before_zh, words.after_zh)
    if takes_prefix and rng.random() >= _STYLE_AFTER_SHARE:
        return _pick(before, rng, canonical_share=0.5) + text
    return text + (", " if language == "en" else "，") + _pick(after, rng, canonical_share=0.5)


def _adjective(size: str, rng: random.Random, grammar: _Grammar) -> str:
    if size != "normal":
        return _pick(grammar.sizes[size], rng)
    return rng.choice(grammar.fillers) if rng.random() < _FILLER_SHARE else ""


def _object_words(placement: Placement, rng: random.Random, language: Language) -> tuple[str, str]:
    """The object as a full phrase, and the same without article or measure word."""
    thing, grammar = OBJECTS[placement.object], _GRAMMARS[language]
    noun = _pick(thing.english if language == "en" else thing.chinese, rng)
    adjective = _adjective(placement.size, rng, grammar)
    if language == "zh":
        return f"一{thing.measure}{adjective}{noun}", adjective + noun
    if adjective:  # all of them begin with a consonant
        return f"a {adjective} {noun}", f"{adjective} {noun}"
    return f"{thing.article} {noun}", noun


def _many_words(scene: Scene, rng: random.Random, language: Language) -> str:
    """ "two cute cats", 两只可爱的猫."""
    thing, grammar = OBJECTS[scene.objects[0]], _GRAMMARS[language]
    number = _pick(grammar.numbers[len(scene.placements)], rng)
    adjective = _adjective("normal", rng, grammar)
    if language == "zh":
        return f"{number}{thing.measure}{adjective}{_pick(thing.chinese, rng)}"
    return " ".join(filter(None, (number, adjective, plural(_pick(thing.english, rng)))))
