"""A1111's emphasis brackets, against the examples in its own parser."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.attention import MAX_DEPTH, Segment, parse_attention


def pairs(text):
    return [(segment.text, segment.weight) for segment in parse_attention(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal text", [("normal text", 1)]),
        ("", [("", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("[unbalanced", [("unbalanced", 1 / 1.1)]),
        ("unbalanced)]", [("unbalanced)]", 1)]),
        (r"\(literal\]", [("(literal]", 1)]),
        (r"a\\b\c", [("a\\bc", 1)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        ("(x:1.3)", [("x", 1.3)]),
        ("(x: 1.3 )", [("x", 1.3)]),
        ("(x:-1.3)", [("x", -1.3)]),
        ("(x:+.5)", [("x", 0.5)]),
        ("(x:0)", [("x", 0)]),
        ("[x:1.3]", [("x:1.3", 1 / 1.1)]),
        ("x:1.3)", [("x:1.3)", 1)]),
        ("a:b", [("a:b", 1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        ),
    ],
)
def test_examples(text, expected):
    found = pairs(text)
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected], rel=1e-12)


def test_break_takes_the_white_space_around_it():
    assert parse_attention("a \n BREAK b BREAK BREAK (c)") == (
        Segment("a"),
        Segment("b", starts_chunk=True),
        Segment("", starts_chunk=True),
        Segment("", starts_chunk=True),
        Segment("c", 1.1),
    )
    assert parse_attention("BREAKFAST aBREAK break") == (Segment("BREAKFAST aBREAK break"),)


def test_break_in_brackets_is_a_word_of_negative_weight_as_in_a1111():
    assert parse_attention("(a BREAK b:2)") == (Segment("a", 2), Segment("BREAK", -2), Segment("b", 2))
    assert parse_attention("(a BREAK b:1)") == (Segment("a"), Segment("b", starts_chunk=True))


@pytest.mark.parametrize("number", ["1.2.3", "...", "+."])
def test_a_weight_that_is_no_number_is_refused(number):
    with pytest.raises(RequestError) as caught:
        parse_attention(f"(a:{number})")
    assert str(caught.value) == f'The weight in ":{number})" is not a number; write for example (word:1.2).'


def test_weights_beyond_the_numbers_are_refused():
    with pytest.raises(RequestError, match=r'^The weight of "a" is not finite; use smaller numbers or fewer brackets'):
        parse_attention("((a:" + "9" * 200 + "):" + "9" * 200 + ")")


def test_deep_nesting_is_refused():
    assert pairs("(" * MAX_DEPTH + "a") == [("a", pytest.approx(1.1**MAX_DEPTH, rel=1e-12))]
    with pytest.raises(RequestError, match=r'^More than 256 brackets "\[" are open at once in the prompt\.$'):
        parse_attention("[" * (MAX_DEPTH + 1))


PLAIN = st.text(st.characters(blacklist_characters="[]()\\", blacklist_categories=("Cs",)))


@given(PLAIN.filter(lambda text: "BREAK" not in text))
def test_plain_text_is_itself(text):
    assert parse_attention(text) == (Segment(text),)


@given(st.lists(st.floats(0.1, 3).map(lambda weight: round(weight, 3)), min_size=1, max_size=6))
def test_weights_multiply(weights):
    text = "(" * len(weights) + "word" + "".join(f":{weight})" for weight in weights)
    expected = 1.0
    for weight in weights:
        expected *= weight
    assert pairs(text) == [("word", pytest.approx(expected, rel=1e-12))]


@given(st.text("()[]:\\ab 1.5-+\nBREAK", max_size=60))
def test_any_text_gives_segments_or_our_error(text):
    try:
        segments = parse_attention(text)
    except RequestError:
        return
    assert segments


@pytest.mark.parametrize(
    "text", [" " * 50_000 + "x", "(a)" * 10_000, ":" * 30_000, "BREAK " * 5_000, "(a " * 200 + "b)" * 9_000]
)
def test_long_texts_take_linear_time(text):
    start = time.process_time()
    parse_attention(text)
    assert time.process_time() - start < 2
