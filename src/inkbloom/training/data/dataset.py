"""A surveyed data set as steps: what the trainer asks for, made of files when it is asked for."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Image, Latent
from inkbloom.models.autoencoder import LatentDistribution
from inkbloom.training.batches import Batch, row_generator
from inkbloom.training.data import decoding
from inkbloom.training.data.buckets import Size
from inkbloom.training.data.captions import step_caption, without_chance
from inkbloom.training.data.decoding import Framing
from inkbloom.training.data.facts import OnProgress, ignore
from inkbloom.training.data.latents import LatentEncoder
from inkbloom.training.data.survey import Survey, Surveyed
from inkbloom.training.data.threads import in_threads

_CAPTION, _FLIP, _CROP, _POSTERIOR = 20, 21, 22, 23
"""Purposes of `row_generator`."""


@dataclass(frozen=True)
class _Row:
    caption: str
    latent: Latent | None
    pixels: Image | None
    mask: Tensor | None
    hint: Image | None
    weight: float


class Dataset:
    """Fulfils `Batches`: with an `encoder` batches have latents, without one pixels. Safe in threads."""

    def __init__(self, survey: Survey, encoder: LatentEncoder | None = None) -> None:
        """`TrainingError` with the first of the survey's errors; `RequestError` where random crops should be cached."""
        survey.findings.refuse()
        settings = survey.settings
        if encoder is not None and encoder.caches and settings.random_crop:
            raise RequestError(
                "random_crop sees another part each time, so latents cannot be kept: set cache_latents to false."
            )
        self.survey, self.settings, self.seed, self.encoder = survey, settings, survey.plan.seed, encoder
        self.global_size = settings.batch_size
        self.steps_per_epoch = survey.plan.steps_per_epoch
        self.held_out = HeldOutPictures(self)
        examples = [item.example for item in survey.items]
        self._has_masks = settings.alpha_mask or any(example.mask for example in examples)
        self._has_hints = any(example.hint for example in examples)
        self._has_weights = any(example.regularisation for example in examples)

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        """See `Batches`. `RequestError` names a file that cannot be read any more."""
        planned = self.survey.plan.step(step)
        made = [self._row(step, row, planned.examples[row], planned.epoch) for row in rows]
        return self._joined(made, step, rows, self.global_size)

    def names(self, step: int, rows: Sequence[int]) -> list[str]:
        """The files that these rows come from."""
        examples = self.survey.plan.step(step).examples
        return [self.survey.items[examples[row]].example.name for row in rows]

    def prepare(self, *, rank: int = 0, world: int = 1, on_progress: OnProgress = ignore) -> None:
        """Fill the cache of latents: of `world` processes each makes its share. Without a cache there is nothing to do.

        What is missing later (another process may not be ready yet) is made when it is needed.
        """
        encoder = self.encoder
        if encoder is None or not encoder.caches:
            return
        turns = (False, True) if self.settings.flip else (False,)
        wanted = [(item, Framing.centred(item.fit, mirrored=turn)) for item in self.survey.items for turn in turns]
        wanted += [(item, Framing.centred(item.fit)) for item in self.survey.held_out]
        missing = [
            (item, framing) for item, framing in wanted[rank::world] if not encoder.has(item.facts.sha256, framing)
        ]

        def make(pair: tuple[Surveyed, Framing]) -> None:
            self._encoded(encoder, *pair)

        # Decoding in threads keeps the one that encodes busy.
        for done, _ in enumerate(in_threads(make, missing, self.settings.loader_threads), 1):
            on_progress("encoding pictures", done, len(missing))

    def _row(self, step: int, row: int, index: int, epoch: int) -> _Row:
        item, settings = self.survey.items[index], self.settings
        rng = random.Random(row_generator(self.seed, step, row, _CAPTION).initial_seed())
        caption = step_caption(item.example.caption, settings, rng, step=step, epoch=epoch)
        framing = self._framing(item, step, row)
        noise = row_generator(self.seed, step, row, _POSTERIOR) if settings.sample_latents else None
        return self._read(item, framing, caption, noise)

    def _framing(self, item: Surveyed, step: int, row: int) -> Framing:
        mirrored = False
        if self.settings.flip:
            mirrored = bool(torch.rand((), generator=row_generator(self.seed, step, row, _FLIP)) < 0.5)
        if not self.settings.random_crop:
            return Framing.centred(item.fit, mirrored=mirrored)
        generator = row_generator(self.seed, step, row, _CROP)
        spare = (resized - side for resized, side in zip(item.fit.resized, item.fit.bucket, strict=True))
        left, top = (int(torch.randint(room + 1, (), generator=generator)) for room in spare)
        return Framing(item.fit, left, top, mirrored)

    def _read(self, item: Surveyed, framing: Framing, caption: str, noise: torch.Generator | None) -> _Row:
        example, downscale = item.example, self.survey.sizes.downscale
        latent = pixels = mask = hint = None
        if self.encoder is None:
            pixels = decoding.pixels(example.picture, framing)
        else:
            raw = self._encoded(self.encoder, item, framing)
            drawn = raw.mean if noise is None else raw.sample(torch.randn(raw.mean.shape, generator=noise))
            latent = drawn * self.encoder.latent_scale
        if self._has_masks:
            if self.settings.alpha_mask:
                mask = decoding.alpha_mask(example.picture, framing, downscale)
            elif example.mask is not None:
                mask = decoding.mask(example.mask, framing, downscale)
            else:
                mask = torch.ones(1, 1, framing.fit.bucket[1] // downscale, framing.fit.bucket[0] // downscale)
        if self._has_hints:
            assert example.hint is not None  # the survey refuses data where some have hints and others not
            hint = decoding.hint(example.hint, framing)
        weight = self.settings.prior_weight if example.regularisation else 1.0
        return _Row(caption, latent, pixels, mask, hint, weight)

    def _encoded(self, encoder: LatentEncoder, item: Surveyed, framing: Framing) -> LatentDistribution:
        picture = item.example.picture
        return encoder.distribution(
            item.facts.sha256, framing, lambda: decoding.pixels(picture, framing), item.example.name
        )

    def _joined(self, rows: Sequence[_Row], step: int, numbers: Sequence[int], global_size: int) -> Batch:
        def stacked(parts: list[Tensor | None]) -> Tensor | None:
            there = [part for part in parts if part is not None]
            return torch.cat(there) if there else None

        return Batch(
            step=step,
            rows=tuple(numbers),
            global_size=global_size,
            captions=tuple(row.caption for row in rows),
            latents=stacked([row.latent for row in rows]),
            pixels=stacked([row.pixels for row in rows]),
            loss_masks=stacked([row.mask for row in rows]),
            weights=torch.tensor([row.weight for row in rows]) if self._has_weights else None,
            hints=stacked([row.hint for row in rows]),
        )


class HeldOutPictures:
    """The pictures of a data set that are never trained on. Nothing of them is random: captions are whole, crops
    centred, latents means.

    Fulfils `Batches`, with one picture a step, so that what is drawn for a picture depends on no batch size.
    """

    global_size = 1

    def __init__(self, dataset: Dataset) -> None:
        self._dataset, self._items = dataset, dataset.survey.held_out
        self._captions = without_chance(dataset.settings)
        self.steps_per_epoch = len(self._items)

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        """See `Batches`; any step is one of the first epoch."""
        row = self._row(self._items[step % self.steps_per_epoch])
        return self._dataset._joined([row for _ in rows], step, rows, 1)

    def __call__(self) -> Iterator[Batch]:
        """Each picture once, together with others of its bucket: as many as the data set's batches have at most.

        For measures that compare pictures with each other. Steps count the batches.
        """
        size, by_bucket = self._dataset.global_size, defaultdict[Size, list[Surveyed]](list)
        for item in self._items:
            by_bucket[item.fit.bucket].append(item)
        parts = [items[at : at + size] for _, items in sorted(by_bucket.items()) for at in range(0, len(items), size)]
        for step, items in enumerate(parts):
            yield self._dataset._joined([self._row(item) for item in items], step, range(len(items)), size)

    def _row(self, item: Surveyed) -> _Row:
        caption = step_caption(item.example.caption, self._captions, random.Random(0), step=0, epoch=0)
        return self._dataset._read(item, Framing.centred(item.fit), caption, None)
