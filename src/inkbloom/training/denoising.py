"""What all trainings of a latent diffusion model have in common: captions and noised latents in, losses out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import TrainingError
from inkbloom.core.types import Conditioning, Float, Int, Latent, Tensor
from inkbloom.models.clip_text import ClipLayer, ClipText
from inkbloom.models.unet import UNet
from inkbloom.nn.blocks import ResnetBlock
from inkbloom.nn.transformer import SpatialTransformer
from inkbloom.text.prompt.attention import Segment, parse_attention
from inkbloom.text.prompt.chunks import Chunk, Chunker
from inkbloom.text.prompt.emphasis import original
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.batches import Batch
from inkbloom.training.noising import Noised, check_range
from inkbloom.training.objective import Objective

CHECKPOINTED = (ResnetBlock, SpatialTransformer, ClipLayer)
"""The blocks that `checkpoint_blocks` computes twice."""


@dataclass(frozen=True, kw_only=True)
class ConditioningSettings:
    """How captions are read. `TrainingError` where a value is outside its range."""

    caption_chunks: int = 1
    """So many times 75 tokens of a caption are read, the rest is cut off; 3 reads 225. All captions are filled up to as
    many."""
    clip_skip: int = 1
    """Which of the text encoder's layers is used, counted from the last; 1 is the last, as usual, 2 the one before."""
    weighted_captions: bool = False
    """Read brackets in captions as weights, as in prompts: (word:1.3)."""

    def __post_init__(self) -> None:
        check_range("caption_chunks", self.caption_chunks, 1)
        check_range("clip_skip", self.clip_skip, 1)


class Denoising(nn.Module):
    """A trainee: its loss on a batch. This base has everything frozen; a subclass sets `trained` and lets that learn.

    A subclass that changes what the text encoder reads overrides `encode`, one that adds to the U-Net `predict`.
    """

    trained: nn.Module
    """Exactly what learns."""

    def __init__(
        self, model: LoadedModel, objective: Objective, settings: ConditioningSettings | None = None, *, seed: int = 0
    ) -> None:
        """Takes the networks of `model` over. Time steps and noise follow from `seed` and the batch's step and rows.

        `TrainingError` where `model` lacks a network, is for inpainting, or has fewer layers than clip_skip asks for.
        """
        super().__init__()
        if model.unet is None or model.text is None or model.tokenizer is None:
            raise TrainingError(f"{model.path} lacks a U-Net or a text encoder; a diffusion training needs both.")
        if model.spec.unet.in_channels != model.spec.autoencoder.latent_channels:
            raise TrainingError(
                f"{model.path} is for inpainting: its U-Net reads {model.spec.unet.in_channels} channels, and not only "
                f"the latents' {model.spec.autoencoder.latent_channels}; train a model that is not."
            )
        self.settings = settings or ConditioningSettings()
        if self.settings.clip_skip > model.spec.text.num_layers:
            layers = model.spec.text.num_layers
            raise TrainingError(
                f"clip_skip is {self.settings.clip_skip}; this model's text encoder has {layers} layers."
            )
        self.base = model
        self.objective = objective
        self.seed = seed
        self.tokenizer: Tokenizer = model.tokenizer
        self.unet: UNet = model.unet.requires_grad_(False)
        self.text: ClipText = model.text.requires_grad_(False)
        self.chunker = Chunker(
            tokenizer=model.tokenizer,
            dialect="a1111" if self.settings.weighted_captions else "plain",
            chunk_tokens=model.spec.text.max_tokens - 2,
        )

    @property
    def device(self) -> torch.device:
        return self.unet.conv_in.weight.device

    def forward(self, batch: Batch, noised: Noised | None = None) -> Float[Tensor, "batch"]:
        """Each example's loss, float32: the objective's, weighted by the batch's loss masks and example weights.

        `noised` stands for the noise that follows from seed, step and rows.
        """
        noised = (noised or self.objective.noised(batch, self.seed)).to(self.device)
        masks, weights = (part if part is None else part.to(self.device) for part in (batch.loss_masks, batch.weights))
        return self.objective.losses(self.output(noised.x, noised.t, batch), noised, masks, weights)

    def output(self, x: Latent, t: Int[Tensor, "batch"], batch: Batch) -> Latent:
        """What the network says of `x` at `t` with the batch's captions; the networks may be of any precision."""
        dtype = self.unet.conv_in.weight.dtype
        conditioning = self.conditioning(batch.captions).to(dtype)
        return self.predict(x.to(dtype), t.to(self.device), conditioning, batch)

    def predict(self, noised: Latent, t: Int[Tensor, "batch"], conditioning: Conditioning, batch: Batch) -> Latent:
        """The U-Net's answer; overridden where it gets more than these, as from `batch.hints`."""
        return self.unet(noised, t, conditioning)

    def conditioning(self, captions: Sequence[str]) -> Conditioning:
        """The encoded captions, as the pipeline encodes prompts: chunk after chunk, each with its own BOS and EOS."""
        rows = [self._chunks(caption) for caption in captions]
        chunks = [chunk for row in rows for chunk in row]
        encoded = self.encode(chunks)
        if any(set(chunk.weights) != {1.0} for chunk in chunks):
            weights = torch.tensor([chunk.weights for chunk in chunks])
            # One by one: the mean that "Original" restores is a chunk's
            encoded = torch.cat([original(*one) for one in zip(encoded.split(1), weights.split(1), strict=True)])
        return encoded.unflatten(0, (len(rows), -1)).flatten(1, 2)  # b (n tokens) c

    def encode(self, chunks: Sequence[Chunk]) -> Conditioning:
        """The text encoder's answer, a row for each chunk; overridden where it reads more than tokens."""
        ids = torch.tensor([chunk.ids for chunk in chunks], device=self.device)
        return self.text(ids, skip_layers=self.settings.clip_skip - 1)

    def _chunks(self, caption: str) -> list[Chunk]:
        count = self.settings.caption_chunks
        segments = parse_attention(caption) if self.settings.weighted_captions else (Segment(caption),)
        chunks = self.chunker(segments)[:count]
        return chunks + [self.chunker.empty()] * (count - len(chunks))


def checkpoint_blocks(network: nn.Module) -> None:
    """From now on the network's blocks keep their inputs alone for the backward pass, and are computed again there.

    Gradients stay the same, a step takes about a third longer (Chen et al. 2016). Not for calls without gradients.
    """
    for block in network.modules():
        if isinstance(block, CHECKPOINTED):
            # A partial of a method, unlike a closure, goes along with the block when that is copied
            block.forward = partial(_checkpointed, block.forward)


def _checkpointed(forward: Any, *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)
