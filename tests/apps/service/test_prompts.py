import pytest

from inkbloom.apps.service import Service
from inkbloom.core.errors import RequestError


def test_styles_are_kept(service: Service) -> None:
    assert service.styles() == []
    ink = {"name": "ink", "prompt": "{prompt}, ink", "negative_prompt": "colour"}
    service.save_styles([ink])
    assert service.styles() == [ink]
    for wrong in ([ink, ink], [{**ink, "name": " "}], [{**ink, "name": "#x"}]):
        with pytest.raises(RequestError, match="each needs a name of its own"):
            service.save_styles(wrong)
    assert service.styles() == [ink]


def test_names_are_completed_those_that_begin_so_first(service: Service) -> None:
    service.save_styles([{"name": name, "prompt": "", "negative_prompt": ""} for name in ("ink", "blue ink")])
    (service.folder.wildcards / "inks.txt").write_text("black\nred")
    assert service.complete("INK") == [
        {"kind": "style", "name": "ink", "insert": "ink"},
        {"kind": "wildcard", "name": "inks", "insert": "__inks__"},
        {"kind": "style", "name": "blue ink", "insert": "blue ink"},
    ]
    assert service.wildcards() == ["inks"]
    assert service.complete("zzz") == []


def test_prompts_are_shown_token_by_token(service: Service) -> None:
    seen = service.inspect("a (cat:1.5) [on a beach::0.5] <lora:film:1>", "dog", steps=10)
    phases = seen["prompt"]["parts"][0]["phases"]
    assert [(phase["first_step"], phase["last_step"]) for phase in phases] == [(0, 5), (6, 9)]
    weights = {token["text"].strip(): token["weight"] for token in phases[0]["chunks"][0]}
    assert weights["cat"] == 1.5
    assert weights["a"] == 1.0
    assert seen["prompt"]["tokens"] == 5
    assert seen["prompt"]["capacity"] == 75
    assert seen["prompt"]["networks"][0]["name"] == "film"
    assert seen["negative_prompt"]["tokens"] == 1
    assert len(seen["messages"]) == 1
    assert "film" in seen["messages"][0]
    with pytest.raises(RequestError, match="dialect 'x': must be a1111"):
        service.inspect("a", dialect="x")
