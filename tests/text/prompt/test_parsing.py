"""The whole way from a typed text to segments, in each dialect."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.attention import Segment
from inkbloom.text.prompt.parsing import parse
from inkbloom.text.prompt.schedule import Timeline

TEN = Timeline(steps=10)
TEXT = "a (cat:1.2) <lora:x:0.5> [b:3] # hidden\nAND dog :0.5"


def only(text, **settings):
    (part,) = parse(text, timeline=TEN, **settings).parts
    (entry,) = part.schedule
    return entry.segments


def test_a1111():
    prompt = parse(TEXT, timeline=TEN)
    assert [(part.weight, [(e.until_step, e.text) for e in part.schedule]) for part in prompt.parts] == [
        (1, [(3, "a (cat:1.2)  "), (10, "a (cat:1.2)  b")]),
        (0.5, [(10, " dog")]),
    ]
    assert prompt.parts[0].schedule[1].segments == (Segment("a "), Segment("cat", 1.2), Segment("  b"))
    assert [network.name for network in prompt.networks] == ["x"]


def test_a_negative_prompt_keeps_tags_and_and_as_text():
    prompt = parse(TEXT, timeline=TEN, negative=True)
    (part,) = prompt.parts
    assert part.weight == 1
    assert part.schedule[0].text == "a (cat:1.2) <lora:x:0.5>  \nAND dog :0.5"
    assert prompt.networks == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a # b", "a \n"),
        ("# a\nb", "\nb"),
        ("a\n# b\nc", "a\nc"),
        ("a # b\nc", "a \nc"),
        ("a\n#b", "a\n"),
        ("#", "\n"),
    ],
)
def test_comments_leave_a_line_break(text, expected):
    assert only(text, negative=True) == (Segment(expected),)


def test_emphasis_modes():
    text = r"a (b:1.5) \(c\) BREAK d"
    weighted = (Segment("a "), Segment("b", 1.5), Segment(" (c)"), Segment("d", starts_chunk=True))
    assert only(text) == only(text, emphasis="No norm") == weighted
    assert only(text, emphasis="Ignore") == tuple(Segment(s.text, 1, s.starts_chunk) for s in weighted)
    assert only(text, emphasis="None") == (Segment(text),)


def test_the_other_dialects():
    assert only(TEXT, dialect="plain") == (Segment(TEXT),)
    assert only("a (b:1.2) [c:3] # d AND e", dialect="comfy") == (
        Segment("a "), Segment("b", 1.2), Segment(" [c:3] # d AND e")
    )  # fmt: skip


def test_tags_stand_for_the_nodes_of_comfyui():
    found = parse("a <lora:x:0:0.5> <b:c>", timeline=Timeline(steps=5), dialect="comfy")
    assert [(network.name, network.unet_weight) for network in found.networks] == [("x", 0.5)]
    assert found.parts[0].schedule[0].text == "a  <b:c>"


def test_unknown_choices_name_the_nearest():
    with pytest.raises(RequestError, match=r'^Unknown prompt dialect "a111"\. Did you mean "a1111"\?$'):
        parse("", timeline=TEN, dialect="a111")
    with pytest.raises(RequestError, match=r'^Unknown emphasis "original"\. Did you mean "Original"\?$'):
        parse("", timeline=TEN, emphasis="original")


def test_lenient_callers_collect_warnings():
    warnings = []
    prompt = parse("a<zzz:x>", timeline=TEN, on_unknown=warnings.append)
    assert prompt.parts[0].schedule[0].text == "a"
    assert len(warnings) == 1


PLAIN = st.text(st.characters(blacklist_characters="[]()\\|:<>#", blacklist_categories=("Cs",)))


@given(PLAIN.filter(lambda text: "AND" not in text and "BREAK" not in text))
def test_plain_text_is_itself_with_weight_1(text):
    # A1111 drops white space at the end of a positive prompt.
    assert only(text) == (Segment(text.rstrip()),)
    assert only(text, negative=True) == (Segment(text),)
    assert only(text, dialect="comfy") == (Segment(text),)


WORDS = st.sampled_from([*"[]()|:\\<>#= \n", "AND", "BREAK", "lora:", "1.5", "a", "b", "猫", "embedding:"])


@given(st.lists(WORDS, max_size=30).map("".join), st.sampled_from(["a1111", "comfy", "plain"]), st.booleans())
def test_any_text_is_read_or_refused(text, dialect, negative):
    try:
        prompt = parse(text, timeline=Timeline(steps=4), dialect=dialect, negative=negative)
    except RequestError:
        return
    for part in prompt.parts:
        assert part.schedule[-1].until_step == 4
        assert all(entry.segments for entry in part.schedule)


@pytest.mark.parametrize(
    "text", ["#" * 30_000, "AND " * 8_000, "a:1 " * 8_000, "\n# " * 9_000, "(a:1)[b|c]<lora:x:1>" * 500]
)
def test_long_prompts_take_linear_time(text):
    start = time.process_time()
    parse(text, timeline=Timeline(steps=4))
    assert time.process_time() - start < 3
