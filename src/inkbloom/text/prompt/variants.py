"""Templates: texts with choices in them, in the grammar of the dynamic-prompts extension.

    {a|b|c}          one of them; {2::a|b} chooses a twice as often as b; a lone {a} is a
    {2$$a|b|c}       two different ones, joined by ","; {2$$ and $$a|b|c} joins them by " and "
    {1-3$$a|b|c}     one to three; {-2$$...} is 1 to 2, {2-$$...} is 2 or more; more than there are means all
    __name__         a line of a wildcard file, itself a template; {2$$__name__} chooses two different lines
    __name(x=a)__    the same, with ${x} set to the text a in it; several are separated by commas
    ${x=...}         from here on ${x} is this template, chosen anew at each use; ${x=!...} is chosen once
    ${x?=...}        the same, but only where x is not set; ${x?=!...} too
    ${x:...}         x, or this where x is not set
    %{a ... b$$c}    c in place of the three dots (or the one sign "\u2026"): "a c b"
    {~a|b} {!a|b} {@a|b} __~name__ __!name__ __@name__
                     chosen at random, all of them one after the other, or in turn; see `random_prompt`, `all_prompts`

White space before an option does not count; a backslash before one of { } | $ _ % makes it a plain character.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, cast

from inkbloom.core.errors import RequestError, nearest
from inkbloom.text.prompt.choosing import Choices, Odometer, Sampler
from inkbloom.text.prompt.unknown import OnUnknown, refuse
from inkbloom.text.prompt.wildcards import Wildcards

MAX_DEPTH = 50
"""Variants, wildcards and variables may stand in each other so deep."""
MAX_VISITS = 20_000
"""For one prompt; variables that name each other twice would otherwise double the work at each level."""

_TOKEN = re.compile(
    r"\\(?P<escaped>[{}|$_%])|(?P<variable>\$\{\s*(?P<name>[A-Za-z_-][\w-]*)\s*(?P<sign>\??=!?|:|\}))"
    r"|(?P<mark>%\{|[{}|]|\$\$)|__(?P<wildcard>(?:(?!__)[^{}|$\n])+)__"
)
_BOUNDS = re.compile(
    r"\s*(?:(?P<low>\d{1,9})?(?P<dash>-)(?P<high>\d{1,9})?|(?P<exact>\d{1,9}))\$\$(?:(?P<separator>[^${}]*)\$\$)?"
)
_WEIGHT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*::")
_WILDCARD = re.compile(r"(?P<sampler>[~!@])?\s*(?P<pattern>.*?)\s*(?:\((?P<arguments>[^()]*)\))?")
_PLACE_TO_WRAP = re.compile("\\.{3,}|[\u1801\u2026\u22ee\u22ef\u22f0\u22f1\ufe19]+")


@dataclass(frozen=True)
class _Variants:
    options: tuple[tuple[float, _Template], ...]
    """Each with its weight."""
    low: int = 1
    high: int | None = 1
    """None for all of them."""
    separator: str = ","
    sampler: Sampler | None = None
    """None: as the whole template is read."""


@dataclass(frozen=True)
class _Wildcard:
    pattern: str
    sampler: Sampler | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    """Variables that are set in its texts."""


@dataclass(frozen=True)
class _Line:
    """A text of a wildcard file, not yet read as a template."""

    wildcard: str
    text: str
    arguments: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Wrap:
    around: _Template
    inside: _Template


@dataclass(frozen=True)
class _Assignment:
    name: str
    value: _Template
    once: bool
    if_unset: bool


@dataclass(frozen=True)
class _Variable:
    name: str
    default: _Template | None


_Node: TypeAlias = "str | _Variants | _Wildcard | _Line | _Wrap | _Assignment | _Variable"
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

    A bracket with `@` takes option number `seed`, counted around, so that those of seeds that count up keep step with
    each other. Those with `!` run through all their combinations as the seeds count up from 0, the first fastest. An
    unknown wildcard is told to `on_unknown`, and stays in the text where that lets it pass. `RequestError` for brackets
    without a partner, a wrap without "..." or "$$", a variable that is not set, options whose weights are all 0, an
    empty wildcard, a circle, too deep nesting, and more than `MAX_VISITS` choices and pieces of text.
    """
    left = seed

    def next_digit(total: int) -> int:
        nonlocal left
        left, place = divmod(left, total)
        return place

    return _Walk(wildcards or Wildcards(), on_unknown, Choices("~", seed, next_digit)).text(_parse(template))


def all_prompts(
    template: str, limit: int, wildcards: Wildcards | None = None, on_unknown: OnUnknown = refuse
) -> Iterator[str]:
    """The template's prompts, each combination once, the last choice changing fastest; at most `limit` of them.

    They are made one by one, as they are asked for. Several options out of one bracket come in every order; weights do
    not matter. A bracket with `~` or `@` does not multiply the prompts: prompt k has one of its options, drawn anew, or
    number k, counted around. Otherwise as `random_prompt`.
    """
    if limit < 1:
        raise RequestError(f"limit {limit}: at least 1 prompt must be allowed.")
    return _all(template, limit, wildcards or Wildcards(), on_unknown)


def _all(template: str, limit: int, wildcards: Wildcards, on_unknown: OnUnknown) -> Iterator[str]:
    parsed, odometer = _parse(template), Odometer()
    for number in range(limit):
        yield _Walk(wildcards, on_unknown, Choices("!", number, odometer)).text(parsed)
        if not odometer.advance():
            return


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise RequestError(f"The template's choices are nested more than {MAX_DEPTH} deep.")


# Reading a template


def _parse(template: str) -> _Template:
    return _Parser(template).sequence((), 0, 0)[0]


class _Parser:
    """Recursive descent over the template; `place` is how far it got."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.place = 0

    def sequence(self, ends: tuple[str, ...], opened: int, depth: int) -> tuple[_Template, str]:
        """What stands before one of the marks `ends`, or before the end of the text if there are none; and the mark.

        `opened` says where the bracket stands that must close here, counted from 1.
        """
        _check_depth(depth)
        nodes: list[_Node] = []
        while match := _TOKEN.search(self.template, self.place):
            nodes.append(self.template[self.place : match.start()])
            self.place = match.end()
            if match["mark"] in ends:
                return _tidy(nodes), match["mark"]
            if match["escaped"]:
                nodes.append(match["escaped"])
            elif match["wildcard"]:
                nodes.append(_read_wildcard(match["wildcard"].strip()))
            elif match["variable"]:
                nodes.append(self._variable(match, depth))
            elif match["mark"] == "{":
                nodes.append(self._variants(depth))
            elif match["mark"] == "%{":
                nodes.append(self._wrap(depth))
            elif match["mark"] == "}":
                raise RequestError(f'A "}}" without "{{" stands at character {self.place} of the template.')
            else:
                nodes.append(match["mark"])
        if ends:
            raise RequestError(f'The "{{" at character {opened} of the template has no "}}".')
        nodes.append(self.template[self.place :])
        self.place = len(self.template)
        return _tidy(nodes), ""

    def _variable(self, start: re.Match[str], depth: int) -> _Assignment | _Variable:
        name, sign = start["name"], start["sign"]
        if sign == "}":
            return _Variable(name, None)
        value, _ = self.sequence(("}",), start.start() + 2, depth + 1)
        value = _strip_start(value)
        if sign == ":":
            return _Variable(name, value)
        return _Assignment(name, value, once=sign.endswith("!"), if_unset=sign.startswith("?"))

    def _wrap(self, depth: int) -> _Wrap:
        opened = self.place
        around, mark = self.sequence(("$$", "}"), opened, depth + 1)
        if mark != "$$":
            raise RequestError(
                f'The "%{{" at character {opened - 1} of the template has no "$$"; write "%{{a ... b$$c}}".'
            )
        inside, _ = self.sequence(("}",), opened, depth + 1)
        return _Wrap(around, inside)

    def _variants(self, depth: int) -> _Variants:
        opened = self.place
        sampler: Sampler | None = None
        if self.template[self.place : self.place + 1] in ("~", "!", "@"):
            sampler = cast("Sampler", self.template[self.place])
            self.place += 1
        bounds = _BOUNDS.match(self.template, self.place)
        if bounds:
            self.place = bounds.end()
        options = []
        mark = "|"
        while mark == "|":
            weight = _WEIGHT.match(self.template, self.place)
            if weight:
                self.place = weight.end()
            option, mark = self.sequence(("|", "}"), opened, depth + 1)
            options.append((_finite(weight[1]) if weight else 1.0, _strip_start(option)))
        if bounds is None:
            return _Variants(tuple(options), sampler=sampler)
        low = int(bounds["exact"] or bounds["low"] or 1)
        high = None if bounds["dash"] and not bounds["high"] else int(bounds["exact"] or bounds["high"])
        if high is not None and high < low:
            raise RequestError(f'"{bounds[0].strip()}" counts down; write the smaller number first.')
        separator = "," if bounds["separator"] is None else bounds["separator"]
        return _Variants(tuple(options), low, high, separator, sampler)


def _read_wildcard(text: str) -> _Wildcard:
    found = _WILDCARD.fullmatch(text)
    assert found is not None  # it fits every text
    pairs = [pair.partition("=") for pair in (found["arguments"] or "").split(",") if pair.strip()]
    if wrong := next((name for name, equals, _ in pairs if not (name.strip() and equals)), None):
        raise RequestError(f'"{wrong.strip()}" in "__{text}__" sets no variable; write __NAME(variable=text)__.')
    arguments = tuple((name.strip(), value.strip()) for name, _, value in pairs)
    return _Wildcard(found["pattern"], cast("Sampler | None", found["sampler"]), arguments)


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
    """The way through a template to one text."""

    wildcards: Wildcards
    on_unknown: OnUnknown
    choose: Choices
    visits: int = 0

    def text(self, template: _Template) -> str:
        return self._sequence(template, _Scope())[0]

    def _sequence(self, template: _Template, scope: _Scope) -> tuple[str, _Scope]:
        """The text, and the scope after it: a node may set variables for those after it."""
        texts = []
        for node in template:
            text, scope = self._node(node, scope)
            texts.append(text)
        return "".join(texts), scope

    def _node(self, node: _Node, scope: _Scope) -> tuple[str, _Scope]:
        self.visits += 1
        if self.visits > MAX_VISITS:
            raise RequestError(
                f"The template comes to more than {MAX_VISITS} choices and pieces of text for one prompt."
            )
        match node:
            case str():
                return node, scope
            case _Variants():
                return self._variants(node, scope), scope
            case _Wildcard():
                return self._variants(_Variants(((1.0, (node,)),)), scope), scope
            case _Line():
                inside = scope.into(f"__{node.wildcard}__")
                for name, value in node.arguments:
                    inside = _set(inside, name, (value,))
                return self._sequence(_parse_line(node), inside)[0], scope
            case _Wrap():
                return self._wrap(node, scope), scope
            case _Variable():
                return self._sequence(_look_up(node, scope), scope.into(f"${{{node.name}}}"))[0], scope
            case _Assignment(if_unset=True) if node.name in scope.variables:
                return "", scope
            case _Assignment(once=False):
                return "", _set(scope, node.name, node.value)
            case _Assignment():
                return "", _set(scope, node.name, (self._sequence(node.value, scope.into())[0],))

    def _variants(self, node: _Variants, scope: _Scope) -> str:
        options, sampler = node.options, node.sampler
        match options:
            case ((_, (_Wildcard() as wildcard,)),):
                options, sampler = self._lines(wildcard), sampler or wildcard.sampler
        high = len(options) if node.high is None else min(node.high, len(options))
        chosen = self.choose(sampler, [weight for weight, _ in options], min(node.low, high), high)
        inside = scope.into()
        return node.separator.join(self._sequence(options[place][1], inside)[0] for place in chosen)

    def _wrap(self, node: _Wrap, scope: _Scope) -> str:
        inside = scope.into()
        around, text = (self._sequence(part, inside)[0] for part in (node.around, node.inside))
        place = _PLACE_TO_WRAP.search(around)
        if place is None:
            raise RequestError(f'The wrap "{around[:40]}" has no "..." to say where "{text[:40]}" goes.')
        return around[: place.start()] + text + around[place.end() :]

    def _lines(self, wildcard: _Wildcard) -> tuple[tuple[float, _Template], ...]:
        """The texts that a wildcard stands for, as options."""
        pattern = wildcard.pattern
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
                line = _Line(name, rest, wildcard.arguments)
                options.append((_finite(weight[1]) if weight else 1.0, (line,)))
        if not options:
            raise RequestError(f'The wildcard "{pattern}" is empty.')
        return tuple(options)


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
