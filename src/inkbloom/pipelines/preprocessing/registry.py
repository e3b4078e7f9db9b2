"""The preprocessors by name, with their settings; A1111's names for the same are known too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image as PILImage

from inkbloom.core.errors import RequestError, nearest
from inkbloom.pipelines.preprocessing import pixels


@dataclass(frozen=True)
class Setting:
    """A number that a preprocessor takes."""

    help: str
    default: float
    low: float
    high: float


@dataclass(frozen=True)
class Preprocessor:
    name: str
    help: str
    function: Callable[..., pixels.Pixels]
    settings: tuple[Setting, ...] = ()

    def __call__(self, picture: PILImage.Image, *values: float | None) -> PILImage.Image:
        """The picture preprocessed, 8-bit RGB of the same size; None and settings left out take their defaults.

        `RequestError` for too many values, and for one out of its range.
        """
        array = np.asarray(picture.convert("RGB"))
        return PILImage.fromarray(np.ascontiguousarray(self.function(array, *self.checked(*values))))

    def at(
        self,
        picture: PILImage.Image,
        resolution: int,
        resize: Callable[[PILImage.Image], PILImage.Image],
        *values: float | None,
    ) -> PILImage.Image:
        """The same of the picture with its shorter side so many pixels long, then brought to its size by `resize`.

        What is black and white, such as edges, is so afterwards too.
        """
        scale = resolution / min(picture.size)
        size = (round(picture.width * scale), round(picture.height * scale))
        made = self(picture.resize(size, PILImage.Resampling.LANCZOS), *values)
        array, resized = np.asarray(made), resize(made)
        if len(np.unique(array)) > 2 or np.ptp(array, axis=2).any():
            return resized
        return PILImage.fromarray(pixels.two_levels(np.asarray(resized)))

    def checked(self, *values: float | None) -> tuple[float, ...]:
        """All settings filled; `RequestError` as above."""
        values = tuple(values[: 1 + max((i for i, value in enumerate(values) if value is not None), default=-1)])
        if len(values) > len(self.settings):
            raise RequestError(
                f'Preprocessor "{self.name}" takes {len(self.settings) or "no"} settings, not {len(values)}.'
            )
        filled = []
        for i, setting in enumerate(self.settings):
            value = values[i] if i < len(values) else None
            number = setting.default if value is None else value
            if not setting.low <= number <= setting.high:
                raise RequestError(
                    f'Preprocessor "{self.name}": {setting.help} is {number:g}; it must be from {setting.low:g} to '
                    f"{setting.high:g}."
                )
            filled.append(number)
        return tuple(filled)


_GAMMA = Setting("gamma", 1.0, 0.1, 10.0)

PREPROCESSORS = {
    one.name: one
    for one in (
        Preprocessor("none", "the picture itself", lambda array: array),
        Preprocessor(
            "canny",
            "outlines, white on black",
            pixels.edges,
            (Setting("the low threshold", 100, 0, 2040), Setting("the high threshold", 200, 0, 2040)),
        ),
        Preprocessor("invert", "black lines on white to white on black", pixels.invert),
        Preprocessor("blur", "a Gaussian blur", pixels.blur, (Setting("sigma in pixels", 9.0, 0.1, 256),)),
        Preprocessor("scribble", "bold lines, white on black", pixels.scribble, (Setting("threshold", 32, 0, 255),)),
        Preprocessor("threshold", "black and white", pixels.threshold, (Setting("threshold", 127, 0, 255),)),
        Preprocessor("shuffle", "the colours in other places", pixels.shuffle, (Setting("seed", 0, 0, 2**32 - 1),)),
        Preprocessor("tile", "less detail", pixels.tile, (Setting("rate", 1.0, 1.0, 64),)),
        Preprocessor("recolor_luminance", "grey, by the eye's brightness", pixels.luminance, (_GAMMA,)),
        Preprocessor("recolor_intensity", "grey, by the strongest channel", pixels.intensity, (_GAMMA,)),
        Preprocessor("inpaint", "the picture, with the masked part marked to be filled", lambda array: array),
    )
}

_A1111 = {
    "blur_gaussian": "blur",
    "invert (from white bg & black line)": "invert",
    "scribble_xdog": "scribble",
    "tile_resample": "tile",
    "inpaint_only": "inpaint",
}


def find_preprocessor(name: str) -> Preprocessor:
    """`RequestError` with the nearest names where there is none of this name."""
    lower = name.lower().replace("-", "_")
    found = PREPROCESSORS.get(_A1111.get(lower, lower))
    if found is None:
        raise RequestError(f'Unknown preprocessor "{name}".{nearest(name, PREPROCESSORS)}')
    return found
