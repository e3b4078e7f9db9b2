import random
from collections import Counter
from typing import Any

import pytest

from inkbloom.training.data.captions import Longest, step_caption, tags, without_chance
from inkbloom.training.data.settings import DataSettings


def captioned(text: str, *, step: int = 0, epoch: int = 0, seed: int = 0, **fields: Any) -> str:
    return step_caption(text, DataSettings(**fields), random.Random(seed), step=step, epoch=epoch)


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("a dog,  running", {}, "a dog,  running"),
        ("first line\nsecond line", {}, "first line"),
        ("a dog", {"caption_prefix": "photo of", "caption_suffix": "outside"}, "photo of a dog outside"),
        ("", {"caption_prefix": "sks"}, "sks"),
        ("a dog\na cat", {"caption_prefix": "my", "caption_suffix": "outside"}, "my a dog outside"),
        ("a {big|big} dog {{here}}", {"caption_wildcards": True}, "a big dog {here}"),
        ("one\none", {"caption_wildcards": True}, "one"),
        ("a {b|c}", {}, "a {b|c}"),
        ("a, b ;;; c, d", {"secondary_separator": " ;;; "}, "a, b,c, d"),
        ("a dog on a dog", {"caption_replacements": ("dog=sks dog", "on=under")}, "a sks dog under a sks dog"),
        ("a dog", {"caption_replacements": ("=<token>",)}, "<token>"),
        ("a|b", {"tag_separator": "|", "tag_dropout": 1e-9}, "a, b"),
        ("a, b", {"caption_dropout": 1.0}, ""),
        ("a, b, c", {"tag_dropout": 1.0, "keep_tags": 2}, "a, b"),
        ("a, b ||| c, d ||| e", {"tag_dropout": 1.0, "keep_tags_separator": "|||"}, "a, b, e"),
        ("a, b ||| c, d", {"tag_dropout": 1.0, "keep_tags_separator": "|||"}, "a, b"),
        # The prefix is there before tags are told apart, so it can be one that stays.
        ("b, c", {"caption_prefix": "a,", "tag_dropout": 1.0, "keep_tags": 1}, "a"),
        # Words are replaced last, in what tags became.
        ("b, a", {"tag_dropout": 1e-9, "caption_replacements": ("b, a=done",)}, "done"),
    ],
)
def test_the_parts_in_kohyas_order(text: str, fields: dict[str, Any], expected: str) -> None:
    assert captioned(text, **fields) == expected


def test_shuffling_keeps_the_tags_and_the_first_of_them() -> None:
    text = "a, b, c, d, e"
    made = [captioned(text, seed=seed, tag_shuffling=True, keep_tags=2) for seed in range(50)]
    assert {tuple(sorted(tags(one, ","))) for one in made} == {("a", "b", "c", "d", "e")}
    assert all(one.startswith("a, b, ") for one in made)
    assert len(set(made)) == 6
    assert made == [captioned(text, seed=seed, tag_shuffling=True, keep_tags=2) for seed in range(50)]


def test_shares() -> None:
    """Of 2,000 draws with p = 0.3 the share is within 0.05 of it: 4.9 standard deviations."""
    dropped = [captioned("a", seed=seed, caption_dropout=0.3) for seed in range(2000)]
    assert abs(dropped.count("") / 2000 - 0.3) < 0.05
    kept = Counter(tag for seed in range(2000) for tag in tags(captioned("a, b", seed=seed, tag_dropout=0.3), ","))
    assert abs(kept["a"] / 2000 - 0.7) < 0.05
    assert abs(kept["b"] / 2000 - 0.7) < 0.05
    chosen = [captioned("{a|b|c}", seed=seed, caption_wildcards=True) for seed in range(2000)]
    assert all(abs(chosen.count(word) / 2000 - 1 / 3) < 0.05 for word in "abc")


def test_whole_epochs_without_captions() -> None:
    assert [captioned("a", epoch=epoch, caption_dropout_every=3) for epoch in range(6)] == ["a", "a", "", "a", "a", ""]


def test_the_number_of_tags_grows() -> None:
    """kohya's formula: floor(step * (5 - 1) / 8) + 1 of five tags, all of them from step 8 on."""
    fields = {"tag_warmup_steps": 8, "tag_warmup_min": 1}
    counts = [len(tags(captioned("a, b, c, d, e", step=step, **fields), ",")) for step in range(10)]
    assert counts == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_nothing_is_left_to_chance_where_it_should_not_be() -> None:
    wild = DataSettings(
        caption_dropout=1.0, caption_dropout_every=1, tag_shuffling=True, tag_dropout=1.0, tag_warmup_steps=9
    )
    assert step_caption("b, a", without_chance(wild), random.Random(), step=0, epoch=0) == "b, a"


def test_the_longest_choice() -> None:
    settings = DataSettings(caption_wildcards=True)
    assert step_caption("short\na {b|long} line", settings, Longest(), step=0, epoch=0) == "a long line"
