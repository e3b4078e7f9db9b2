"""From the text that a person typed to what a text encoder has to read at which step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from inkbloom.core.errors import RequestError, nearest
from inkbloom.text.prompt.attention import Segment, parse_attention
from inkbloom.text.prompt.chunks import Dialect, check_dialect
from inkbloom.text.prompt.comfy import parse_comfy
from inkbloom.text.prompt.composition import split_parts
from inkbloom.text.prompt.networks import Network, take_networks
from inkbloom.text.prompt.schedule import Timeline, schedule
from inkbloom.text.prompt.unknown import OnUnknown, refuse

Emphasis = Literal["None", "Ignore", "Original", "No norm"]
"""What A1111's brackets do, by its names. None: they are text. Ignore: they are taken out and do nothing. Original and
No norm: they give weights; see `emphasis.py`."""

_WHOLE_LINE_COMMENT = re.compile(r"(^|\n)#[^\n]*(\n|$)")
_COMMENT = re.compile(r"#[^\n]*(\n|$)")


@dataclass(frozen=True, kw_only=True)
class ScheduledText:
    until_step: int
    """The last step at which it holds, from 1 on."""
    text: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    weight: float
    schedule: tuple[ScheduledText, ...]
    """By increasing steps; never empty."""


@dataclass(frozen=True, kw_only=True)
class ParsedPrompt:
    dialect: Dialect
    emphasis: Emphasis
    parts: tuple[Part, ...]
    """Joined by `AND`; one in most prompts."""
    networks: tuple[Network, ...]


def parse(
    text: str,
    *,
    timeline: Timeline,
    dialect: Dialect = "a1111",
    emphasis: Emphasis = "Original",
    negative: bool = False,
    on_unknown: OnUnknown = refuse,
) -> ParsedPrompt:
    """Read a prompt by the rules of `dialect`.

    a1111 takes out comments (from `#` to the end of the line) and network tags, cuts at `AND`, makes a schedule of each
    part, and segments of each scheduled text. In a negative prompt tags and `AND` are text. comfy reads brackets, and
    network tags, which stand for ComfyUI's nodes; plain reads nothing at all. `emphasis` is for a1111. Time grows about
    linearly with the text, and only a `RequestError` is raised: for an unknown dialect or emphasis, and for what the
    functions named above refuse. Wildcards and styles come before this.
    """
    check_dialect(dialect)
    if emphasis not in get_args(Emphasis):
        raise RequestError(f'Unknown emphasis "{emphasis}".{nearest(emphasis, get_args(Emphasis))}')
    if dialect == "a1111":
        text = _strip_comments(text)
    networks: tuple[Network, ...] = ()
    if dialect != "plain" and not negative:
        text, networks = take_networks(text, on_unknown, others_are_text=dialect == "comfy")
    if dialect != "a1111":
        segments = parse_comfy(text) if dialect == "comfy" else (Segment(text),)
        only = ScheduledText(until_step=timeline.length, text=text, segments=segments)
        parts = [Part(weight=1.0, schedule=(only,))]
    else:
        weighted = [(text, 1.0)] if negative else split_parts(text)
        parts = [Part(weight=weight, schedule=_read_schedule(part, timeline, emphasis)) for part, weight in weighted]
    return ParsedPrompt(dialect=dialect, emphasis=emphasis, parts=tuple(parts), networks=networks)


def _strip_comments(text: str) -> str:
    """A comment leaves one line break, as in A1111."""
    return _COMMENT.sub("\n", _WHOLE_LINE_COMMENT.sub("\n", text))


def _read_schedule(text: str, timeline: Timeline, emphasis: Emphasis) -> tuple[ScheduledText, ...]:
    entries = schedule(text, timeline)
    segments = {version: _read_segments(version, emphasis) for version in dict(entries).values()}
    return tuple(ScheduledText(until_step=step, text=version, segments=segments[version]) for step, version in entries)


def _read_segments(text: str, emphasis: Emphasis) -> tuple[Segment, ...]:
    if emphasis == "None":
        return (Segment(text),)
    segments = parse_attention(text)
    if emphasis == "Ignore":
        # The cuts stay where they are: tokens do not reach over them.
        return tuple(Segment(segment.text, 1.0, segment.starts_chunk) for segment in segments)
    return segments
