"""What can be known of a data set before the run: a report, and reasons to refuse."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from inkbloom.core.errors import RequestError, TrainingError
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.data.buckets import Fit, Size
from inkbloom.training.data.captions import Longest, step_caption, without_chance
from inkbloom.training.data.examples import Example, Problem
from inkbloom.training.data.facts import Facts, near_duplicates
from inkbloom.training.data.plan import Plan
from inkbloom.training.data.settings import DataSettings

Level = Literal["error", "warning"]

TINY = 0.5
"""A picture is tiny where it must be enlarged from less than this part of its bucket's side."""

WASTE = 0.2
"""Cropping is worth a word from this part of a picture on."""

_NAMED = 3


@dataclass(frozen=True)
class Finding:
    level: Level
    kind: str
    text: str
    """One line."""
    names: tuple[str, ...] = ()
    """Of the pictures or files it is about, all of them."""


@dataclass(frozen=True)
class Findings:
    summary: tuple[str, ...]
    """Lines on what there is: pictures, repeats, buckets, steps."""
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "error"]

    def lines(self) -> list[str]:
        return [*self.summary, *(f"{finding.level}: {finding.text}" for finding in self.findings)]

    def refuse(self) -> None:
        """`TrainingError` with the first error, and how many more there are."""
        errors = self.errors
        if errors:
            more = f" ({len(errors) - 1} more: try a dry run with skip_broken.)" if len(errors) > 1 else ""
            raise TrainingError(errors[0].text + more)


def lint_problems(problems: Iterable[Problem], *, skip_broken: bool) -> list[Finding]:
    """Files that cannot be used: errors, or left out with a warning."""
    if skip_broken:
        return [Finding("warning", problem.kind, f"Left out: {problem.text}") for problem in problems]
    way_out = "mend or remove it, or leave out such files with skip_broken."
    return [Finding("error", problem.kind, f"{problem.text.rstrip('.')}; {way_out}") for problem in problems]


def lint_examples(
    examples: Sequence[Example],
    facts: Sequence[Facts],
    fits: Sequence[Fit],
    settings: DataSettings,
    tokenizer: Tokenizer | None,
    max_tokens: int,
) -> list[Finding]:
    """Examples that can be used, but perhaps should not: everything but missing hints is a warning."""
    return [
        *_missing_parts(examples, settings),
        *_duplicates(examples, facts),
        *_sizes(examples, fits),
        *_captions(examples, settings, tokenizer, max_tokens),
    ]


def summarise(
    examples: Sequence[Example], fits: Sequence[Fit], plan: Plan, buckets: Sequence[Size], held_out: int
) -> tuple[list[str], list[Finding]]:
    """Lines on what an epoch is, and what is uneven in it. `examples` are those that are trained on."""
    own = sum(not example.regularisation for example in examples)
    lines = [f"pictures: {own}, for regularisation: {len(examples) - own}, held out: {held_out}"]
    groups = Counter((example.group, example.repeats, example.regularisation) for example in examples)
    for (group, repeats, regularisation), count in groups.items():
        lines.append(f"  {group}: {count} x {repeats}" + (", for regularisation" if regularisation else ""))
    lines.append(
        f"samples an epoch: {plan.samples_per_epoch}, batch size: {plan.batch_size}, steps: {plan.steps_per_epoch}, "
        f"buckets: {len(buckets)}"
    )
    cropped = defaultdict(list)
    for fit in fits:
        cropped[fit.bucket].append(fit.cropped)
    for bucket, steps in zip(buckets, plan.steps_of_bucket, strict=True):
        count, share = len(cropped[bucket]), sum(cropped[bucket]) / len(cropped[bucket])
        lines.append(f"  {bucket[0]} x {bucket[1]}: pictures: {count}, steps: {steps}, cropped: {share:.0%}")

    again = plan.steps_per_epoch * plan.batch_size - plan.samples_per_epoch
    if not again:
        return lines, []
    text = (
        f"Buckets do not divide by the batch size of {plan.batch_size}: to fill batches, an epoch shows {again} "
        f"samples more than the {plan.samples_per_epoch} there are; a smaller batch or fewer buckets would help."
    )
    return lines, [Finding("warning", "uneven buckets", text)]


def _missing_parts(examples: Sequence[Example], settings: DataSettings) -> list[Finding]:
    findings = []
    without = [example.name for example in examples if example.hint is None]
    if without and (settings.hint_folder is not None or len(without) < len(examples)):
        text = f"{_count(without, 'picture')} no hint of the same name: {_named(without)}."
        findings.append(Finding("error", "missing hints", text, tuple(without)))
    without = [example.name for example in examples if example.mask is None and not example.regularisation]
    own = sum(not example.regularisation for example in examples)
    if without and (settings.mask_folder is not None or len(without) < own):
        text = f"{_count(without, 'picture')} no mask of the same name and count whole: {_named(without)}."
        findings.append(Finding("warning", "missing masks", text, tuple(without)))
    return findings


def _duplicates(examples: Sequence[Example], facts: Sequence[Facts]) -> list[Finding]:
    by_content, by_look = defaultdict(list), defaultdict(list)
    for example, fact in zip(examples, facts, strict=True):
        if fact.sha256 not in by_content:
            by_look[fact.look].append(example.name)
        by_content[fact.sha256].append(example.name)
    findings = []
    for names in by_content.values():
        if len(names) > 1:
            findings.append(Finding("warning", "duplicates", f"The same file: {_named(names)}.", tuple(names)))
    alike = [tuple(names) for names in by_look.values() if len(names) > 1]
    alike += [(by_look[a][0], by_look[b][0]) for a, b in near_duplicates(by_look)]
    if alike:
        more = f", and {len(alike) - 1} more such groups" if len(alike) > 1 else ""
        text = f"These look nearly the same: {_named(alike[0])}{more}."
        findings.append(Finding("warning", "near-duplicates", text, tuple(name for names in alike for name in names)))
    return findings


def _sizes(examples: Sequence[Example], fits: Sequence[Fit]) -> list[Finding]:
    findings = []
    pairs = list(zip(examples, fits, strict=True))
    tiny = [f"{e.name} ({e.width} x {e.height})" for e, fit in pairs if e.width < TINY * fit.resized[0]]
    if tiny:
        text = f"{_count(tiny, 'picture')} to be enlarged more than {1 / TINY:g} times: {_named(tiny)}."
        findings.append(Finding("warning", "tiny pictures", text, tuple(tiny)))
    wasted = [f"{example.name} ({fit.cropped:.0%})" for example, fit in pairs if fit.cropped >= WASTE]
    if wasted:
        text = f"{_count(wasted, 'picture')} {WASTE:.0%} or more cropped away: {_named(wasted)}."
        findings.append(Finding("warning", "bucket waste", text, tuple(wasted)))
    return findings


def _captions(
    examples: Sequence[Example], settings: DataSettings, tokenizer: Tokenizer | None, max_tokens: int
) -> list[Finding]:
    findings = []
    empty = [example.name for example in examples if not example.caption]
    if empty and not (settings.caption_prefix or settings.caption_suffix):
        text = f"{_count(empty, 'picture')} no caption, or an empty one: {_named(empty)}."
        findings.append(Finding("warning", "empty captions", text, tuple(empty)))
    if tokenizer is None:
        return findings
    whole, long, strange = without_chance(settings), [], []
    lengths: dict[str, int] = {}
    for example in examples:
        if example.caption not in lengths:
            text = step_caption(example.caption, whole, Longest(), step=0, epoch=0)
            try:
                lengths[example.caption] = len(tokenizer.encode(text))
            except RequestError as error:
                lengths[example.caption] = 0
                strange.append(f"{example.name}: {error}")
        if lengths[example.caption] > max_tokens:
            long.append(f"{example.name} ({lengths[example.caption]})")
    if long:
        text = f"{_count(long, 'caption')} more than the {max_tokens} tokens that are read: {_named(long)}."
        findings.append(Finding("warning", "long captions", text, tuple(long)))
    findings += [Finding("error", "unreadable captions", text) for text in strange]
    return findings


def _count(names: Sequence[str], noun: str) -> str:
    return f"1 {noun} has" if len(names) == 1 else f"{len(names)} {noun}s have"


def _named(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
