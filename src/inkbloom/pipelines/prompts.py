"""The prompt language in front of one model's text encoder: from the texts of requests to what conditions each call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Conditioning, TokenIds
from inkbloom.models.clip_text import ClipText
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.sampling.guidance import Composition
from inkbloom.sampling.registry import find_sampler
from inkbloom.text.prompt.chunks import Chunker, EmbeddingRow
from inkbloom.text.prompt.conditioning import PromptEncoder, ScheduledConditioning
from inkbloom.text.prompt.parsing import ParsedPrompt, parse
from inkbloom.text.prompt.schedule import Timeline
from inkbloom.text.tokenizer import Tokenizer

_NETWORKS = {"lora": "LoRA", "hypernet": "Hypernetwork"}


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

    def at(self, call: int, /) -> Composition:
        steps = [picture.at(call) for picture in self.pictures]
        parts = torch.stack([step.conditioning for step in steps], dim=1)  # parts pictures tokens width
        return Composition(tuple(parts), steps[0].weights)


class PromptReader:
    """Reads the prompts of requests for one model. It remembers encoded chunks (`PromptEncoder`); threads may share it.

    The text encoder's weights must stay as they are.
    """

    def __init__(self, tokenizer: Tokenizer, text: ClipText, device: torch.device) -> None:
        """`text` is on `device`."""
        self._tokenizer = tokenizer
        self._text = text
        self._device = device
        self._encoders: dict[tuple[str, int], PromptEncoder] = {}

    def parse(self, request: ResolvedRequest) -> tuple[ParsedPrompt, ParsedPrompt]:
        """The prompt and the negative prompt, read but not encoded.

        `RequestError` for what the prompt language refuses, and for networks.
        """
        sampler = find_sampler(request.sampler)
        timeline = Timeline(steps=request.steps, second_order=sampler.calls_per_step == 2)
        prompt, negative = (
            parse(text, timeline=timeline, dialect=request.dialect, emphasis=request.emphasis, negative=is_negative)
            for text, is_negative in ((request.prompt, False), (request.negative_prompt, True))
        )
        for network in prompt.networks:
            raise RequestError(
                f'{_NETWORKS[network.kind]} "{network.name}" cannot be applied yet; take its tag out of the prompt.'
            )
        return prompt, negative

    @torch.inference_mode()
    def encode(self, requests: Sequence[ResolvedRequest]) -> list[PictureConditions]:
        """What conditions each picture; raises as `parse`, and where emphasis cannot be computed."""
        distinct = {(request.prompt, request.negative_prompt): request for request in requests}
        encoded = {texts: self._encode(request) for texts, request in distinct.items()}
        return [encoded[request.prompt, request.negative_prompt] for request in requests]

    def _encode(self, request: ResolvedRequest) -> PictureConditions:
        key = request.dialect, request.clip_skip
        if key not in self._encoders:
            self._encoders[key] = self._open(request)
        encoder = self._encoders[key]
        prompts = self.parse(request)
        cond, uncond = (encoder(prompt) for prompt in prompts)
        texts = [
            segments
            for prompt in prompts
            for part in prompt.parts
            for segments in {entry.text: entry.segments for entry in part.schedule}.values()
        ]
        ids = [chunk.ids for segments in texts for chunk in encoder.chunker(segments)]
        return PictureConditions(cond=cond, uncond=uncond, tokens=torch.tensor(ids).flatten())

    def _open(self, request: ResolvedRequest) -> PromptEncoder:
        skip_layers = request.clip_skip - 1

        def encode(ids: TokenIds, embeddings: Sequence[EmbeddingRow], /) -> Conditioning:
            assert not embeddings  # the chunker knows none
            return self._text(ids.to(self._device), skip_layers=skip_layers)

        chunk_tokens = self._text.spec.max_tokens - 2
        chunker = Chunker(tokenizer=self._tokenizer, dialect=request.dialect, chunk_tokens=chunk_tokens)
        return PromptEncoder(chunker, encode)
