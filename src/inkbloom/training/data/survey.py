"""Everything that is known of a data set before the run, each picture looked at once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inkbloom.core.errors import RequestError, TrainingError
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.data.buckets import Buckets, Fit, ModelSizes, Size
from inkbloom.training.data.captions import tags
from inkbloom.training.data.examples import Example, Problem
from inkbloom.training.data.facts import Facts, OnProgress, examine, ignore
from inkbloom.training.data.folders import collect
from inkbloom.training.data.lint import Findings, lint_examples, lint_problems, summarise
from inkbloom.training.data.plan import BucketContents, Plan
from inkbloom.training.data.settings import DataSettings


@dataclass(frozen=True)
class Surveyed:
    """An example that can be used, with what is known of it."""

    example: Example
    facts: Facts
    fit: Fit


@dataclass(frozen=True, kw_only=True)
class Survey:
    settings: DataSettings
    sizes: ModelSizes
    items: tuple[Surveyed, ...]
    """What is trained on."""
    held_out: tuple[Surveyed, ...]
    buckets: tuple[Size, ...]
    """The bucket of each row of the plan's; sorted."""
    plan: Plan
    findings: Findings

    @property
    def fingerprint(self) -> str:
        """Another one once a picture, a caption or a number of repeats that is trained on is another."""
        digest = hashlib.sha256()
        for item in self.items:
            example = item.example
            digest.update(f"{item.facts.sha256} {example.caption!r} {example.repeats} {item.fit}\n".encode())
        return digest.hexdigest()

    def metadata(self) -> dict[str, str]:
        """What kohya's files say of their data: numbers, resolution and the tags' frequencies."""
        own = [item.example for item in self.items if not item.example.regularisation]
        frequencies: dict[str, Counter[str]] = defaultdict(Counter)
        for example in own:
            frequencies[example.group].update(tags(example.caption, self.settings.tag_separator))
        folders = Counter((example.group, example.repeats) for example in own)
        width, height = Buckets(self.settings, self.sizes).resolution
        return {
            "ss_num_train_images": str(sum(example.repeats for example in own)),
            "ss_num_reg_images": str(len(self.items) - len(own)),
            "ss_num_batches_per_epoch": str(self.plan.steps_per_epoch),
            "ss_total_batch_size": str(self.settings.batch_size),
            "ss_resolution": f"({width}, {height})",
            "ss_enable_bucket": str(self.settings.buckets),
            "ss_caption_dropout_rate": str(self.settings.caption_dropout),
            "ss_shuffle_caption": str(self.settings.tag_shuffling),
            "ss_keep_tokens": str(self.settings.keep_tags),
            "ss_dataset_dirs": json.dumps({g: {"n_repeats": r, "img_count": n} for (g, r), n in folders.items()}),
            "ss_tag_frequency": json.dumps(frequencies, ensure_ascii=False),
        }


def survey(
    settings: DataSettings,
    sizes: ModelSizes,
    *,
    seed: int,
    folder: Path | None = None,
    tokenizer: Tokenizer | None = None,
    max_tokens: int = 75,
    on_progress: OnProgress = ignore,
) -> Survey:
    """Read the data's folders and tars, every picture in them to the end, and plan the run.

    What was found out is kept below `folder` for the next start. Without a tokenizer the lengths of captions are not
    looked at. What is wrong with single files stands in `findings`, whose `refuse` raises it; `TrainingError` or
    `RequestError` where there is nothing to train on at all, or the settings do not go together.
    """
    buckets = Buckets(settings, sizes)
    collection = collect(settings)
    store = None if folder is None else folder / "facts.jsonl"
    every_fact = examine(collection.examples, store, settings.loader_threads, on_progress)
    problems, items = list(collection.problems), []
    for example, facts in zip(collection.examples, every_fact, strict=True):
        if facts.error is not None:
            problems.append(Problem("unreadable file", facts.error))
            continue
        try:
            items.append(Surveyed(example, facts, buckets.fit(example.width, example.height)))
        except RequestError as error:
            problems.append(Problem("unusable picture", f'"{example.name}": {error}'))

    findings = lint_problems(problems, skip_broken=settings.skip_broken)
    trained, held_out = _split(items, settings.held_out)
    if not any(not item.example.regularisation for item in trained):
        # Rather by what is wrong with the files than by there being none left.
        Findings((), tuple(findings)).refuse()
        raise TrainingError("No picture is left to train on; all were broken, held out or for regularisation.")
    findings += lint_examples(
        [item.example for item in items],
        [item.facts for item in items],
        [item.fit for item in items],
        settings,
        tokenizer,
        max_tokens,
    )
    used = sorted({item.fit.bucket for item in trained})
    plan = _plan(trained, used, settings.batch_size, seed)
    lines, uneven = summarise(
        [item.example for item in trained], [item.fit for item in trained], plan, used, len(held_out)
    )
    return Survey(
        settings=settings,
        sizes=sizes,
        items=tuple(trained),
        held_out=tuple(held_out),
        buckets=tuple(used),
        plan=plan,
        findings=Findings(tuple(lines), tuple(findings + uneven)),
    )


def _split(items: Sequence[Surveyed], share: float) -> tuple[list[Surveyed], list[Surveyed]]:
    """What is trained on and what is held out: those whose content's hash is least, so that others coming or going
    change little, and the same picture is never on both sides.

    At least one where the share is above 0. Regularisation pictures are not held out.
    """
    hashes = sorted({item.facts.sha256 for item in items if not item.example.regularisation})
    count = max(1, round(share * len(hashes))) if share else 0
    chosen = set(hashes[:count])
    held_out = [item for item in items if item.facts.sha256 in chosen]
    return [item for item in items if item.facts.sha256 not in chosen], held_out


def _plan(items: Sequence[Surveyed], buckets: Sequence[Size], batch_size: int, seed: int) -> Plan:
    samples: dict[Size, list[int]] = defaultdict(list)
    regularisation: dict[Size, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        into = regularisation if item.example.regularisation else samples
        into[item.fit.bucket] += [index] * item.example.repeats
    contents = [BucketContents(tuple(samples[bucket]), tuple(regularisation[bucket])) for bucket in buckets]
    return Plan(contents, batch_size, seed)
