"""Prompt editing and alternation, A1111's `[from:to:when]` and `[a|b]`: a text becomes a schedule of texts.

    [from:to:when]  `from` while the step is at most `when`, then `to`; [to:when] and [from::when] leave out one of them
    [a|b|c]         a at step 1, b at step 2, c at step 3, a at step 4, ...; options may be empty
    (x) (x:y) [x]   brackets that mean emphasis; what is in them may be scheduled, they themselves stay in the text

A bracket that is none of these is text, as in "((a][:b:c [d:3]"; so are a colon outside of brackets and a character
after a backslash. A `|` may stand between options only: where one stands elsewhere, or a backslash stands alone at the
end of a line, the whole text is literal at all steps. That is what A1111's ambiguous grammar amounts to: what is inside
a scheduled bracket must be well formed, the outermost bracket that is so wins, and it can be found in one pass over the
text. (One difference: where two stray brackets or colons follow a scheduled bracket at once, as in "[a:3]))", A1111
takes it for text.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from inkbloom.core.errors import RequestError

# The last alternative is a backslash with nothing after it in its line, which the grammar does not know.
_TOKEN = re.compile(r"\\.|[\[\]():|]|[^\\\[\]():|]+|\\")
_WHEN = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_CLOSES = {"]": "[", ")": "("}

MAX_CHARACTERS = 20_000_000
"""The texts of all steps together may be so long; more is refused, lest a hostile prompt fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The steps that a schedule is spread over. `RequestError` for numbers below 1."""

    steps: int
    """Sampling steps; of the first pass, where there are two."""
    hires_steps: int | None = None
    """Given, the schedule is that of the second pass, which has so many steps: there fractions run from 1.0 to 2.0, and
    whole numbers count on from the first pass."""
    second_order: bool = False
    """The sampler calls the model twice a step; A1111 counts calls, so all steps are doubled."""
    old_scheduling: bool = False
    """As A1111 before 1.6: a number below 1 is a fraction, any other a step, and both passes have the same schedule."""

    def __post_init__(self) -> None:
        for name, steps in (("steps", self.steps), ("hires_steps", self.hires_steps)):
            if steps is not None and steps < 1:
                raise RequestError(f"{name} {steps}: a schedule needs at least 1 step.")

    @property
    def length(self) -> int:
        """The last step of the schedule, in model calls."""
        return self._calls_per_step * (self._second_pass_steps or self.steps)

    def step(self, when: str) -> int:
        """The step that a number in the text stands for, from 0 (switched from the start) to `length`.

        With a point it is a fraction of the steps, else a step.
        """
        number = float(when)
        second_pass = self._second_pass_steps is not None
        if number < 1 if self.old_scheduling else "." in when:
            step = (number - second_pass) * self.length
        else:
            step = number - second_pass * self._calls_per_step * self.steps
        return int(min(max(step, 0), self.length))

    @property
    def _second_pass_steps(self) -> int | None:
        return None if self.old_scheduling else self.hires_steps

    @property
    def _calls_per_step(self) -> int:
        return 2 if self.second_order else 1


def schedule(text: str, timeline: Timeline) -> list[tuple[int, str]]:
    """[(until_step, text), ...] by increasing steps, the last `timeline.length`; one entry where nothing changes.

    Neighbours may have the same text: an alternation makes an entry for every step. Linear in the text's length times
    the number of entries. `RequestError` where the result would have more than `MAX_CHARACTERS`.
    """
    tokens = _TOKEN.findall(text)
    choices = _find_choices(tokens, timeline)
    if choices is None:
        return [(timeline.length, text)]
    points = {timeline.length}
    for choice in choices:
        points |= set(range(1, timeline.length + 1)) if choice.until is None else {choice.until}
    points.discard(0)
    if len(points) * len(text) > MAX_CHARACTERS:
        raise RequestError(
            f"The prompt has {len(text)} characters and changes at {len(points)} steps; "
            f"together that may be at most {MAX_CHARACTERS} characters."
        )
    return [(step, _render(tokens, choices, step)) for step in sorted(points)]


@dataclass
class _Bracket:
    """An open bracket, by the places of its tokens."""

    opening: int
    colons: list[int] = field(default_factory=list)
    bars: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Choice:
    """A bracket of which one branch is taken, up to the next of `ends`; then the text goes on after `closing`."""

    opening: int
    starts: list[int]
    """The first token of each branch."""
    ends: list[int]
    closing: int
    until: int | None
    """The last step of the first branch; None where the branches alternate."""

    def start(self, step: int) -> int:
        if self.until is None:
            return self.starts[(step - 1) % len(self.starts)]
        return self.starts[0 if step <= self.until else 1]


def _find_choices(tokens: list[str], timeline: Timeline) -> list[_Choice] | None:
    """The choices in the text, or None where it is literal as a whole."""
    choices = []
    stack: list[_Bracket] = []
    for place, token in enumerate(tokens):
        if token in ("[", "("):
            stack.append(_Bracket(place))
        elif token == ":" and stack:
            stack[-1].colons.append(place)
        elif token == "|":
            if not stack or tokens[stack[-1].opening] == "(":
                return None
            stack[-1].bars.append(place)
        elif token in _CLOSES and stack:
            bracket = stack.pop()
            fits = tokens[bracket.opening] == _CLOSES[token]
            choice = _choice(tokens, bracket, place, timeline) if fits and token == "]" else None
            if choice is not None:
                choices.append(choice)
            elif not fits or len(bracket.colons) > (token == ")") or bracket.bars:
                # This bracket is text, and with it every bracket around it: they would have to hold it.
                if any(outer.bars for outer in (bracket, *stack)):
                    return None
                stack.clear()
        elif token == "\\":
            return None
    return None if any(bracket.bars for bracket in stack) else choices


def _choice(tokens: list[str], bracket: _Bracket, closing: int, timeline: Timeline) -> _Choice | None:
    """What a square bracket chooses between, or None where it does not choose."""
    first = bracket.opening + 1
    if bracket.bars and not bracket.colons:
        ends = [*bracket.bars, closing]
        return _Choice(bracket.opening, [first, *(bar + 1 for bar in bracket.bars)], ends, closing, None)
    if bracket.bars or len(bracket.colons) not in (1, 2):
        return None
    *middle, last = bracket.colons
    when = _WHEN.fullmatch(tokens[last + 1]) if closing == last + 2 else None
    if when is None:
        return None
    # In [to:when] nothing is there before.
    starts = [first, middle[0] + 1] if middle else [last, first]
    return _Choice(bracket.opening, starts, [*middle, last], closing, timeline.step(when[1]))


def _render(tokens: list[str], choices: list[_Choice], step: int) -> str:
    """The text at a step, from 1 on."""
    goto = {choice.opening: choice.start(step) for choice in choices}
    goto |= {end: choice.closing + 1 for choice in choices for end in choice.ends}
    rendered = []
    place = 0
    while place < len(tokens):
        if place in goto:
            place = goto[place]
        else:
            rendered.append(tokens[place])
            place += 1
    return "".join(rendered)
