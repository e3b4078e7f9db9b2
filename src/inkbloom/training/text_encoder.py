"""Training CLIP from nothing (Radford et al. 2021), for its text tower: a text encoder for a Stable Diffusion.

Pictures and captions become vectors of length 1. For n pairs with s = exp(logit_scale), logits are s times the cosines
between all pictures and all captions, and the loss of pair i is

    (cross_entropy(logits of picture i over captions, i) + cross_entropy(logits of caption i over pictures, i)) / 2

n is the whole batch of all processes, whose vectors are gathered together with their gradients, so that the number of
processes does not change what is learned. Micro-batches do: each contrasts its own pairs only.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.checkpoints.clip_folder import save_clip
from inkbloom.core.errors import TrainingError
from inkbloom.core.types import Float, Image
from inkbloom.models.clip import LARGEST_SCALE, Clip, ClipSpec, ClipVisionSpec, Vectors
from inkbloom.models.clip_text import ClipTextSpec
from inkbloom.text.tokenizer import Tokenizer
from inkbloom.training.batches import Batch
from inkbloom.training.noising import check_choice, check_range
from inkbloom.training.optimizers import TEXT_GROUP, Group

Vocabulary = Literal["clip", "captions"]


@dataclass(frozen=True, kw_only=True)
class TextEncoderSettings:
    """The towers' sizes; those of the text are by default Stable Diffusion 1's. `TrainingError` names a bad field."""

    vocabulary: Vocabulary = "clip"
    """Where tokens come from: clip (those of all Stable Diffusion models) or captions (learned from the data's)."""
    vocabulary_size: int = 8192
    """So many tokens are learned from captions, at most."""
    text_width: int = 768
    """Width of the text's vectors; a U-Net's context_dim must be the same."""
    text_layers: int = 12
    """Layers of the text tower."""
    text_heads: int = 12
    """Attention heads of the text tower; must divide text_width."""
    text_tokens: int = 77
    """Tokens the text tower reads, its two marks of beginning and end included."""
    image_width: int = 768
    """Width of the image tower."""
    image_layers: int = 12
    """Layers of the image tower."""
    image_heads: int = 12
    """Attention heads of the image tower; must divide image_width."""
    patch_size: int = 16
    """Side of the squares a picture is cut into, in pixels; must divide the resolution."""
    embedding_dim: int = 512
    """Width of the space where pictures and captions meet."""

    def __post_init__(self) -> None:
        check_choice("vocabulary", self.vocabulary, Vocabulary)
        least = {"vocabulary_size": 514, "text_tokens": 3}
        for name in (
            *("vocabulary_size", "text_width", "text_layers", "text_heads", "text_tokens"),
            *("image_width", "image_layers", "image_heads", "patch_size", "embedding_dim"),
        ):
            check_range(name, getattr(self, name), least.get(name, 1))
        for tower in ("text", "image"):
            heads, width = getattr(self, f"{tower}_heads"), getattr(self, f"{tower}_width")
            if width % heads:
                raise TrainingError(f"{tower}_heads is {heads}; it must divide {tower}_width, {width}.")

    def tokenizer(self, captions: Iterable[str]) -> Tokenizer:
        """CLIP's, or one that is learned from `captions`."""
        return Tokenizer.clip() if self.vocabulary == "clip" else Tokenizer.train(captions, self.vocabulary_size)

    def spec(self, tokenizer: Tokenizer, image_size: int) -> ClipSpec:
        """The model for pictures of `image_size` pixels. `TrainingError` where patches do not fill them."""
        if image_size % self.patch_size:
            raise TrainingError(f"patch_size is {self.patch_size}; it must divide the resolution, {image_size}.")
        return ClipSpec(
            text=ClipTextSpec(
                width=self.text_width,
                num_layers=self.text_layers,
                num_heads=self.text_heads,
                vocab_size=tokenizer.vocab_size,
                max_tokens=self.text_tokens,
            ),
            vision=ClipVisionSpec(
                image_size=image_size,
                patch_size=self.patch_size,
                width=self.image_width,
                num_layers=self.image_layers,
                num_heads=self.image_heads,
            ),
            embedding_dim=self.embedding_dim,
            end_token=tokenizer.eos_id,
        )


class Contrastive(nn.Module):
    """CLIP as a trainee. `metrics` tells the part of the last batch's pictures that found their caption, and s."""

    def __init__(self, clip: Clip, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.trained = clip.requires_grad_()
        self.tokenizer = tokenizer
        self.metrics: dict[str, float] = {}

    def groups(self) -> list[Group]:
        """The text tower has the group that text_learning_rate is for."""
        text = [*self.trained.text.parameters(), *self.trained.text_projection.parameters()]
        image = [*self.trained.vision.parameters(), *self.trained.visual_projection.parameters()]
        return [
            Group(name=TEXT_GROUP, parameters=text),
            Group(name="image", parameters=[*image, self.trained.logit_scale]),
        ]

    def forward(self, batch: Batch) -> Float[Tensor, "batch"]:
        """Each pair's loss. Keeps s at most 100 (section 2.5 of the paper).

        `TrainingError` for data of another shape, a single pair, or a batch that does not divide by the processes.
        """
        clip = self.trained
        processes = dist.get_world_size() if dist.is_initialized() else 1
        if batch.global_size % processes:
            raise TrainingError(
                f"batch_size is {batch.global_size}; a contrastive training on {processes} processes needs a multiple "
                f"of {processes}."
            )
        if self.training:
            with torch.no_grad():
                clip.logit_scale.clamp_(max=math.log(LARGEST_SCALE))
        images, captions = self.vectors(batch)
        all_images, all_captions, first = _gathered(images, captions)
        if len(all_images) < 2:
            raise TrainingError("A contrastive training needs two pictures or more at once; accumulation is too large.")
        own = torch.arange(first, first + len(images), device=images.device)
        with torch.autocast(images.device.type, enabled=False):  # a hundredth of a cosine counts
            scale = clip.logit_scale.float().exp()
            by_image, by_caption = scale * images @ all_captions.T, scale * captions @ all_images.T
            losses = [F.cross_entropy(logits, own, reduction="none") for logits in (by_image, by_caption)]
        found = (by_image.argmax(dim=1) == own).float().mean()
        self.metrics = {"found": found.item(), "logit_scale": scale.item()}
        loss = (losses[0] + losses[1]) / 2
        return loss if batch.weights is None else loss * batch.weights.to(loss.device)

    def vectors(self, batch: Batch) -> tuple[Vectors, Vectors]:
        """Of the batch's pictures and of its captions, float32."""
        clip = self.trained
        ids = self.tokenizer.encode_padded(batch.captions, clip.spec.text.max_tokens).ids
        device = clip.logit_scale.device
        return clip.image_vectors(self._pixels(batch).to(device)).float(), clip.text_vectors(ids.to(device)).float()

    def _pixels(self, batch: Batch) -> Image:
        if batch.pixels is None:
            raise TrainingError("A contrastive training needs pixels; this data gives latents.")
        if batch.loss_masks is not None:
            raise TrainingError("A contrastive training sees whole pictures; leave mask_folder and alpha_mask out.")
        size, (height, width) = self.trained.spec.vision.image_size, batch.pixels.shape[2:]
        if (height, width) != (size, size):
            raise TrainingError(
                f"The pictures are {width} x {height} pixels, the image tower reads {size} x {size}; "
                f"set resolution to {size} and buckets to false."
            )
        return batch.pixels


@dataclass(frozen=True)
class Retrieval:
    """Measures a trainee, with its weights as they are: whether the right one is found among all that are held out."""

    trainee: Contrastive
    held_out: Callable[[], Iterable[Batch]]

    @torch.no_grad()
    def __call__(self) -> dict[str, float]:
        """`image_to_text` and `text_to_image`: of the pictures (captions), the part whose nearest caption (picture) is
        their own, or one of the same words. Nothing where nothing is held out."""
        images, captions, texts = [], [], []
        for batch in self.held_out():
            pair = self.trainee.vectors(batch)
            images.append(pair[0])
            captions.append(pair[1])
            texts += batch.captions
        if not texts:
            return {}
        cosines = torch.cat(images) @ torch.cat(captions).T
        found = {"image_to_text": cosines.argmax(dim=1).tolist(), "text_to_image": cosines.argmax(dim=0).tolist()}
        return {
            name: sum(texts[j] == text for j, text in zip(best, texts, strict=True)) / len(texts)
            for name, best in found.items()
        }


def save_text_encoder(
    folder: str | Path,
    trainee: Contrastive,
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Write CLIP as it is now, with its tokenizer, as transformers' `CLIPModel` folder: see `save_clip`.

    `checkpoints.clip_folder.load_text_encoder` takes the text encoder from there. Raises `OutputError`.
    """
    save_clip(folder, trainee.trained, trainee.tokenizer, dtype=dtype, metadata=metadata or {})


def _gathered(images: Vectors, captions: Vectors) -> tuple[Tensor, Tensor, int]:
    """The vectors of all processes, through which gradients flow, and where those of this one begin."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return images, captions, 0
    from torch.distributed.nn.functional import all_gather

    first = dist.get_rank() * len(images)
    return torch.cat(all_gather(images.contiguous())), torch.cat(all_gather(captions.contiguous())), first
