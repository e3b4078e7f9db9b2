"""Pictures to scaled latents and back: the autoencoder network with its family's scale, careful with memory and NaN."""

import torch
from PIL import Image as PILImage

from inkbloom.core.errors import CheckpointError, MemoryNeededError, RequestError
from inkbloom.core.types import Image, Latent
from inkbloom.models.autoencoder import AutoencoderKL
from inkbloom.pipelines.memory import available_bytes, decode_bytes, encode_bytes, is_out_of_memory, require
from inkbloom.pipelines.pictures import from_pictures

PIXELS_AT_ONCE = 4 * 512 * 512
"""Pictures are decoded in chunks of about so many pixels; larger chunks are not faster."""


class Autoencoder:
    """`encode` and `decode` for one loaded autoencoder. Latents are scaled: their variance is near 1."""

    def __init__(self, network: AutoencoderKL, latent_scale: float) -> None:
        self.network = network
        self.latent_scale = latent_scale

    @property
    def downscale(self) -> int:
        """Pixels a latent point stands for, in height and in width."""
        return self.network.spec.downscale

    @property
    def _parameter(self) -> torch.Tensor:
        return self.network.quant_conv.weight

    @torch.no_grad()
    def encode(self, picture: PILImage.Image | Image, *, noise: Latent | None = None) -> Latent:
        """The scaled latent of a picture, or of a batch of images in [-1, 1]; float32.

        The mean of the encoder's distribution, or with standard normal `noise` a sample of it. `RequestError` unless
        both sides divide by `downscale`; `MemoryNeededError` where the picture is too large.
        """
        image = from_pictures([picture]) if isinstance(picture, PILImage.Image) else picture
        height, width = image.shape[2:]
        if height % self.downscale or width % self.downscale:
            raise RequestError(f"A picture of {width} x {height} pixels: both sides must divide by {self.downscale}.")
        device, dtype = self._parameter.device, self._parameter.dtype
        what = f"Encoding a picture of {width} x {height} pixels"
        require(encode_bytes(self.network.spec, width, height, dtype), available_bytes(device), what)
        try:
            distribution = self.network.encode(image.to(device, dtype))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise MemoryNeededError(f"{what} ran out of memory; choose a smaller one.") from error
        raw = distribution.mean if noise is None else distribution.sample(noise.to(device, dtype))
        if not raw.isfinite().all() and dtype is not torch.float32:
            self.network.float()
            return self.encode(image, noise=noise)
        return self._finite(raw.float() * self.latent_scale, "encoder")

    @torch.no_grad()
    def decode(self, latent: Latent) -> Image:
        """The images in [-1, 1] of scaled latents, float32.

        Where half precision gives NaN, the network changes to float32 for good and decodes again. When memory runs out,
        the pictures are decoded one by one, and if one alone does not fit, `MemoryNeededError` says so.
        """
        height, width = (self.downscale * side for side in latent.shape[2:])
        chunk = max(1, PIXELS_AT_ONCE // (height * width))
        images = torch.cat([self._decode_chunk(part) for part in latent.split(chunk)])
        return self._finite(images, "decoder").clamp(-1.0, 1.0)

    def _decode_chunk(self, latent: Latent) -> Image:
        raw = latent.to(self._parameter.device, self._parameter.dtype) / self.latent_scale
        try:
            images = self.network.decode(raw).float()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if len(latent) == 1:
                height, width = (self.downscale * side for side in latent.shape[2:])
                raise MemoryNeededError(
                    f"Decoding {width} x {height} pixels ran out of memory; choose a smaller size."
                ) from error
            images = None
        if images is None:  # outside the handler, so that the failed call's tensors are free
            return torch.cat([self._decode_chunk(one) for one in latent.split(1)])
        if images.isfinite().all() or raw.dtype is torch.float32:
            return images
        self.network.float()
        return self._decode_chunk(latent)

    def require_decode(self, width: int, height: int) -> None:
        """`MemoryNeededError` where decoding one picture of so many pixels surely does not fit."""
        needed = decode_bytes(self.network.spec, width, height, self._parameter.dtype)
        require(needed, available_bytes(self._parameter.device), f"Decoding {width} x {height} pixels")

    def compression(self) -> float:
        """How many times fewer numbers a latent has than its picture."""
        return 3 * self.downscale**2 / self.network.spec.latent_channels

    @staticmethod
    def _finite(values: torch.Tensor, part: str) -> torch.Tensor:
        if not values.isfinite().all():
            raise CheckpointError(f"The {part} gives numbers that are not finite, in float32 too; is its file damaged?")
        return values
