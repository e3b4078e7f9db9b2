"""Templates: every combination by hand, random choices by their frequencies, and what is refused."""

import contextlib
import itertools
import random
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.variants import MAX_DEPTH, all_prompts, random_prompt
from inkbloom.text.prompt.wildcards import Wildcards


@pytest.fixture
def wildcards(tmp_path):
    files = {
        "season": "# the year\nsummer\n{autumn|fall}\n",
        "weighted": "9::often\nseldom\n",
        "a": "__b__",
        "b": "x __a__",
        "empty": "# nothing",
        "broken": "{x",
        "clothes": "in ${season} a ${colour:red} hat",
        "dir/one": "1",
        "dir/two": "2",
    }
    for name, text in files.items():
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Wildcards([tmp_path])


def every(template, wildcards=None, limit=1000):
    return list(all_prompts(template, limit, wildcards))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a cat", ["a cat"]),
        ("", [""]),
        ("a | b :: c $$ _d_", ["a | b :: c $$ _d_"]),
        ("{a|b} c", ["a c", "b c"]),
        ("A {red|blue} {square|circle}", ["A red square", "A red circle", "A blue square", "A blue circle"]),
        ("{a}", ["a"]),
        ("{}", [""]),
        ("x{|red}", ["x", "xred"]),
        ("{ a | b}", ["a ", "b"]),
        ("{2::a| .5::b}", ["a", "b"]),
        ("{a {b|c}|d}", ["a b", "a c", "d"]),
        ("{2$$a|b|c}", ["a,b", "a,c", "b,a", "b,c", "c,a", "c,b"]),
        ("{2$$ and $$a|b}", ["a and b", "b and a"]),
        ("{1-2$$, $$a|b}", ["a", "b", "a, b", "b, a"]),
        ("{-1$$a|b}", ["a", "b"]),
        ("{2-$$ $$a|b}", ["a b", "b a"]),
        ("{0-1$$a|b}", ["", "a", "b"]),
        ("{4$$+$$a|b}", ["a+b", "b+a"]),
        ("{2$$$$x|y}", ["xy", "yx"]),
        ("${x={x|y}}${x}${x}", ["xx", "xy", "yx", "yy"]),
        ("${x=!{a|b}}${x}${x}", ["aa", "bb"]),
        ("${x:c}${x= d}${x:c}", ["cd"]),
        ("${x=a}${y=${x}${x}}${x=b}${y}", ["bb"]),
        ("${x=a}${x?=b}${y?=!c}${x}${y}", ["ac"]),
        ("%{happy ... today$${fox|cow}}", ["happy fox today", "happy cow today"]),
        ("%{{cool|hot} \u2026$$a {b}}", ["cool a b", "hot a b"]),
        ("%{.........!$$a}", ["a!"]),
        ("<lora:{film|ink}:{0.5|1}>", [f"<lora:{name}:{w}>" for name in ("film", "ink") for w in ("0.5", "1")]),
        (r"\%{a} 5 % $$", ["%a 5 % $$"]),
        (r"\{a\|b\} \$\{x} \__a__".replace("{x}", r"{x\}"), ["{a|b} ${x} __a__"]),
    ],
)
def test_every_combination(template, expected):
    assert every(template) == expected
    assert random_prompt(template, 7) in expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("__season__ time", ["summer time", "autumn time", "fall time"]),
        ("__ season __", ["summer", "autumn", "fall"]),
        ("{__season__|winter}", ["summer", "autumn", "fall", "winter"]),
        ("{2$$ $$__dir/*__}", ["1 2", "2 1"]),
        ("__dir/*__", ["1", "2"]),
        ("__weighted__", ["often", "seldom"]),
        ("${season=winter} __clothes__", [" in winter a red hat"]),
        ("__clothes(season=May, colour = blue)__", ["in May a blue hat"]),
        ("%{__clothes(season=...)__$$June}", ["in June a red hat"]),
    ],
)
def test_wildcards(wildcards, template, expected):
    assert every(template, wildcards) == expected
    assert random_prompt(template, 7, wildcards) in expected


def test_in_turn_brackets_keep_step():
    template = "{@a|b} {@c|d|e} __@dir/*__"
    # Wildcards are two lines, "1" and "2"
    assert [random_prompt("{@a|b} {@c|d|e}", seed) for seed in range(4)] == ["a c", "b d", "a e", "b c"]
    # As the extension's own example has it, wherever the bracket stands
    assert every("{red|green|blue} {@square|circle}") == ["red square", "green circle", "blue square"]
    assert every("{@square|circle} {red|green|blue}") == ["square red", "circle green", "square blue"]
    assert every("{@a|b}") == ["a"]
    with pytest.raises(RequestError, match='Unknown wildcard "dir/\\*"'):
        random_prompt(template, 0)


def test_all_combinations_as_the_seeds_count_up():
    prompts = [random_prompt("{!a|b}{!c|d|e}", seed) for seed in range(6)]
    assert sorted(prompts) == every("{a|b}{c|d|e}")
    assert prompts[:3] == ["ac", "bc", "ad"]
    assert random_prompt("{!a|b}{!c|d|e}", 6) == prompts[0]


def test_random_brackets_do_not_multiply_the_combinations(wildcards):
    found = every("{a|b|c|d} {~x|y} __~dir/*__", wildcards)
    assert [prompt[0] for prompt in found] == [*"abcd"]
    assert len({prompt[1:] for prompt in found}) > 1
    assert found == every("{a|b|c|d} {~x|y} __~dir/*__", wildcards)


def test_options_at_random_may_hold_other_brackets():
    found = every("{~{a|b|c}|d} {e|f}")
    assert {"e", "f"} == {prompt[-1] for prompt in found}


def test_arrangements_of_many_options():
    # As many as there are orders: they are counted, not made
    template = "{3-$$" + "|".join(map(str, range(200))) + "}"
    assert every(template, limit=2) == ["0,1,2", "0,1,3"]
    assert random_prompt(template.replace("{", "{@"), 200 * 199 * 198) == "0,1,2,3"


def test_combinations_are_made_as_they_are_asked_for():
    template = "{" + "|".join("abcdefghij") + "}"
    prompts = all_prompts(template * 40, 10**9)
    assert list(itertools.islice(prompts, 3)) == ["a" * 40, "a" * 39 + "b", "a" * 39 + "c"]
    assert len(every("{a|b|c}", limit=2)) == 2
    with pytest.raises(RequestError, match=r"^limit 0: at least 1 prompt must be allowed\.$"):
        all_prompts("a", 0)


def test_a_seed_is_a_prompt():
    template = "{a|b|c|d} {1-3$$e|f|g}"
    assert [random_prompt(template, seed) for seed in range(5)] == [random_prompt(template, seed) for seed in range(5)]
    # The first number of Python's generator says how many are chosen, the second which
    draws = [(generator.random(), generator.random())[1] for generator in map(random.Random, range(8))]
    chosen = "".join(random_prompt("{a|b|c|d}", seed) for seed in range(8))
    assert chosen == "".join("abcd"[int(4 * draw)] for draw in draws) == "dddcacda"


def test_frequencies():
    counts = Counter(random_prompt("{3::a|1::b|0::c}", seed) for seed in range(2000))
    assert set(counts) == {"a", "b"}
    # 1500 expected, standard deviation 19
    assert abs(counts["a"] - 1500) < 100
    sizes = Counter(len(random_prompt("{1-3$$$$a|b|c}", seed)) for seed in range(1500))
    assert all(abs(sizes[size] - 500) < 100 for size in (1, 2, 3))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{a|b", 'The "{" at character 1 of the template has no "}".'),
        ("a}", 'A "}" without "{" stands at character 2 of the template.'),
        ("a ${x=", 'The "{" at character 4 of the template has no "}".'),
        ("${x}", 'The variable "x" is not set. None are set.'),
        ("${colour=a}${color}", 'The variable "color" is not set. Did you mean "colour"?'),
        ("x%{a...}", 'The "%{" at character 2 of the template has no "$$"; write "%{a ... b$$c}".'),
        ("%{a$$b", 'The "{" at character 2 of the template has no "}".'),
        ("%{a$$b}", 'The wrap "a" has no "..." to say where "b" goes.'),
        ("__clothes(season)__", '"season" in "__clothes(season)__" sets no variable; write __NAME(variable=text)__.'),
        ("{3-2$$a|b|c}", '"3-2$$" counts down; write the smaller number first.'),
        ("{0::a|0::b}", "The options of a template have the weight 0, and nothing else is left to choose."),
        ("__seasn__", 'Unknown wildcard "seasn". Did you mean "season"?'),
        ("__a__", "The template goes in a circle: __a__ -> __b__ -> __a__."),
        ("${x=${y}}${y=${x}}${x}", "The template goes in a circle: ${x} -> ${y} -> ${x}."),
        ("__empty__", 'The wildcard "empty" is empty.'),
        ("__broken__", 'In the wildcard "broken", "{x": The "{" at character 1 of the template has no "}".'),
        ("{" * MAX_DEPTH + "}" * MAX_DEPTH, "The template's choices are nested more than 50 deep."),
        ("{" + "9" * 400 + "::a}", "The weight of an option is too large: it has 400 digits."),
    ],
)
def test_what_is_refused(wildcards, template, message):
    with pytest.raises(RequestError) as caught:
        random_prompt(template, 0, wildcards)
    assert str(caught.value) == message


def test_lenient_callers_keep_the_text():
    warnings = []
    assert random_prompt("a __x__ b", 0, None, warnings.append) == "a __x__ b"
    assert warnings == ['Unknown wildcard "x". There are none.']


def test_variables_that_double_are_stopped():
    template = "${x0=}" + "".join(f"${{x{i + 1}=${{x{i}}}${{x{i}}}}}" for i in range(40)) + "${x40}"
    with pytest.raises(RequestError, match=r"^The template comes to more than 20000 choices and pieces of text"):
        random_prompt(template, 0)


@given(
    st.lists(st.sampled_from([*"{}|$_:=-12ab \\~!@%()?", "$$", "__", "${x", "%{", "...", "2$$"]), max_size=25).map(
        "".join
    )
)
def test_any_template_is_read_or_refused(template):
    try:
        prompt = random_prompt(template, 0)
        assert len(list(all_prompts(template, 20))) >= 1
    except RequestError:
        return
    assert isinstance(prompt, str)


@pytest.mark.parametrize(
    "template", ["__" * 20_000, "{a|b}" * 3_000, "__a " * 9_000, "\\{" * 9_000, "${x=a}${x}" * 1_000]
)
def test_long_templates_take_linear_time(template):
    start = time.process_time()
    with contextlib.suppress(RequestError):
        random_prompt(template, 0)
    assert time.process_time() - start < 3
