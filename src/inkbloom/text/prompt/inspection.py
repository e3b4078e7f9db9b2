"""What came of a prompt, as data for a person to look at: tokens with their weights, and what changes at which step."""

from __future__ import annotations

from dataclasses import dataclass

from inkbloom.text.prompt.chunks import Chunk, Chunker
from inkbloom.text.prompt.networks import Network
from inkbloom.text.prompt.parsing import ParsedPrompt, Part


@dataclass(frozen=True)
class TokenView:
    id: int
    text: str
    """The token's own text; the name and row of an embedding's vector."""
    weight: float
    is_embedding: bool = False


@dataclass(frozen=True)
class PhaseView:
    """A stretch of steps at which one text holds."""

    first_step: int
    """Model calls, from 0 on, as `ScheduledConditioning.at` counts them."""
    last_step: int
    text: str
    chunks: tuple[tuple[TokenView, ...], ...]
    """The tokens of each chunk, without BOS, EOS and padding."""

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.chunks))


@dataclass(frozen=True)
class PartView:
    weight: float
    phases: tuple[PhaseView, ...]


@dataclass(frozen=True)
class Inspection:
    parts: tuple[PartView, ...]
    networks: tuple[Network, ...]
    embeddings: tuple[str, ...]
    """The names of those that the prompt uses, in the order of their first use."""


def inspect(prompt: ParsedPrompt, chunker: Chunker) -> Inspection:
    """Tokens, effective weights and steps of a prompt whose dialect is the chunker's."""
    chunks = {entry.text: chunker(entry.segments) for part in prompt.parts for entry in part.schedule}
    names = [row.name for rows in chunks.values() for chunk in rows for row in chunk.embeddings]
    views = {text: tuple(_tokens(chunk, chunker) for chunk in rows) for text, rows in chunks.items()}
    return Inspection(
        parts=tuple(PartView(part.weight, tuple(_phases(part, views))) for part in prompt.parts),
        networks=prompt.networks,
        embeddings=tuple(dict.fromkeys(names)),
    )


def _tokens(chunk: Chunk, chunker: Chunker) -> tuple[TokenView, ...]:
    rows = {row.index: row for row in chunk.embeddings}
    views = []
    for index in range(1, chunk.num_tokens + 1):
        token_id, weight = chunk.ids[index], chunk.weights[index]
        if index in rows:
            views.append(TokenView(token_id, f"{rows[index].name}[{rows[index].row}]", weight, is_embedding=True))
        else:
            views.append(TokenView(token_id, chunker.tokenizer.decode([token_id]), weight))
    return tuple(views)


def _phases(part: Part, views: dict[str, tuple[tuple[TokenView, ...], ...]]) -> list[PhaseView]:
    """The schedule as `at` reads it, neighbours of the same text joined, entries that no step reaches left out."""
    phases: list[PhaseView] = []
    last_call = part.schedule[-1].until_step - 1
    first = 0
    for entry in part.schedule:
        last = min(entry.until_step, last_call)
        if first > last:
            break
        if phases and phases[-1].text == entry.text:
            first = phases.pop().first_step
        phases.append(PhaseView(first, last, entry.text, views[entry.text]))
        first = last + 1
    return phases
