"""The prompt language in front of one model's text encoder: from the texts of requests to what conditions each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from inkbloom.checkpoints.adapters import AdapterUse
from inkbloom.checkpoints.hashes import a1111_hash
from inkbloom.core.errors import RequestError
from inkbloom.core.types import Conditioning, TokenIds
from inkbloom.models.clip_text import ClipText
from inkbloom.pipelines.adapters import Adapters, RowCounts, Uses
from inkbloom.pipelines.editing.regions import Masks
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.sampling.guidance import Composition
from inkbloom.sampling.registry import find_sampler
from inkbloom.text.prompt.chunks import Chunk, Chunker, EmbeddingRow
from inkbloom.text.prompt.conditioning import PromptEncoder, ScheduledConditioning
from inkbloom.text.prompt.parsing import ParsedPrompt, parse
from inkbloom.text.prompt.schedule import Timeline
from inkbloom.text.prompt.unknown import OnUnknown, refuse
from inkbloom.text.tokenizer import Tokenizer

_ENCODERS = 8
"""How many encoders are remembered, the latest; each has its chunks for one dialect, clip skip and set of LoRAs."""


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """A request whose prompts are read but not encoded."""

    request: ResolvedRequest
    """With the hashes of all files that its prompts name."""
    prompt: ParsedPrompt
    negative: ParsedPrompt
    uses: Uses
    """The LoRAs and hypernetworks in the prompt; while the picture is encoded and painted they are in the model."""
    warnings: tuple[str, ...]

    @property
    def networks(self) -> tuple[object, ...]:
        """The same for pictures that are painted with the same LoRAs and hypernetworks."""
        return self.uses.key


@dataclass(frozen=True, kw_only=True)
class PictureConditions:
    """What conditions one picture."""

    cond: ScheduledConditioning
    uncond: ScheduledConditioning
    tokens: torch.Tensor
    """The ids of all chunks of all texts that either prompt has at some step, in one row."""

    @property
    def shape(self) -> tuple[object, ...]:
        """Pictures may go through the network together where this is equal: parts, their weights, numbers of tokens."""
        cond, uncond = self.cond.at(0), self.uncond.at(0)
        return cond.weights, cond.conditioning.shape, uncond.conditioning.shape

    def values(self, *, with_uncond: bool) -> torch.Tensor:
        """All numbers of the conditioning in one row, each text's once."""
        used = (self.cond, self.uncond) if with_uncond else (self.cond,)
        rows = {id(row): row for scheduled in used for part in scheduled.parts for _, row in part.schedule}
        return torch.cat([row.flatten() for row in rows.values()])


@dataclass(frozen=True)
class BatchConditions:
    """What conditions the pictures of a batch, whose `PictureConditions.shape` are equal; `guidance.Conditions`."""

    pictures: Sequence[ScheduledConditioning]
    regions: Masks = field(default_factory=dict)

    def at(self, call: int, /) -> Composition:
        steps = [picture.at(call) for picture in self.pictures]
        parts = torch.stack([step.conditioning for step in steps], dim=1)  # parts pictures tokens width
        weights = (w * self.regions.get(part, 1.0) for part, w in enumerate(steps[0].weights))
        return Composition(tuple(parts), tuple(weights))


class PromptReader:
    """Reads the prompts of requests for one model. It remembers encoded chunks (`PromptEncoder`); threads may share it.

    But for the LoRAs of its `Adapters` the text encoder's weights must stay as they are.
    """

    def __init__(
        self, tokenizer: Tokenizer, text: ClipText, device: torch.device, adapters: Adapters, *, lenient: bool = False
    ) -> None:
        """`text` is on `device`. `lenient`: unknown names are warnings, not errors."""
        self._tokenizer = tokenizer
        self._text = text
        self._device = device
        self._adapters = adapters
        self._lenient = lenient
        self._encoders: dict[tuple[object, ...], PromptEncoder] = {}

    def read(self, request: ResolvedRequest) -> ReadRequest:
        """The prompt and the negative prompt, and the files that they name.

        `RequestError` for what the prompt language refuses, for unknown names, and for a region whose part the prompt
        has not; `CheckpointError` for a file that cannot be read or is for another model.
        """
        warnings: list[str] = []
        on_unknown = warnings.append if self._lenient else refuse
        sampler = find_sampler(request.sampler)
        timeline = Timeline(steps=request.steps, second_order=sampler.calls_per_step == 2)
        prompt, negative = (
            parse(
                text,
                timeline=timeline,
                dialect=request.dialect,
                emphasis=request.emphasis,
                negative=is_negative,
                on_unknown=on_unknown,
            )
            for text, is_negative in ((request.prompt, False), (request.negative_prompt, True))
        )
        for region in request.regions:
            if region.part > len(prompt.parts):
                raise RequestError(
                    f"Region {region.part} has no part of the prompt: AND joins {len(prompt.parts)} of them here."
                )
        uses = self._adapters.uses(prompt.networks, on_unknown, live=request.lora_application == "live")
        vectors = self._adapters.embeddings.beside(uses.embeddings)
        chunker = self._chunker(request, vectors, on_unknown)
        rows = [row for chunk in _chunks((prompt, negative), chunker) for row in chunk.embeddings]
        # The hash of a LoRA covers what is bundled with it
        names = [name for name in dict.fromkeys(row.name for row in rows) if name not in uses.embeddings]
        embedded = {f"embed:{name}": self._adapters.embeddings.hash(name) for name in names}
        hashes = {
            "network_hashes": uses.hashes() | embedded,
            "a1111_hashes": _a1111_hashes(uses.loras, {name: self._adapters.embeddings.path(name) for name in names}),
        }
        return ReadRequest(
            request=request.model_copy(update=hashes),
            prompt=prompt,
            negative=negative,
            uses=uses,
            warnings=tuple(dict.fromkeys(warnings)),
        )

    @torch.inference_mode()
    def encode(self, reads: Sequence[ReadRequest]) -> list[PictureConditions]:
        """What conditions each picture; their LoRAs are in the model. Raises where emphasis cannot be computed."""
        distinct = {(read.request.prompt, read.request.negative_prompt): read for read in reads}
        encoded = {texts: self._encode(read) for texts, read in distinct.items()}
        return [encoded[read.request.prompt, read.request.negative_prompt] for read in reads]

    def _encode(self, read: ReadRequest) -> PictureConditions:
        key = read.request.dialect, read.request.clip_skip, read.uses.text_key
        encoder = self._encoders.pop(key, None) or self._open(read)
        self._encoders[key] = encoder  # the newest is last
        for old in list(self._encoders)[:-_ENCODERS]:
            self._encoders.pop(old, None)
        prompts = read.prompt, read.negative
        cond, uncond = (encoder(prompt) for prompt in prompts)
        ids = [chunk.ids for chunk in _chunks(prompts, encoder.chunker)]
        return PictureConditions(cond=cond, uncond=uncond, tokens=torch.tensor(ids).flatten())

    def _open(self, read: ReadRequest) -> PromptEncoder:
        skip_layers = read.request.clip_skip - 1
        known = self._adapters.embeddings.beside(read.uses.embeddings)

        def encode(ids: TokenIds, embeddings: Sequence[EmbeddingRow], /) -> Conditioning:
            vectors = {row.index: known[row.name][row.row].to(self._device) for row in embeddings}
            return self._text(ids.to(self._device), skip_layers=skip_layers, vectors=vectors)

        # `read` has told what is unknown
        return PromptEncoder(self._chunker(read.request, known, lambda message: None), encode)

    def _chunker(self, request: ResolvedRequest, vectors: Mapping[str, torch.Tensor], on_unknown: OnUnknown) -> Chunker:
        return Chunker(
            tokenizer=self._tokenizer,
            dialect=request.dialect,
            embeddings=RowCounts(vectors),
            chunk_tokens=self._text.spec.max_tokens - 2,
            on_unknown=on_unknown,
        )


def _a1111_hashes(uses: Mapping[str, AdapterUse], embeddings: Mapping[str, Path]) -> dict[str, str]:
    """A1111's hashes of LoRAs and embeddings, by their names without the marks that would part its list of them."""
    found = {f"lora:{_plain(name)}": a1111_hash(use.file.path, use.file.metadata) for name, use in uses.items()}
    return found | {f"embed:{_plain(name)}": a1111_hash(path) for name, path in embeddings.items()}


def _plain(name: str) -> str:
    return name.replace(":", "").replace(",", "")


def _chunks(prompts: Sequence[ParsedPrompt], chunker: Chunker) -> list[Chunk]:
    """The chunks of all texts that the prompts have at some step."""
    texts = [
        segments
        for prompt in prompts
        for part in prompt.parts
        for segments in {entry.text: entry.segments for entry in part.schedule}.values()
    ]
    return [chunk for segments in texts for chunk in chunker(segments)]
