"""Training of embeddings (textual inversion, Gal et al. 2022): new words' vectors learn, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import TrainingError
from inkbloom.core.types import Conditioning, Float, Tensor
from inkbloom.models.clip_text import ClipText
from inkbloom.text.prompt.chunks import Chunk
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.adapters.settings import EmbeddingSettings
from inkbloom.training.denoising import ConditioningSettings, Denoising
from inkbloom.training.objective import Objective
from inkbloom.training.optimizers import TEXT_GROUP, Group

_FIRST_WORD = "*"
"""What a word begins as where nothing is said, as in A1111."""


class EmbeddingTraining(Denoising):
    """Trains the vectors of one or several words, float32; captions name the words, each example its own."""

    trained: nn.ParameterList

    def __init__(
        self,
        model: LoadedModel,
        objective: Objective,
        settings: EmbeddingSettings,
        conditioning: ConditioningSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        """Takes the networks of `model` over, which stay as they are.

        A word's vectors begin as those of its initial words' tokens, repeated where it has more, and with a little
        noise on the repeated ones, so that they can become different. `TrainingError` for initial words without tokens,
        or more vectors than a chunk holds.
        """
        super().__init__(model, objective, conditioning, seed=seed)
        for word, count in settings.trigger_words.items():
            if count > self.chunker.chunk_tokens:
                most = self.chunker.chunk_tokens
                raise TrainingError(f"trigger_words.{word} is {count}; this model reads {most} vectors at once.")
        # Embeddings are found in the dialect a1111 alone
        self.chunker = replace(self.chunker, dialect="a1111", embeddings=dict(settings.trigger_words))
        generator = torch.Generator().manual_seed(seed)
        self.trained = nn.ParameterList(
            _begin(self.text, self.tokenizer, settings.initial_words.get(word, _FIRST_WORD), count, generator)
            for word, count in settings.trigger_words.items()
        ).to(self.device)
        self._words = dict(zip(settings.trigger_words, range(len(self.trained)), strict=True))

    def encode(self, chunks: Sequence[Chunk]) -> Conditioning:
        """The text encoder's answer, with the words' vectors in place of the tokens' that stand for them."""
        found = [(number, row) for number, chunk in enumerate(chunks) for row in chunk.embeddings]
        if not found:
            # A step without any of the words is a step of no length, not an error
            return super().encode(chunks) + 0.0 * torch.cat([word.flatten() for word in self.trained]).sum()
        vectors = torch.stack([self.trained[self._words[row.name]][row.row] for _, row in found])
        places = torch.tensor([(number, row.index) for number, row in found], device=self.device).unbind(1)
        hook = self.text.token_embedding.register_forward_hook(partial(_put, places, vectors))
        try:
            return super().encode(chunks)
        finally:
            hook.remove()

    def groups(self) -> list[Group]:
        """One group, "text": a word is part of the text encoder."""
        return [Group(name=TEXT_GROUP, parameters=list(self.trained.parameters()))]

    def vectors(self) -> dict[str, Float[Tensor, "count width"]]:
        """What was learned by now, by word, on the CPU."""
        return {word: self.trained[place].detach().cpu().clone() for word, place in self._words.items()}


def _put(
    places: tuple[Tensor, ...], vectors: Tensor, layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor
) -> Tensor:
    return output.index_put(places, vectors.to(output.dtype))


def _begin(text: ClipText, tokenizer: Tokenizer, initial: str, count: int, generator: torch.Generator) -> nn.Parameter:
    ids = tokenizer.encode(initial)
    if not ids:
        raise TrainingError(f'initial_words: "{initial}" holds no token; give a word that the model knows.')
    table = text.token_embedding.weight.detach().float().cpu()
    vectors = table[torch.tensor(ids)].repeat(-(-count // len(ids)), 1)[:count]
    noise = torch.randn(vectors.shape, generator=generator) * 0.01 * vectors.std()
    noise[: len(ids)] = 0.0
    return nn.Parameter(vectors + noise)
