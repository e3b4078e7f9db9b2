from pathlib import Path

import pytest

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.templates import Templates
from inkbloom.text.prompt.wildcards import Wildcards


def test_without_wildcards_braces_are_text() -> None:
    assert Templates(wildcards=None).fill("{a|b} __c__", "{d", seed=1) == ("{a|b} __c__", "{d")


def test_tags_may_hold_choices() -> None:
    templates = Templates(wildcards=Wildcards())
    found = {templates.fill("a house <lora:{film|ink}:{0.5|1}>", "", seed)[0] for seed in range(30)}
    assert found == {f"a house <lora:{name}:{weight}>" for name in ("film", "ink") for weight in ("0.5", "1")}


def test_the_seed_chooses_in_both_prompts() -> None:
    templates = Templates(wildcards=Wildcards())
    found = {templates.fill("{a|b}", "{c|d}", seed) for seed in range(8)}
    assert {prompt for prompt, _ in found} == {"a", "b"}
    assert {negative for _, negative in found} == {"c", "d"}
    assert templates.fill("{a|b}", "{c|d}", 3) == templates.fill("{a|b}", "{c|d}", 3)


def test_styles_are_put_around_what_was_chosen(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    path.write_text("name,prompt,negative_prompt\nart,{prompt} by {greg},bad\n", encoding="utf-8")
    templates = Templates(style=("art",), styles_file=(path,), wildcards=Wildcards())
    assert templates.fill("{a|a}", "", seed=1) == ("a by {greg}", "bad")
    with pytest.raises(RequestError, match=r'^Unknown style "arts"\. Did you mean "art"\?'):
        Templates(style=("arts",), styles_file=(path,), wildcards=None).fill("a", "", seed=1)


def test_the_styles_file_is_read_where_a_style_is_asked_for(tmp_path: Path) -> None:
    missing = (tmp_path / "styles.csv",)
    assert Templates(styles_file=missing, wildcards=None).fill("a", "b", seed=1) == ("a", "b")
    with pytest.raises(RequestError, match=r"cannot be read: No such file"):
        Templates(style=("art",), styles_file=missing, wildcards=None).fill("a", "b", seed=1)
