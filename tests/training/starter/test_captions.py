import random
from itertools import pairwise

import pytest

from inkbloom.core.errors import RequestError
from inkbloom.training.starter.captions import canonical_caption, caption, held_out_prompts
from inkbloom.training.starter.catalogue import COLORS, OBJECT_NAMES, OBJECTS, PLACES
from inkbloom.training.starter.scenes import Placement, Scene, is_held_out, sample_scenes

SIZE_WORDS = {"small": ("small", "tiny", "little", "小"), "big": ("big", "large", "huge", "大")}
COLUMN_WORDS = {"left": ("on the left", "左边"), "right": ("on the right", "右边")}
COLOR_WORDS = {color.name: (color.name, color.chinese) for color in COLORS}
PLACE_WORDS = {p.name: (*p.where, *p.scene, *p.tag, *p.where_zh, *p.scene_zh) for p in PLACES}


def _scene(place: str, *names: str, color: str | None = None, size: str = "normal", column: str = "center") -> Scene:
    columns = ("left", "right") if len(names) == 2 else (column,)
    placements = tuple(Placement(OBJECT_NAMES.index(n), size, c) for n, c in zip(names, columns, strict=False))
    return Scene(place, color, placements, 1)


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
        positions = []
        for placement in scene.placements:
            thing = OBJECTS[placement.object]
            found = [text.find(name) for name in (*thing.english, *thing.chinese) if name in text]
            assert found, (scene, text)
            positions.append(min(found))
            assert placement.size == "normal" or any(word in text for word in SIZE_WORDS[placement.size]), (scene, text)
        if len(scene.placements) == 1 and (column := scene.placements[0].column) != "center":
            assert any(word in text for word in COLUMN_WORDS[column]), (scene, text)
        if scene.color and _says_place(scene, text):
            assert any(word in text for word in COLOR_WORDS[scene.color]), (scene, text)


def test_no_place_is_said_only_for_white_and_day(captioned):
    placeless = [scene for scene, text in captioned if not _says_place(scene, text)]
    assert len(placeless) / len(captioned) == pytest.approx(0.1, abs=0.015)
    assert {(scene.place, scene.color) for scene in placeless} == {("plain", "white"), ("day", None)}
    assert all(scene.placements for scene in placeless)


def test_nothing_is_said_that_is_not_shown(captioned):
    for scene, text in captioned:
        if len(scene.placements) == 1 and scene.placements[0].column == "center":
            assert not any(word in text for words in COLUMN_WORDS.values() for word in words), (scene, text)
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
    assert len(set(texts)) > 0.8 * len(texts)


def test_articles_fit_the_next_word(captioned):
    for _, text in captioned:
        words = text.replace(",", "").split()
        for article, word in pairwise(words):
            if article in ("a", "an"):
                assert (article == "an") == (word[0] in "aeio" or word in ("umbrella", "underwater")), text


def test_the_same_source_gives_the_same_caption():
    scenes = sample_scenes(100, seed=2)
    assert [caption(s, random.Random(s.seed)) for s in scenes] == [caption(s, random.Random(s.seed)) for s in scenes]


@pytest.mark.parametrize(
    ("scene", "english", "chinese"),
    [
        (_scene("night", "castle"), "a castle under a starry night sky", "星空下的一座城堡"),
        (_scene("beach", "dog", "cat"), "a dog and a cat on the beach", "沙滩上的一只狗和一只猫"),
        (_scene("snow", "owl", size="big"), "a big owl in the snow", "雪地里的一只大猫头鹰"),
        (_scene("sunset", "apple", column="left"), "an apple on the left, at sunset", "夕阳下，左边有一个苹果"),
        (
            _scene("plain", "rabbit", color="blue", size="small"),
            "a small rabbit on a blue background",
            "蓝色背景上的一只小兔子",
        ),
        (_scene("plain", "car", color="white"), "a car on a white background", "白色背景上的一辆汽车"),
        (_scene("mountains"), "mountains and a river", "群山和河流"),
    ],
)
def test_canonical_captions(scene, english, chinese):
    assert canonical_caption(scene) == english
    assert canonical_caption(scene, "zh") == chinese


def test_held_out_prompts_are_half_single_and_half_pairs():
    prompts = held_out_prompts(21, seed=1)
    assert prompts == held_out_prompts(21, seed=1)
    assert [len(scene.placements) for scene, _ in prompts] == [1, 2] * 10 + [1]
    assert all(is_held_out(scene) and text == canonical_caption(scene) for scene, text in prompts)
    assert all(_is_chinese(text) for _, text in held_out_prompts(4, seed=1, language="zh"))


def test_unknown_languages_are_refused():
    with pytest.raises(RequestError, match=r'^Unknown caption language "zh-cn"\. Did you mean "zh"\?$'):
        caption(_scene("sea"), random.Random(1), "zh-cn")  # pyright: ignore[reportArgumentType]
