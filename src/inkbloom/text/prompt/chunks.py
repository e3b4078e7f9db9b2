"""Segments become chunks: the rows of 77 token ids that CLIP's text encoder reads, however long the prompt is.

77 and 75 are CLIP's numbers; a text encoder of another length has its own, see `Chunker.chunk_tokens`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from inkbloom.core.errors import RequestError, nearest
from inkbloom.text.prompt.attention import Segment
from inkbloom.text.prompt.comfy import split_embeddings
from inkbloom.text.prompt.unknown import OnUnknown, refuse
from inkbloom.text.tokenizer import Tokenizer

Dialect = Literal["a1111", "comfy", "plain"]
"""Whose rules a prompt is read by. plain: every character is text, as CompVis's scripts read it."""

CHUNK_TOKENS = 75
"""What CLIP reads at once, but for BOS and EOS."""
COMMA_BACKTRACK = 20
"""A1111's `comma_padding_backtrack`: a chunk may end up to so many tokens early, after its last comma."""
WHOLE_TOKENS = 8
"""ComfyUI keeps a run of text with fewer tokens than this in one chunk."""

_ENDINGS = (".safetensors", ".pt", ".bin")


@dataclass(frozen=True)
class EmbeddingRow:
    """One vector of a textual-inversion embedding, in place of a token's."""

    index: int
    """Its place among the chunk's 77 ids; the id there is 0."""
    name: str
    row: int


@dataclass(frozen=True, kw_only=True)
class Chunk:
    ids: tuple[int, ...]
    """77 of them: BOS, the tokens, EOS, padding."""
    weights: tuple[float, ...]
    """One for each id; 1 for BOS, EOS and padding."""
    embeddings: tuple[EmbeddingRow, ...] = ()
    num_tokens: int
    """How many ids, or rows of embeddings, come from the prompt; the others are BOS, EOS and padding."""


@dataclass(frozen=True)
class _Token:
    id: int
    weight: float
    embedding: tuple[str, int] | None = None
    """(name, row)"""


def check_dialect(dialect: str) -> None:
    """`RequestError` unless it is a `Dialect`."""
    if dialect not in get_args(Dialect):
        raise RequestError(f'Unknown prompt dialect "{dialect}".{nearest(dialect, get_args(Dialect))}')


@dataclass(frozen=True, kw_only=True)
class Chunker:
    """Cuts segments into chunks by the rules of one dialect. `RequestError` for an embedding that fits into no chunk.

    a1111: where a chunk is full, and its last comma at most `backtrack` tokens ago, what follows the comma moves to the
    next chunk. An embedding is found by its name anywhere in the text: its name's tokens are looked for, so case does
    not count, and of several the longest wins. Its rows stay in one chunk. (A1111 leaves rows behind that a comma
    should move; here they move.)

    comfy: `embedding:NAME` only. A run of text of one weight stays in one chunk if it has fewer than 8 tokens, as do
    the rows of an embedding with fewer than 8.

    plain: chunk after chunk, no embeddings.
    """

    tokenizer: Tokenizer
    dialect: Dialect = "a1111"
    embeddings: Mapping[str, int] = field(default_factory=dict)
    """How many rows each known embedding has."""
    pad_id: int | None = None
    """What follows EOS: None for EOS itself (Stable Diffusion 1), 0 for Stable Diffusion 2 and XL's second encoder."""
    chunk_tokens: int = CHUNK_TOKENS
    """Tokens in a chunk: what the text encoder reads, less 2."""
    backtrack: int = COMMA_BACKTRACK
    """0 turns it off."""
    on_unknown: OnUnknown = refuse
    """Told of an `embedding:NAME` that is not known; the name is left out where that lets it pass."""
    _by_first_id: dict[int, list[tuple[list[int], str]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_dialect(self.dialect)
        if self.backtrack < 0:
            raise RequestError(f"Comma backtrack {self.backtrack} is out of range; allowed are 0 and more.")
        if self.chunk_tokens < 1:
            raise RequestError(f"A chunk of {self.chunk_tokens} tokens holds nothing; at least 1 is needed.")
        by_first_id: dict[int, list[tuple[list[int], str]]] = {}
        if self.dialect == "a1111":
            for name in self.embeddings:
                ids = self.tokenizer.encode(name)
                if ids:
                    by_first_id.setdefault(ids[0], []).append((ids, name))
        for candidates in by_first_id.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))
        object.__setattr__(self, "_by_first_id", by_first_id)

    def __call__(self, segments: Sequence[Segment]) -> list[Chunk]:
        """The chunks of these segments, at least one."""
        fill = self._fill_by_runs if self.dialect == "comfy" else self._fill_by_commas
        return [self._pad(row) for row in fill(segments)]

    def empty(self) -> Chunk:
        """The chunk of an empty prompt."""
        return self._pad([])

    def _fill_by_commas(self, segments: Sequence[Segment]) -> list[list[_Token]]:
        """A1111's rule; without backtracking for `plain`."""
        backtrack = self.backtrack if self.dialect == "a1111" else 0
        comma = self.tokenizer.encode(",")[-1]
        rows: list[list[_Token]] = [[]]
        last_comma: int | None = None

        for segment in segments:
            if segment.starts_chunk:
                rows.append([])
                last_comma = None
            for unit in self._units(segment):
                row = rows[-1]
                is_comma = unit[0].id == comma and unit[0].embedding is None
                if is_comma:
                    last_comma = len(row)
                elif len(row) == self.chunk_tokens and last_comma is not None and len(row) - last_comma <= backtrack:
                    rows[-1], moved = row[: last_comma + 1], row[last_comma + 1 :]
                    rows.append(moved)
                    last_comma = None
                if len(rows[-1]) + len(unit) > self.chunk_tokens:
                    rows.append([])
                    last_comma = None
                rows[-1] += unit
        return rows if rows[-1] or len(rows) == 1 else rows[:-1]

    def _units(self, segment: Segment) -> list[list[_Token]]:
        """The segment's tokens, one by one, and its embeddings, all rows of one together."""
        ids = self.tokenizer.encode(segment.text)
        units = []
        place = 0
        while place < len(ids):
            for name_ids, name in self._by_first_id.get(ids[place], ()):
                if ids[place : place + len(name_ids)] == name_ids:
                    units.append(self._rows(name, segment.weight))
                    place += len(name_ids)
                    break
            else:
                units.append([_Token(ids[place], segment.weight)])
                place += 1
        return units

    def _fill_by_runs(self, segments: Sequence[Segment]) -> list[list[_Token]]:
        """ComfyUI's rule."""
        rows: list[list[_Token]] = [[]]
        for run in itertools.chain.from_iterable(self._runs(segment) for segment in segments):
            left = run
            stays_whole = len(run) < WHOLE_TOKENS and len(run) <= self.chunk_tokens
            while len(rows[-1]) + len(left) > self.chunk_tokens:
                room = 0 if stays_whole else self.chunk_tokens - len(rows[-1])
                rows[-1] += left[:room]
                rows.append([])
                left = left[room:]
            rows[-1] += left
        return rows

    def _runs(self, segment: Segment) -> list[list[_Token]]:
        runs = []
        for name, text in split_embeddings(segment.text):
            if name is not None:
                known = self._find(name)
                if known is None:
                    known = self._find(name.rstrip(","))
                    text = name[len(name.rstrip(",")) :] + text
                if known is None:
                    near = nearest(name.rstrip(","), self.embeddings) if self.embeddings else " None are known."
                    self.on_unknown(f'Unknown embedding "{name.rstrip(",")}".{near}')
                else:
                    runs.append(self._rows(known, segment.weight))
            runs.append([_Token(token_id, segment.weight) for token_id in self.tokenizer.encode(text)])
        return runs

    def _find(self, name: str) -> str | None:
        stems = [name, *(name.removesuffix(ending) for ending in _ENDINGS)]
        return next((stem for stem in stems if stem in self.embeddings), None)

    def _rows(self, name: str, weight: float) -> list[_Token]:
        count = self.embeddings[name]
        if count < 1 or (count > self.chunk_tokens and self.dialect == "a1111"):
            raise RequestError(f'Embedding "{name}" has {count} vectors; a chunk holds 1 to {self.chunk_tokens}.')
        return [_Token(0, weight, (name, row)) for row in range(count)]

    def _pad(self, tokens: list[_Token]) -> Chunk:
        eos_id = self.tokenizer.eos_id
        padding = self.chunk_tokens - len(tokens)
        return Chunk(
            ids=(
                self.tokenizer.bos_id,
                *(token.id for token in tokens),
                eos_id,
                *[eos_id if self.pad_id is None else self.pad_id] * padding,
            ),
            weights=(1.0, *(token.weight for token in tokens), 1.0, *[1.0] * padding),
            embeddings=tuple(
                EmbeddingRow(index, *token.embedding)
                for index, token in enumerate(tokens, start=1)
                if token.embedding is not None
            ),
            num_tokens=len(tokens),
        )
