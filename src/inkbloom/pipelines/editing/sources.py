"""Pictures and noise that a request names: by path for programs and people, by a hash of their contents for proof."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image as PILImage
from pydantic import BaseModel, Field, PrivateAttr, model_validator

from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.core.types import Latent

_SHORT = 16
NOISE_KEY = "noise"
"""The name of the tensor in a file of noise."""


class PictureSource(BaseModel, frozen=True, extra="forbid"):
    """A picture, 8-bit RGB and upright. A path, a `PIL.Image`, or its own JSON makes one.

    Without a path it lives only as long as the process: a request that is written down says then just its hash.
    """

    path: str | None = Field(None, description="the file")
    sha256: str | None = Field(None, description="of its pixels as RGB, the first 16 digits; filled when it is opened")
    _pictures: list[PILImage.Image] = PrivateAttr(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _from_anything(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            return {"path": str(value)}
        return value

    @classmethod
    def of(cls, picture: PILImage.Image) -> PictureSource:
        """A picture in memory."""
        rgb = picture.convert("RGB")
        source = cls(path=None, sha256=pixel_hash(rgb))
        source._pictures.append(rgb)
        return source

    def open(self) -> PILImage.Image:
        """The pixels. `RequestError` where there is no such picture, or another one than was meant."""
        if not self._pictures:
            if self.path is None:
                raise RequestError(f"The picture with hash {self.sha256} was never saved; give its file again.")
            from inkbloom.pipelines.pictures import open_picture  # here, since it brings torch

            picture = open_picture(Path(self.path))
            if self.sha256 is not None and pixel_hash(picture) != self.sha256:
                raise RequestError(f'"{self.path}" is no longer the picture that was meant: its pixels have changed.')
            self._pictures.append(picture)
        return self._pictures[0]

    def opened(self) -> PictureSource:
        """The same with its hash filled."""
        picture = self.open()
        if self.sha256 is not None:
            return self
        known = PictureSource(path=self.path, sha256=pixel_hash(picture))
        known._pictures.append(picture)
        return known


def pixel_hash(picture: PILImage.Image) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of size and RGB values."""
    rgb = picture.convert("RGB")
    return hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode() + rgb.tobytes()).hexdigest()[:_SHORT]


class NoiseSource(BaseModel, frozen=True, extra="forbid"):
    """The initial noise of a picture, as `pipelines.inversion` writes it. A path or its own JSON makes one."""

    path: str = Field(description="a .safetensors file")
    sha256: str | None = Field(None, description="of the file, the first 16 digits; filled when it is opened")

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"path": str(value)} if isinstance(value, str | Path) else value

    def open(self) -> Latent:
        """The noise, (1, c, h, w). `RequestError` where there is no such file, or another one than was meant."""
        from safetensors.torch import load  # here, since it brings torch

        try:
            data = Path(self.path).read_bytes()
            noise = load(data)[NOISE_KEY]
        except OSError as error:
            raise RequestError(f'Cannot read the noise "{self.path}": {error.strerror}.') from None
        except Exception:  # whatever safetensors stumbles over
            raise RequestError(f'"{self.path}" is no file of noise, as `inkbloom invert` writes them.') from None
        if self.sha256 not in (None, self._hash(data)):
            raise RequestError(f'"{self.path}" is no longer the noise that was meant: the file has changed.')
        if noise.ndim != 4 or len(noise) != 1 or not noise.is_floating_point():
            raise RequestError(f'"{self.path}" holds a tensor {tuple(noise.shape)}, not the noise of one picture.')
        return noise

    def opened(self) -> NoiseSource:
        """The same with its hash filled."""
        self.open()
        return self.model_copy(update={"sha256": self._hash(Path(self.path).read_bytes())})

    @staticmethod
    def _hash(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()[:_SHORT]
