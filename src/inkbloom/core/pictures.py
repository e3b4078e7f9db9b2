"""Picture files of every kind that Pillow reads, as 8-bit RGB; what goes wrong with them becomes one clear line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image as PILImage
from PIL import UnidentifiedImageError

from inkbloom.core.errors import InkbloomError, RequestError


@contextmanager
def reading(source: Path | BinaryIO, name: str | None = None) -> Iterator[PILImage.Image]:
    """A picture not yet decoded, from a file or a stream that messages call `name`.

    Whatever goes wrong within becomes a `RequestError` of one line: the picture is missing, none, damaged, or so large
    that Pillow takes it for an attack. Safe in threads: the process's warning filters are left alone.
    """
    name = str(source) if name is None else name
    try:
        with PILImage.open(source) as file:
            if PILImage.MAX_IMAGE_PIXELS and file.width * file.height > PILImage.MAX_IMAGE_PIXELS:
                raise PILImage.DecompressionBombError
            yield file
    except InkbloomError:
        raise
    except FileNotFoundError:
        raise RequestError(f'There is no picture "{name}".') from None
    except IsADirectoryError:
        raise RequestError(f'"{name}" is a folder, not a picture.') from None
    except UnidentifiedImageError:
        raise RequestError(f'"{name}" is not a picture in a format that Pillow reads (PNG, JPEG, WebP, ...).') from None
    except (PILImage.DecompressionBombWarning, PILImage.DecompressionBombError):
        limit = f"{PILImage.MAX_IMAGE_PIXELS or 0:,}"
        raise RequestError(f'"{name}" has too many pixels; at most {limit} are read.') from None
    except Exception as error:  # Pillow's readers raise whatever they stumble over in a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RequestError(f'"{name}" cannot be read as a picture: {reason.rstrip(".")}.') from None


def as_rgb(picture: PILImage.Image) -> PILImage.Image:
    """8-bit RGB: 16-bit greys are scaled down; transparent places become white."""
    if picture.mode.startswith("I"):  # 16-bit greys; Pillow's own conversion clips them
        levels = np.asarray(picture).astype(np.int64).clip(0, 65535)
        return PILImage.fromarray((levels / 257).round().astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = PILImage.new("RGBA", picture.size, "white")
        return PILImage.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")
