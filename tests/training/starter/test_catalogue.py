import pytest

from inkbloom.training.starter.catalogue import (
    ARRANGEMENTS,
    EDITIONS,
    OBJECT_NAMES,
    OBJECTS,
    PLACES,
    SIZES,
    SPOTS,
    STYLES,
    UNSEEN,
)

WORD_GROUPS = {
    "English names": [name for thing in OBJECTS for name in thing.english],
    "Chinese names": [name for thing in OBJECTS for name in thing.chinese],
    "glyphs": [thing.glyph for thing in OBJECTS],
    "where": [words for place in PLACES for words in place.where],
    "scene": [words for place in PLACES for words in place.scene],
    "tag": [words for place in PLACES for words in place.tag],
    "where_zh": [words for place in PLACES for words in place.where_zh],
    "scene_zh": [words for place in PLACES for words in place.scene_zh],
    "style before": [words for style in STYLES for words in style.before],
    "style after": [words for style in STYLES for words in style.after],
    "style before_zh": [words for style in STYLES for words in style.before_zh],
    "style after_zh": [words for style in STYLES for words in style.after_zh],
}


def test_the_catalogue_has_the_size_that_models_were_trained_on():
    assert len(OBJECTS) >= 400
    assert len(PLACES) == 12
    assert len(STYLES) == 6
    assert SIZES == {"small": 48, "normal": 64, "big": 96}
    assert {spot for spots in ARRANGEMENTS.values() for spot in spots} == set(SPOTS)


def test_objects_were_appended_never_reordered():
    assert OBJECT_NAMES[0] == "dog"
    assert OBJECT_NAMES[35:38] == ("crown", "tiger", "bear")
    assert OBJECT_NAMES[63:67] == ("teddy bear", "hedgehog", "teapot", "chicken")


def test_no_edition_learns_the_unseen():
    assert EDITIONS["small"].objects == tuple(range(64))
    assert len(EDITIONS["full"].objects) >= 400
    for edition in EDITIONS.values():
        assert not set(edition.objects) & set(UNSEEN)
    assert [OBJECT_NAMES[index] for index in UNSEEN] == ["hedgehog", "teapot"]


@pytest.mark.parametrize("words", WORD_GROUPS.values(), ids=WORD_GROUPS)
def test_every_word_names_one_thing(words):
    assert not {word for word in words if words.count(word) > 1}
    assert all(word and word == word.lower() and "  " not in word for word in words)


def test_articles_fit_all_names():
    for thing in OBJECTS:
        for name in thing.english:
            assert name.isascii()
            assert (name[0] in "aeio" or name == "umbrella") == (thing.article == "an"), name


def test_chinese_names_leave_the_size_words_free():
    for thing in OBJECTS:
        assert len(thing.measure) == 1
        for name in thing.chinese:
            assert all("\u4e00" <= character <= "\u9fff" for character in name), name
            assert name[0] not in "大小", name


def test_english_names_leave_the_size_words_free():
    taken = {"small", "tiny", "little", "big", "large", "huge"}
    assert not {name for thing in OBJECTS for name in thing.english if taken & set(name.split())}


def test_only_the_plain_place_asks_for_a_colour():
    for place in PLACES:
        for words in (place.where, place.scene, place.tag, place.where_zh, place.scene_zh):
            assert all(("{color}" in word) == (place.name == "plain") for word in words)
