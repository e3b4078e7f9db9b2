import random
import re
from itertools import pairwise

import pytest

from inkbloom.core.errors import RequestError
from inkbloom.training.starter.captions import canonical_caption, caption, held_out_prompts, plural
from inkbloom.training.starter.catalogue import ARRANGEMENTS, COLORS, EDITIONS, OBJECT_NAMES, OBJECTS, PLACES, STYLES
from inkbloom.training.starter.scenes import Placement, Scene, is_held_out, sample_scenes

SIZE_WORDS = {"small": ("small", "tiny", "little", "小"), "big": ("big", "large", "huge", "大")}
SIDE_WORDS = {"left": ("on the left", "左边"), "right": ("on the right", "右边")}
COLOR_WORDS = {color.name: (color.name, color.chinese) for color in COLORS}
PLACE_WORDS = {p.name: (*p.where, *p.scene, *p.tag, *p.where_zh, *p.scene_zh) for p in PLACES}


NUMBER_WORDS = {2: ("two", "2", "两"), 3: ("three", "3", "三")}


def _scene(
    place: str,
    *names: str,
    color: str | None = None,
    size: str = "normal",
    spot: str = "center",
    arrangement: str | None = None,
    style: str | None = None,
) -> Scene:
    spots = ARRANGEMENTS[arrangement] if arrangement else (spot,) * len(names)
    placements = tuple(Placement(OBJECT_NAMES.index(n), size, s) for n, s in zip(names, spots, strict=True))
    return Scene(place, color, placements, 1, style)


def _says_place(scene: Scene, text: str) -> bool:
    if scene.color:
        return any(word in text for word in ("background", "背景"))
    return any(word in text for word in PLACE_WORDS[scene.place])


@pytest.fixture(scope="module")
def captioned() -> list[tuple[Scene, str]]:
    rng = random.Random(1)
    return [(scene, caption(scene, rng)) for scene in sample_scenes(10_000, seed=1)]


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def test_captions_say_what_the_scene_holds(captioned):
    for scene, text in captioned:
        for placement in scene.placements:
            thing = OBJECTS[placement.object]
            names = (*thing.english, *map(plural, thing.english), *thing.chinese)
            assert any(name in text for name in names), (scene, text)
            assert placement.size == "normal" or any(word in text for word in SIZE_WORDS[placement.size]), (scene, text)
        if len(scene.placements) == 1 and (spot := scene.placements[0].spot) != "center":
            assert any(word in text for word in SIDE_WORDS[spot]), (scene, text)
        if scene.color and _says_place(scene, text):
            assert any(word in text for word in COLOR_WORDS[scene.color]), (scene, text)
        if scene.same:
            assert any(word in text for word in NUMBER_WORDS[len(scene.placements)]), (scene, text)


def test_styles_are_said_where_they_are_shown_and_only_there(captioned):
    for scene, text in captioned:
        for style in STYLES:
            before, after = (*style.before, *style.before_zh), (*style.after, *style.after_zh)
            said = text.startswith(before) or text.endswith(tuple(c + word for word in after for c in (", ", "，")))
            assert said == (style.name == scene.style), (scene, text)


def test_relations_are_those_of_the_picture():
    rng = random.Random(3)
    above, pair = (_scene("sea", "dog", "fox", arrangement=name) for name in ("stack", "pair"))
    for _ in range(300):
        text = caption(above, rng, "en")
        first, second = ("dog", "fox") if re.search(r"\b(pup|dog)", text[: text.index("fox")]) else ("fox", "dog")
        assert (first == "dog") == any(word in text for word in ("above", "on top of")), text
        assert (second == "dog") == ("below" in text), text
        text = caption(pair, rng, "en")
        if "right of" in text:
            assert text.index("fox") < text.index("right of"), text
        else:
            assert not re.search(r"fox.*\b(dog|puppy)\b", text), text


def test_no_place_is_said_only_for_white_and_day(captioned):
    placeless = [scene for scene, text in captioned if not _says_place(scene, text)]
    assert len(placeless) / len(captioned) == pytest.approx(0.085, abs=0.015)
    assert {(scene.place, scene.color) for scene in placeless} == {("plain", "white"), ("day", None)}
    assert all(scene.placements for scene in placeless)


def test_nothing_is_said_that_is_not_shown(captioned):
    for scene, text in captioned:
        if len(scene.placements) == 1 and scene.placements[0].spot == "center":
            assert not any(word in text for words in SIDE_WORDS.values() for word in words), (scene, text)
        if all(placement.size == "normal" for placement in scene.placements):
            words = (*SIZE_WORDS["small"][:3], *SIZE_WORDS["big"][:3])
            assert not set(words) & set(text.replace(",", "").split()), (scene, text)


def test_languages_lengths_and_case(captioned):
    texts = [text for _, text in captioned]
    chinese = [text for text in texts if _is_chinese(text)]
    assert len(chinese) / len(texts) == pytest.approx(0.35, abs=0.02)
    assert max(map(len, chinese)) <= 32
    assert not any(character.isascii() for text in chinese for character in text)
    english = [text for text in texts if not _is_chinese(text)]
    assert max(len(text.split()) for text in english) <= 24
    for text in english:
        assert text == text.lower().strip()
        assert text.isascii()
        assert "  " not in text
        assert "{" not in text
    assert len(set(texts)) > 0.9 * len(texts)


def test_articles_fit_the_next_word(captioned):
    for _, text in captioned:
        words = text.replace(",", "").split()
        for article, word in pairwise(words):
            if article in ("a", "an"):
                assert (article == "an") == (word[0] in "aeio" or word in ("umbrella", "underwater", "8-bit")), text


def test_the_same_source_gives_the_same_caption():
    scenes = sample_scenes(100, seed=2)
    assert [caption(s, random.Random(s.seed)) for s in scenes] == [caption(s, random.Random(s.seed)) for s in scenes]


@pytest.mark.parametrize(
    ("scene", "english", "chinese"),
    [
        (_scene("night", "castle"), "a castle under a starry night sky", "星空下的一座城堡"),
        (_scene("beach", "dog", "cat", arrangement="pair"), "a dog and a cat on the beach", "沙滩上的一只狗和一只猫"),
        (_scene("snow", "owl", size="big"), "a big owl in the snow", "雪地里的一只大猫头鹰"),
        (_scene("sunset", "apple", spot="left"), "an apple on the left, at sunset", "夕阳下，左边有一个苹果"),
        (
            _scene("plain", "rabbit", color="blue", size="small"),
            "a small rabbit on a blue background",
            "蓝色背景上的一只小兔子",
        ),
        (_scene("plain", "car", color="white"), "a car on a white background", "白色背景上的一辆汽车"),
        (_scene("mountains"), "mountains and a river", "群山和河流"),
        (
            _scene("sea", "dog", "owl", arrangement="stack"),
            "a dog above an owl under the sea",
            "海底，一只狗在一只猫头鹰上面",
        ),
        (
            _scene("city", "dog", "cat", "fox", arrangement="row"),
            "a dog, a cat and a fox in the city",
            "城市里的一只狗、一只猫和一只狐狸",
        ),
        (_scene("forest", "cat", "cat", arrangement="pair"), "two cats in the forest", "森林里的两只猫"),
        (
            _scene("desert", "apple", "apple", "apple", arrangement="row"),
            "three apples in the desert",
            "沙漠里的三个苹果",
        ),
        (_scene("snow", "dog", style="ink"), "an ink wash painting of a dog in the snow", "水墨画：雪地里的一只狗"),
        (
            _scene("snow", "dog", "owl", arrangement="stack", style="pixel"),
            "pixel art of a dog above an owl in the snow",
            "雪地里，一只狗在一只猫头鹰上面，像素画",
        ),
    ],
)
def test_canonical_captions(scene, english, chinese):
    assert canonical_caption(scene) == english
    assert canonical_caption(scene, "zh") == chinese


def test_held_out_prompts_take_their_layouts_by_turns():
    prompts = held_out_prompts(21, seed=1)
    assert prompts == held_out_prompts(21, seed=1)
    assert [len(scene.placements) for scene, _ in prompts] == [1, 2] * 10 + [1]
    assert all(is_held_out(scene) and text == canonical_caption(scene) for scene, text in prompts)
    assert all(_is_chinese(text) for _, text in held_out_prompts(4, seed=1, language="zh"))
    assert not any(scene.style for scene, _ in prompts)
    counted = held_out_prompts(4, seed=1, layouts=("two", "three"), styled=True, edition=EDITIONS["full"])
    assert [len(scene.placements) for scene, _ in counted] == [2, 3, 2, 3]
    assert all(scene.same and scene.style for scene, _ in counted)


def test_plurals():
    assert [plural(noun) for noun in ("dog", "fox", "butterfly", "monkey", "palm tree", "tropical fish")] == [
        "dogs",
        "foxes",
        "butterflies",
        "monkeys",
        "palm trees",
        "tropical fish",
    ]
    assert plural("mouse") == "mice"
    assert plural("pair of scissors") == "pairs of scissors"


def test_unknown_languages_are_refused():
    with pytest.raises(RequestError, match=r'^Unknown caption language "zh-cn"\. Did you mean "zh"\?$'):
        caption(_scene("sea"), random.Random(1), "zh-cn")  # pyright: ignore[reportArgumentType]
