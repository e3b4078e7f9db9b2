"""What a caption becomes in one step, in kohya's order.

Prefix and suffix; the whole caption dropped; one line and one of each {a|b} chosen; tags: fixed ones, and others, of
which a growing number is taken, shuffled, some dropped; joined; the secondary separator; words replaced. Otherwise than
in kohya's, each line has the prefix and the suffix, not only the first and the last.
"""

from __future__ import annotations

import dataclasses
import math
import random
import re
from collections.abc import Sequence
from typing import TypeVar

from inkbloom.training.data.settings import DataSettings

T = TypeVar("T")

_CHOICE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")


def step_caption(text: str, settings: DataSettings, rng: random.Random, *, step: int, epoch: int) -> str:
    """The caption trained on in `step` of `epoch`, both from 0; all chance comes from `rng`."""
    every = settings.caption_dropout_every
    if rng.random() < settings.caption_dropout or (every and (epoch + 1) % every == 0):
        return ""
    around = (settings.caption_prefix, settings.caption_suffix)
    lines = [" ".join(part for part in (around[0], line, around[1]) if part) for line in text.split("\n")]
    text = _CHOICE.sub(lambda found: _chosen(found, rng), rng.choice(lines)) if settings.caption_wildcards else lines[0]
    if settings.tag_shuffling or settings.tag_warmup_steps or settings.tag_dropout:
        text = _tagged(text, settings, rng, step)
    if settings.secondary_separator:
        text = text.replace(settings.secondary_separator, settings.tag_separator)
    for pair in settings.caption_replacements:
        old, _, new = pair.partition("=")
        text = text.replace(old, new) if old else new
    return text


def without_chance(settings: DataSettings) -> DataSettings:
    """The settings by which captions are read for measuring: nothing dropped, nothing moved."""
    return dataclasses.replace(
        settings, caption_dropout=0.0, caption_dropout_every=0, tag_shuffling=False, tag_dropout=0.0, tag_warmup_steps=0
    )


class Longest(random.Random):
    """A source by which of several lines or words the longest is chosen, and nothing is dropped."""

    def random(self) -> float:
        return 1.0

    def choice(self, seq: Sequence[T]) -> T:  # pyright: ignore[reportIncompatibleMethodOverride]
        return max(seq, key=lambda value: len(str(value)))


def tags(text: str, separator: str) -> list[str]:
    return [tag for part in text.split(separator) if (tag := part.strip())]


def _chosen(found: re.Match[str], rng: random.Random) -> str:
    """{{ and }} are braces meant as such."""
    return rng.choice(found[1].split("|")) if found[1] else found[0][0]


def _tagged(text: str, settings: DataSettings, rng: random.Random, step: int) -> str:
    mark, separator = settings.keep_tags_separator, settings.tag_separator
    if mark and mark in text:
        first, _, rest = text.partition(mark)
        middle, _, last = rest.partition(mark)
        fixed, moving, end = (tags(part, separator) for part in (first, middle, last))
    else:
        everything = tags(text, separator)
        fixed, moving, end = everything[: settings.keep_tags], everything[settings.keep_tags :], []
    if step < settings.tag_warmup_steps:
        growth = (len(moving) - settings.tag_warmup_min) / settings.tag_warmup_steps
        moving = moving[: max(0, math.floor(step * growth) + settings.tag_warmup_min)]
    if settings.tag_shuffling:
        rng.shuffle(moving)
    moving = [tag for tag in moving if rng.random() >= settings.tag_dropout]
    return ", ".join(fixed + moving + end)
