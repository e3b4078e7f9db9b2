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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice, permutations
from typing import TypeAlias

from inkbloom.core.errors import RequestError, nearest
from inkbloom.text.prompt.unknown import OnUnknown, refuse
from inkbloom.text.prompt.wildcards import Wildcards

MAX_DEPTH = 50
"""Variants, wildcards and variables may stand in each other so deep."""
MAX_VISITS = 20_000
"""For one prompt; variables that name each other twice would otherwise double the work at each level."""

_TOKEN = re.compile(
    r"\\(?P<escaped>[{}|$_])|(?P<variable>\$\{\s*(?P<name>[A-Za-z_-][\w-]*)\s*(?P<sign>=!|=|:|\}))|(?P<mark>[{}|])"
    r"|__(?P<wildcard>(?:(?!__)[^{}|$\n])+)__"
)
_BOUNDS = re.compile(
    r"\s*(?:(?P<low>\d{1,9})?(?P<dash>-)(?P<high>\d{1,9})?|(?P<exact>\d{1,9}))\$\$(?:(?P<separator>[^${}]*)\$\$)?"
)
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
class _Line:
    """A text of a wildcard file, not yet read as a template."""

    wildcard: str
    text: str


@dataclass(frozen=True)
class _Assignment:
    name: str
    value: _Template
    once: bool


@dataclass(frozen=True)
class _Variable:
    name: str
    default: _Template | None


_Node: TypeAlias = "str | _Variants | _Wildcard | _Line | _Assignment | _Variable"
_Template: TypeAlias = "tuple[_Node, ...]"


@dataclass(frozen=True)
class _Scope:
    """What is known at one place of a template."""

    variables: Mapping[str, _Template] = field(default_factory=dict)
    trail: tuple[str, ...] = ()
    """The wildcards and variables that led here."""
    depth: int = 0

    def into(self, name: str | None = None) -> _Scope:
        """One level deeper, through a wildcard or variable of that name."""
        if name in self.trail:
            circle = " -> ".join([*self.trail[self.trail.index(name) :], name])
            raise RequestError(f"The template goes in a circle: {circle}.")
        _check_depth(self.depth)
        return replace(self, trail=self.trail if name is None else (*self.trail, name), depth=self.depth + 1)


def random_prompt(template: str, seed: int, wildcards: Wildcards | None = None, on_unknown: OnUnknown = refuse) -> str:
    """One prompt of the template, chosen by `seed`: the same on every machine and Python version.

    An unknown wildcard is told to `on_unknown`, and stays in the text where that lets it pass. `RequestError` for
    brackets without a partner, a variable that is not set, options whose weights are all 0, an empty wildcard, a
    circle, too deep nesting, and more than `MAX_VISITS` choices and pieces of text.
    """
    rng = random.Random(seed)
    walk = _Walk(wildcards or Wildcards(), on_unknown, lambda weights, low, high: [_draw(rng, weights, low, high)])
    return next(walk.texts(template))


def all_prompts(
    template: str, limit: int, wildcards: Wildcards | None = None, on_unknown: OnUnknown = refuse
) -> Iterator[str]:
    """The template's prompts, each combination once, the last choice changing fastest; at most `limit` of them.

    They are made one by one, as they are asked for. Several options out of one bracket come in every order; weights do
    not matter. Otherwise as `random_prompt`.
    """
    if limit < 1:
        raise RequestError(f"limit {limit}: at least 1 prompt must be allowed.")
    return islice(_Walk(wildcards or Wildcards(), on_unknown, _arrangements).texts(template), limit)


def _draw(rng: random.Random, weights: Sequence[float], low: int, high: int) -> list[int]:
    """`low` to `high` different places, one after the other, each with a chance in proportion to its weight.

    `Random.random` is the one method whose numbers Python promises not to change.
    """
    left = list(range(len(weights)))
    drawn = []
    for _ in range(low + int(rng.random() * (high - low + 1))):
        total = sum(weights[place] for place in left)
        if total == 0:
            raise RequestError("The options of a template have the weight 0, and nothing else is left to choose.")
        point = rng.random() * total
        for place in left:
            point -= weights[place]
            if point < 0:
                break
        else:  # rounding
            place = max(left, key=lambda place: weights[place])
        drawn.append(place)
        left.remove(place)
    return drawn


def _arrangements(weights: Sequence[float], low: int, high: int) -> Iterator[Sequence[int]]:
    """Every choice of `low` to `high` different places, in every order."""
    return chain.from_iterable(permutations(range(len(weights)), count) for count in range(low, high + 1))


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise RequestError(f"The template's choices are nested more than {MAX_DEPTH} deep.")


# Reading a template


def _parse(template: str) -> _Template:
    return _Parser(template).sequence("", 0, 0)[0]


class _Parser:
    """Recursive descent over the template; `place` is how far it got."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.place = 0

    def sequence(self, ends: str, opened: int, depth: int) -> tuple[_Template, str]:
        """What stands before one of the marks `ends`, or before the end of the text if there are none; and the mark.

        `opened` says where the bracket stands that must close here, counted from 1.
        """
        _check_depth(depth)
        nodes: list[_Node] = []
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
                nodes.append(self._variable(match, depth))
            elif match["mark"] == "{":
                nodes.append(self._variants(depth))
            elif match["mark"] == "}":
                raise RequestError(f'A "}}" without "{{" stands at character {self.place} of the template.')
            else:
                nodes.append("|")
        if ends:
            raise RequestError(f'The "{{" at character {opened} of the template has no "}}".')
        nodes.append(self.template[self.place :])
        self.place = len(self.template)
        return _tidy(nodes), ""

    def _variable(self, start: re.Match[str], depth: int) -> _Assignment | _Variable:
        name, sign = start["name"], start["sign"]
        if sign == "}":
            return _Variable(name, None)
        value, _ = self.sequence("}", start.start() + 2, depth + 1)
        value = _strip_start(value)
        return _Variable(name, value) if sign == ":" else _Assignment(name, value, sign == "=!")

    def _variants(self, depth: int) -> _Variants:
        opened = self.place
        bounds = _BOUNDS.match(self.template, self.place)
        if bounds:
            self.place = bounds.end()
        options = []
        mark = "|"
        while mark == "|":
            weight = _WEIGHT.match(self.template, self.place)
            if weight:
                self.place = weight.end()
            option, mark = self.sequence("|}", opened, depth + 1)
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


def _tidy(nodes: list[_Node]) -> _Template:
    return tuple(node for node in nodes if node != "")


def _strip_start(template: _Template) -> _Template:
    if template and isinstance(template[0], str):
        return _tidy([template[0].lstrip(), *template[1:]])
    return template


# Walking through a template


@dataclass
class _Walk:
    """All texts of a template that `select` leads to."""

    wildcards: Wildcards
    on_unknown: OnUnknown
    select: Callable[[Sequence[float], int, int], Iterable[Sequence[int]]]
    """The selections of `low` to `high` different places among options with these weights."""
    visits: int = 0
    """Since the last text came out."""

    def texts(self, template: str) -> Iterator[str]:
        for text, _ in self._sequence(_parse(template), _Scope()):
            yield text
            self.visits = 0

    def _sequence(self, template: _Template, scope: _Scope) -> Iterator[tuple[str, _Scope]]:
        """The texts, and the scope after each: a node may set variables for those after it."""
        for texts, after in _combine(len(template), lambda place, at: self._node(template[place], at), scope):
            yield "".join(texts), after

    def _node(self, node: _Node, scope: _Scope) -> Iterator[tuple[str, _Scope]]:
        self.visits += 1
        if self.visits > MAX_VISITS:
            raise RequestError(
                f"The template comes to more than {MAX_VISITS} choices and pieces of text for one prompt."
            )
        match node:
            case str():
                yield node, scope
            case _Variants():
                yield from self._variants(node, scope)
            case _Wildcard():
                yield from self._variants(_Variants(((1.0, (node,)),)), scope)
            case _Line():
                for text, _ in self._sequence(_parse_line(node), scope.into(f"__{node.wildcard}__")):
                    yield text, scope
            case _Variable():
                for text, _ in self._sequence(_look_up(node, scope), scope.into(f"${{{node.name}}}")):
                    yield text, scope
            case _Assignment(once=False):
                yield "", _set(scope, node.name, node.value)
            case _Assignment():
                for text, _ in self._sequence(node.value, scope.into()):
                    yield "", _set(scope, node.name, (text,))

    def _variants(self, node: _Variants, scope: _Scope) -> Iterator[tuple[str, _Scope]]:
        options = node.options
        match options:
            case ((_, (_Wildcard(pattern),)),):
                options = self._lines(pattern)
        high = len(options) if node.high is None else min(node.high, len(options))
        inside = scope.into()
        for places in self.select([weight for weight, _ in options], min(node.low, high), high):
            chosen = [options[place][1] for place in places]
            for texts, _ in _combine(len(chosen), lambda i, _, chosen=chosen: self._sequence(chosen[i], inside), scope):
                yield node.separator.join(texts), scope

    def _lines(self, pattern: str) -> tuple[tuple[float, _Template], ...]:
        """The texts that a wildcard stands for, as options."""
        names = self.wildcards.find(pattern)
        if not names:
            known = self.wildcards.names
            self.on_unknown(
                f'Unknown wildcard "{pattern}".' + (nearest(pattern, known) if known else " There are none.")
            )
            return ((1.0, (f"__{pattern}__",)),)
        options = []
        for name in names:
            for text in self.wildcards.texts(name):
                weight = _WEIGHT.match(text)
                rest = text[weight.end() :] if weight else text
                options.append((_finite(weight[1]) if weight else 1.0, (_Line(name, rest),)))
        if not options:
            raise RequestError(f'The wildcard "{pattern}" is empty.')
        return tuple(options)


def _combine(
    count: int, walk: Callable[[int, _Scope], Iterator[tuple[str, _Scope]]], scope: _Scope
) -> Iterator[tuple[list[str], _Scope]]:
    """Every combination of `count` texts, by backtracking: walk(i, scope) gives the i-th ones, in the scope so far."""
    if count == 0:
        yield [], scope
        return
    texts: list[str] = []
    walks = [walk(0, scope)]
    while walks:
        found = next(walks[-1], None)
        if found is None:
            walks.pop()
            del texts[-1:]
        elif len(walks) == count:
            yield [*texts, found[0]], found[1]
        else:
            texts.append(found[0])
            walks.append(walk(len(walks), found[1]))


def _parse_line(line: _Line) -> _Template:
    try:
        return _parse(line.text)
    except RequestError as error:
        raise RequestError(f'In the wildcard "{line.wildcard}", "{line.text}": {error}') from None


def _look_up(variable: _Variable, scope: _Scope) -> _Template:
    template = scope.variables.get(variable.name, variable.default)
    if template is None:
        known = nearest(variable.name, scope.variables) if scope.variables else " None are set."
        raise RequestError(f'The variable "{variable.name}" is not set.{known}')
    return template


def _set(scope: _Scope, name: str, value: _Template) -> _Scope:
    return replace(scope, variables={**scope.variables, name: value})
