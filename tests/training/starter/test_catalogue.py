from inkbloom.training.starter.catalogue import COLORS, OBJECTS, PLACES, SIZES


def test_the_catalogue_has_the_size_that_models_were_trained_on():
    assert len(OBJECTS) == 36
    assert len(PLACES) == 9
    assert len(COLORS) == 6
    assert SIZES == {"small": 40, "normal": 64, "big": 96}


def test_every_word_names_one_thing():
    for names in (
        [name for thing in OBJECTS for name in thing.english],
        [name for thing in OBJECTS for name in thing.chinese],
        [thing.glyph for thing in OBJECTS],
        [words for place in PLACES for words in place.where],
        [words for place in PLACES for words in place.scene],
        [words for place in PLACES for words in place.tag],
        [words for place in PLACES for words in place.where_zh],
        [words for place in PLACES for words in place.scene_zh],
        [place.name for place in PLACES],
        [color.name for color in COLORS],
    ):
        duplicates = {name for name in names if names.count(name) > 1}
        assert not duplicates


def test_articles_fit_all_names():
    for thing in OBJECTS:
        for name in thing.english:
            assert (name[0] in "aeo" or name == "umbrella") == (thing.article == "an"), name
            assert name == name.lower()


def test_chinese_names_leave_the_size_words_free():
    for thing in OBJECTS:
        assert len(thing.measure) == 1
        assert not any(name[0] in "大小" for name in thing.chinese)


def test_only_the_plain_place_asks_for_a_colour():
    for place in PLACES:
        for words in (place.where, place.scene, place.tag, place.where_zh, place.scene_zh):
            assert all(("{color}" in word) == (place.name == "plain") for word in words)
