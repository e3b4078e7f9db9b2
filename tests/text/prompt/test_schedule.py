"""The schedule grammar against the examples in A1111's own parser, worked out there by its LALR grammar."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.schedule import Timeline, schedule

TEN = Timeline(steps=10)
SECOND_PASS = Timeline(steps=10, hires_steps=10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test", [(10, "test")]),
        ("", [(10, "")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3]", [(3, "a "), (10, "a b")]),
        ("a [b:3 ]", [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", [(10, "a [unbalanced")]),
        ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("a [b:0.5] c", [(5, "a  c"), (10, "a b c")]),
        ("[b::3]", [(3, "b"), (10, "")]),
        ("[:b:3]", [(3, ""), (10, "b")]),
        ("[b:1e0]", [(1, ""), (10, "b")]),
        # From the start, and never
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-3]", [(10, "b")]),
        ("[a:b:1e999]", [(10, "a")]),
        ("[a:b:30]", [(10, "a")]),
        # An escaped bracket is text
        (r"\[a:3] [b:2]", [(2, r"\[a:3] "), (10, r"\[a:3] b")]),
        (r"[a\]:b:3]", [(3, r"a\]"), (10, "b")]),
        # Not well formed inside, so that the bracket is text; what is in it may still be scheduled
        ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
        ("[a):3]", [(10, "[a):3]")]),
        ("[x:[b:2] :y]", [(2, "[x: :y]"), (10, "[x:b :y]")]),
        # A bar that separates no options, or a backslash at the end, makes everything literal
        ("a | b [c:3]", [(10, "a | b [c:3]")]),
        ("[a|b:3]", [(10, "[a|b:3]")]),
        ("[x [a|b] :y] [c:3", [(step, f"[x {'ab'[(step - 1) % 2]} :y] [c:3") for step in range(1, 11)]),
        ("([a|b] | c)", [(10, "([a|b] | c)")]),
        ("[c:3] \\", [(10, "[c:3] \\")]),
    ],
)
def test_examples(text, expected):
    assert schedule(text, TEN) == expected


def test_a_newline_after_a_backslash_makes_everything_literal():
    assert schedule("[a:3]\\\n", TEN) == [(10, "[a:3]\\\n")]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("[a|(b:1.1)]", ["a", "(b:1.1)"]),
        ("[fe|]male", ["female", "male"]),
        ("[fe|||]male", ["female", "male", "male", "male"]),
        ("[a|[b|c]]", ["a", "c", "a", "c"]),
        ("[|a]", ["", "a"]),
    ],
)
def test_alternation(text, options):
    assert schedule(text, TEN) == [(step, options[(step - 1) % len(options)]) for step in range(1, 11)]


@pytest.mark.parametrize(
    ("text", "timeline", "expected"),
    [
        ("a [b:.5] c", SECOND_PASS, [(10, "a b c")]),
        ("a [b:1.5] c", SECOND_PASS, [(5, "a  c"), (10, "a b c")]),
        ("a [b:13] c", SECOND_PASS, [(3, "a  c"), (10, "a b c")]),
        ("[b:1.5]", Timeline(steps=10, hires_steps=4), [(2, ""), (4, "b")]),
        ("[b:1.5]", Timeline(steps=10, hires_steps=4, second_order=True), [(4, ""), (8, "b")]),
        ("[b:23]", Timeline(steps=10, hires_steps=4, second_order=True), [(3, ""), (8, "b")]),
        ("[b:.5]", Timeline(steps=10, second_order=True), [(10, ""), (20, "b")]),
        ("[b:3]", Timeline(steps=10, second_order=True), [(3, ""), (20, "b")]),
        # Under the old rule 1.5 is a step, .5 a fraction, and the second pass is like the first
        ("[b:1.5]", Timeline(steps=10, old_scheduling=True), [(1, ""), (10, "b")]),
        ("[b:.5]", Timeline(steps=10, hires_steps=4, old_scheduling=True), [(5, ""), (10, "b")]),
    ],
)
def test_timelines(text, timeline, expected):
    assert schedule(text, timeline) == expected


def test_steps_below_1_are_refused():
    with pytest.raises(RequestError, match=r"^steps 0: a schedule needs at least 1 step\.$"):
        Timeline(steps=0)
    with pytest.raises(RequestError, match=r"^hires_steps 0"):
        Timeline(steps=1, hires_steps=0)


def test_too_much_text_is_refused():
    with pytest.raises(RequestError, match=r"^The prompt has 2005 characters and changes at 10000 steps"):
        schedule("[a|b]" + "x" * 2000, Timeline(steps=10_000))


@given(st.text("[]():|\\ab 1.5\n", max_size=60))
def test_any_text_has_a_schedule_that_ends_at_the_last_step(text):
    entries = schedule(text, Timeline(steps=4))
    steps = [step for step, _ in entries]
    assert steps == sorted(set(steps))
    assert steps[-1] == 4
    assert all(step >= 1 for step in steps)


@given(st.text(st.characters(blacklist_characters="[]|\\", blacklist_categories=("Cs",))))
def test_text_without_square_brackets_stays(text):
    assert schedule(text, TEN) == [(10, text)]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 20_000,
        "[a:" * 7_000,
        "[a:" * 4_000 + "3]" * 4_000,
        "[" * 9_000 + "a:3" + "]" * 9_000,
        "[" * 9_000 + "a|b" + "]" * 9_000,
        "([" * 9_000,
        ":" * 20_000,
        "[a:" + "1" * 20_000 + "x]",
        "[a:" + " " * 20_000 + "x]",
    ],
)
def test_hostile_texts_take_linear_time(text):
    start = time.process_time()
    schedule(text, Timeline(steps=4))
    assert time.process_time() - start < 2
