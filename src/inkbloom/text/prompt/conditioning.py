"""From a parsed prompt to tensors: each distinct chunk is encoded once, and a step only looks up what holds there."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Conditioning, TokenIds
from inkbloom.text.prompt.chunks import Chunk, Chunker, EmbeddingRow
from inkbloom.text.prompt.emphasis import no_norm, original, toward
from inkbloom.text.prompt.parsing import Emphasis, ParsedPrompt, Part

CACHED_CHUNKS = 256
"""So many encoded chunks are kept; one of Stable Diffusion 1 has 0.24 MB in float32."""


class Encode(Protocol):
    """A text encoder with its settings (clip skip, networks); other settings need a `PromptEncoder` of their own."""

    def __call__(self, ids: TokenIds, embeddings: Sequence[EmbeddingRow], /) -> Conditioning:
        """Encode one chunk (1, 77) to (1, 77, width), with the vectors of `embeddings` in place of the tokens'."""
        ...


@dataclass(frozen=True)
class StepConditioning:
    """What holds at one step."""

    conditioning: Conditioning
    """One row for each part of the prompt."""
    weights: tuple[float, ...]
    """Of the parts; guided = uncond + sum_i weights[i] * scale * (cond_i - uncond)."""


@dataclass(frozen=True)
class ScheduledPart:
    weight: float
    schedule: tuple[tuple[int, Conditioning], ...]
    """(until_step, conditioning with 1 row), by increasing steps; all of one part have the same number of tokens."""


@dataclass(frozen=True)
class ScheduledConditioning:
    parts: tuple[ScheduledPart, ...]

    def at(self, step: int) -> StepConditioning:
        """What holds at model call `step`, counted from 0 as A1111's denoiser does; nothing is encoded here.

        Each part's first entry with step <= until_step; after the last one, the last. `until_step` was computed for
        steps from 1 on, so an entry lasts one call longer than its text says: `[a:b:3]` is "a" at the calls 0, 1, 2 and
        3. A1111's pictures are made so. Parts of different length are filled up with their last vector.
        """
        rows = [
            next((rows for until_step, rows in part.schedule if step <= until_step), part.schedule[-1][1])
            for part in self.parts
        ]
        tokens = max(row.shape[1] for row in rows)
        return StepConditioning(
            torch.cat([repeat_last(row, tokens) for row in rows]), tuple(part.weight for part in self.parts)
        )


def repeat_last(conditioning: Conditioning, tokens: int) -> Conditioning:
    """The same with `tokens` tokens, its last vector repeated; for conditionings that go into one batch."""
    missing = tokens - conditioning.shape[1]
    return (
        torch.cat([conditioning, conditioning[:, -1:].expand(-1, missing, -1)], dim=1) if missing > 0 else conditioning
    )


def pad_with_empty(conditioning: Conditioning, tokens: int, empty: Conditioning) -> Conditioning:
    """The same with `tokens` tokens, the encoded empty prompt (1, 77, width) added: A1111's `pad_cond_uncond`.

    It lets the positive and the negative prompt go through the network together, and changes the picture a little.
    `tokens` is a multiple of 77, as are the conditioning's.
    """
    missing = (tokens - conditioning.shape[1]) // empty.shape[1]
    return torch.cat([conditioning, *[empty.expand(len(conditioning), -1, -1)] * missing], dim=1)


@dataclass
class PromptEncoder:
    """Encodes parsed prompts, and remembers the last `CACHED_CHUNKS` chunks, whatever prompts they came in.

    Chunks go through the encoder one at a time, so that a prompt's conditioning does not depend, to the last bit, on
    what was encoded with it or before it.
    """

    chunker: Chunker
    encode: Encode
    _encoded: OrderedDict[tuple[tuple[int, ...], tuple[EmbeddingRow, ...]], Conditioning] = field(
        default_factory=OrderedDict, init=False, repr=False
    )

    def __call__(self, prompt: ParsedPrompt) -> ScheduledConditioning:
        """The conditioning of a prompt. `RequestError` where its dialect is not the chunker's.

        A part's texts get as many chunks as the longest of them, the others empty ones at their end; chunks follow each
        other on the token axis. Memory: 77 * chunks * width numbers for each distinct text.
        """
        if prompt.dialect != self.chunker.dialect:
            raise RequestError(
                f'The prompt was read in the dialect "{prompt.dialect}", the chunker is for "{self.chunker.dialect}".'
            )
        return ScheduledConditioning(tuple(self._encode_part(part, prompt.emphasis) for part in prompt.parts))

    def empty(self) -> Conditioning:
        """The encoded empty prompt, (1, 77, width)."""
        return self._encode_chunk(self.chunker.empty())

    def _encode_part(self, part: Part, emphasis: Emphasis) -> ScheduledPart:
        counts = Counter(entry.text for entry in part.schedule)
        segments = {entry.text: entry.segments for entry in part.schedule}
        rows = [self.chunker(segments[text]) for text in counts]
        length = max(map(len, rows))
        rows = [row + [self.chunker.empty()] * (length - len(row)) for row in rows]
        shares = torch.tensor([float(count) for count in counts.values()])
        columns = [self._weigh(column, emphasis, shares) for column in zip(*rows, strict=True)]
        encoded = dict(zip(counts, torch.cat(columns, dim=1).split(1), strict=True))
        return ScheduledPart(part.weight, tuple((entry.until_step, encoded[entry.text]) for entry in part.schedule))

    def _weigh(self, chunks: Sequence[Chunk], emphasis: Emphasis, shares: torch.Tensor) -> Conditioning:
        """The same chunk of all texts, encoded and weighted."""
        z = torch.cat([self._encode_chunk(chunk) for chunk in chunks])
        weights = torch.tensor([chunk.weights for chunk in chunks])
        if self.chunker.dialect == "comfy":
            return toward(z, weights, self.empty())
        if self.chunker.dialect == "plain" or emphasis in ("None", "Ignore"):
            return z
        return no_norm(z, weights) if emphasis == "No norm" else original(z, weights, shares)

    def _encode_chunk(self, chunk: Chunk) -> Conditioning:
        key = chunk.ids, chunk.embeddings
        # Taken out and put back as the newest, each in one step, so that threads may share the encoder
        encoded = self._encoded.pop(key, None)
        if encoded is None:
            encoded = self.encode(torch.tensor([chunk.ids]), chunk.embeddings)
        self._encoded[key] = encoded
        if len(self._encoded) > CACHED_CHUNKS:
            self._encoded.popitem(last=False)
        return encoded
