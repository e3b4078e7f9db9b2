"""ComfyUI's brackets; the expected values are worked out by hand along `token_weights` in its sd1_clip.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.attention import MAX_DEPTH, Segment
from inkbloom.text.prompt.comfy import parse_comfy, split_embeddings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", [("a cat", 1)]),
        ("", [("", 1)]),
        ("()", [("", 1)]),
        ("a (b) c", [("a ", 1), ("b", 1.1), (" c", 1)]),
        ("(a:1.3)", [("a", 1.3)]),
        ("((a:1.3):0.5)", [("a", 1.3)]),
        ("(a (b:1.5) (c):0.5)", [("a ", 0.5), ("b", 1.5), (" ", 0.5), ("c", 0.55)]),
        ("((a))", [("a", 1.21)]),
        ("(a: 2 )", [("a", 2)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(:2)", [(":2", 1.1)]),
        (r"\(a\) (b\))", [("(a) ", 1), ("b)", 1.1)]),
        ("[a] {b} a AND b BREAK # c <lora:x:1>", [("[a] {b} a AND b BREAK # c <lora:x:1>", 1)]),
        ("(a", [("(a", 1)]),
        ("a) (b) c", [("a) (b) c", 1)]),
        (r"(a \)", [("(a )", 1)]),
        ("(a (b)", [("a ", 1.1), ("(b", 1.1)]),
    ],
)
def test_weights(text, expected):
    found = parse_comfy(text)
    assert [segment.text for segment in found] == [text for text, _ in expected]
    assert [segment.weight for segment in found] == pytest.approx([weight for _, weight in expected], rel=1e-12)


@pytest.mark.parametrize("number", ["nan", "inf", "1e999"])
def test_weights_that_are_not_finite_are_refused(number):
    with pytest.raises(RequestError) as caught:
        parse_comfy(f"(a:{number})")
    assert str(caught.value) == f'The weight in ":{number})" is not finite; write for example (word:1.2).'


def test_deep_nesting_is_refused():
    parse_comfy("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH)
    with pytest.raises(RequestError, match=r'^More than 256 brackets "\(" are open at once in the prompt\.$'):
        parse_comfy("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", [(None, "a cat")]),
        ("embedding:x", [("x", "")]),
        ("a embedding:x, b", [(None, "a "), ("x,", " b")]),
        ("embedding:x embedding:y c", [("x", " "), ("y", " c")]),
        ("embedding:x<b", [("x", "<b")]),
        ("my_embedding:x", [(None, "my_embedding:x")]),
        ("embedding:", [(None, "embedding:")]),
        ("", []),
    ],
)
def test_embeddings_are_found(text, expected):
    assert split_embeddings(text) == expected


@given(st.text(st.characters(blacklist_characters="()\\", blacklist_categories=("Cs",)), min_size=1))
def test_plain_text_is_itself(text):
    assert parse_comfy(text) == (Segment(text),)


@given(st.text("()\\:ab 1.5e", max_size=60))
def test_any_text_gives_segments_or_our_error(text):
    try:
        assert parse_comfy(text)
    except RequestError:
        return
