"""Templates: texts with choices in them, in the grammar of the dynamic-prompts extension.

    {a|b|c}          one of them; {2::a|b} chooses a twice as often as b; a lone {a} is a
    {2$$a|b|c}       two different ones, joined by ","; {2$$ and $$a|b|c} joins them by " and "
    {1-3$$a|b|c}     one to three; {-2$$...} is 1 to 2, {2-$$...} is 2 or more; more than there are means all
    __name__         a line of a wildcard file, itself a template; {2$$__name__} chooses two different lines
    ${x=...}         from here on ${x} is this template, chosen anew at each use; ${x=!...} is chosen once
    ${x:...}         x, or this where x is not set

White space before an option does not count; a backslash before one of { } | $ _ makes it a plain character.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from inkbloom.core.errors import RequestError, nearest
from inkbloom.text.prompt.unknown import OnUnknown, refuse
from inkbloom.text.prompt.wildcards import Wildcards

MAX_DEPTH = 50
"""Variants, wildcards and variables may stand in each other so deep."""

_TOKEN = re.compile(
    r"\\(?P<escaped>[{}|$_])|(?P<variable>\$\{\s*(?P<name>[A-Za-z_-][\w-]*)\s*(?P<sign>=!|=|:|\}))|(?P<mark>[{}|])"
    r"|__(?P<wildcard>(?:(?!__)[^{}|$\n])+)__"
)
_BOUNDS = re.compile(r"\s*(?:(?P<low>\d{1,9})?(?P<dash>-)(?P<high>\d{1,9})?|(?P<exact>\d{1,9}))\$\$(?:(?P<separator>[^${}]*)\$\$)?")
_WEIGHT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*::")


@dataclass(frozen=True)
class _Variants:
    options: tuple[tuple[float, _Template], ...]
    """Each with its weight."""
    low: int = 1
    high: int | None = 1
    """None for all of them."""
    separator: str = ","


@dataclass(frozen=True)
class _Wildcard:
    pattern: str


@dataclass(frozen=True)
class _Assignment:
    name: str
    value: _Template
    once: bool


@dataclass(frozen=True)
class _Variable:
    name: str
    default: _Template | None


_Template = tuple["str | _Variants | _Wildcard | _Assignment | _Variable", ...]


@dataclass(frozen=True)
class _Scope:
    """What is known at one place of a template."""

    variables: Mapping[str, _Template] = field(default_factory=dict)
    trail: tuple[str, ...] = ()
    """The wildcards and variables that led here."""
    depth: int = 0

    def into(self, name: str | None = None) -> _Scope:
        """One level deeper, through a wildcard or variable of that name."""
        if name is not None and name in self.trail:
            circle = " -> ".join([*self.trail[self.trail.index(name) :], name])
            raise RequestError(f"The template goes in a circle: {circle}.")
        if self.depth >= MAX_DEPTH:
            raise RequestError(f"The template's choices are nested more than {MAX_DEPTH} deep.")
        return replace(self, trail=self.trail if name is None else (*self.trail, name), depth=self.depth + 1)


def random_prompt(
    template: str, seed: int, wildcards: Wildcards | None = None, on_unknown: OnUnknown = refuse
) -> str:
    """One prompt of the template, chosen by `seed`: the same on every machine and Python version.

    An unknown wildcard is told to `on_unknown`, and stays in the text where that lets it pass. `RequestError` for brackets
    without a partner, a variable that is not set, options whose weights are all 0, a circle, and too deep nesting.
    """
    rng = random.Random(seed)
    walk = _Walk(wildcards or Wildcards(), on_unknown, lambda options, low, high: [_draw(rng, options, low, high)])
    text, _ = next(walk.sequence(_parse(template), _Scope()))
    return text


def all_prompts(
    template: str, limit: int, wildcards: Wildcards | None = None, on_unknown: OnUnknown = refuse
) -> Iterator[str]:
    """The template's prompts, each combination once, the last choice changing fastest; at most `limit` of them.

    They are made one by one, as they are asked for. Several options out of one bracket come in every order; weights do not
    matter. Otherwise as `random_prompt`.
    """
    if limit < 1:
        raise RequestError(f"limit {limit}: at least 1 prompt must be allowed.")
    walk = _Walk(wildcards or Wildcards(), on_unknown, _arrangements)
    return (text for text, _ in islice(walk.sequence(_parse(template), _Scope()), limit))


# Reading a template


def _parse(template: str) -> _Template:
    parser = _Parser(template)
    nodes, end = parser.sequence("", 0)
    assert end == "" and parser.place == len(template)
    return nodes


class _Parser:
    """Recursive descent over the template; `place` is how far it got."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.place = 0

    def sequence(self, ends: str, depth: int) -> tuple[_Template, str]:
        """What stands up to one of the marks `ends`, or up to the end of the text where there are none; and the mark."""
        if depth > MAX_DEPTH:
            raise RequestError(f"The template's choices are nested more than {MAX_DEPTH} deep.")
        nodes: list[str | _Variants | _Wildcard | _Assignment | _Variable] = []
        opened = self.place
        while match := _TOKEN.search(self.template, self.place):
            nodes.append(self.template[self.place : match.start()])
            self.place = match.end()
            if match["mark"] and match["mark"] in ends:
                return _tidy(nodes), match["mark"]
            if match["escaped"]:
                nodes.append(match["escaped"])
            elif match["wildcard"]:
                nodes.append(_Wildcard(match["wildcard"].strip()))
            elif match["variable"]:
                nodes.append(self._variable(match["name"], match["sign"], depth))
            elif match["mark"] == "{":
                nodes.append(self._variants(depth))
            elif match["mark"] == "}":
                raise RequestError(f'A "}}" without "{{" stands at character {self.place} of the template.')
            else:
                nodes.append("|")
        if ends:
            raise RequestError(f'A "{{" before character {opened + 1} of the template has no "}}".')
        nodes.append(self.template[self.place :])
        self.place = len(self.template)
        return _tidy(nodes), ""

    def _variable(self, name: str, sign: str, depth: int) -> _Assignment | _Variable:
        if sign == "}":
            return _Variable(name, None)
        value, _ = self.sequence("}", depth + 1)
        value = _strip_start(value)
        return _Variable(name, value) if sign == ":" else _Assignment(name, value, sign == "=!")

    def _variants(self, depth: int) -> _Variants:
        bounds = _BOUNDS.match(self.template, self.place)
        if bounds:
            self.place = bounds.end()
        options = []
        mark = "|"
        while mark == "|":
            weight = _WEIGHT.match(self.template, self.place)
            if weight:
                self.place = weight.end()
            option, mark = self.sequence("|}", depth + 1)
            options.append((_finite(weight[1]) if weight else 1.0, _strip_start(option)))
        if bounds is None:
            return _Variants(tuple(options))
        low = int(bounds["exact"] or bounds["low"] or 1)
        high = None if bounds["dash"] and not bounds["high"] else int(bounds["exact"] or bounds["high"])
        if high is not None and high < low:
            raise RequestError(f'"{bounds[0].strip()}" counts down; write the smaller number first.')
        return _Variants(tuple(options), low, high, "," if bounds["separator"] is None else bounds["separator"])


def _finite(text: str) -> float:
    weight = float(text)
    if not math.isfinite(weight):
        raise RequestError(f"The weight of an option is too large: it has {len(text)} digits.")
    return weight


def _tidy(nodes: list[str | _Variants | _Wildcard | _Assignment | _Variable]) -> _Template:
    return tuple(node for node in nodes if node != "")


def _strip_start(template: _Template) -> _Template:
    if template and isinstance(template[0], str):
        return _tidy([template[0].lstrip(), *template[1:]])
    return template


# Walking through a template

_Options = Sequence[tuple[float, _Template]]
_Select = Callable[[_Options, int, int], Iterator[list[_Template]] | list[list[_Template]]]
"""The selections of `low` to `high` different options."""


@dataclass(frozen=True)
class _Walk:
    """All texts of a template that `select` leads to, with the scope after each."""

    wildcards: Wildcards
    on_unknown: OnUnknown
    select: _Select

    def sequence(self, template: _Template, scope: _Scope, separator: str = "") -> Iterator[tuple[str, _Scope]]:
        """Backtracking over the nodes from left to right, as each may set variables for those after it."""
        if not template:
            yield "", scope
            return
        texts: list[str] = []
        walks = [self._node(template[0], scope)]
        while walks:
            found = next(walks[-1], None)
            if found is None:
                walks.pop()
                if texts:
                    texts.pop()
            elif len(walks) == len(template):
                yield separator.join([*texts, found[0]]), found[1]
            else:
                texts.append(found[0])
                walks.append(self._node(template[len(walks)], found[1]))

    def _node(
        self, node: str | _Variants | _Wildcard | _Assignment | _Variable, scope: _Scope
    ) -> Iterator[tuple[str, _Scope]]:
        match node:
            case str():
                yield node, scope
            case _Variants():
                yield from self._variants(node, scope)
            case _Wildcard():
                yield from self._variants(_Variants(((1.0, (node,)),)), scope)
            case _Variable():
                template = scope.variables.get(node.name, node.default)
                if template is None:
                    known = nearest(node.name, scope.variables) if scope.variables else " None are set."
                    raise RequestError(f'The variable "{node.name}" is not set.{known}')
                for text, _ in self.sequence(template, scope.into(f"${{{node.name}}}")):
                    yield text, scope
            case _Assignment():
                values = [(text,) for text, _ in ()] if not node.once else None
                if values is None:
                    for text, _ in self.sequence(node.value, scope.into()):
                        yield "", replace(scope, variables={**scope.variables, node.name: (text,)})
                else:
                    yield "", replace(scope, variables={**scope.variables, node.name: node.value})
