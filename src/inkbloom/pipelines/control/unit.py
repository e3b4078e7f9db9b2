"""One control of a request: which network, what picture it reads, and how much it has to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from inkbloom.core.errors import RequestError, nearest
from inkbloom.pipelines.editing.sources import PictureSource

# The preprocessors bring torch, and `import inkbloom` must stay light, so they are imported inside functions.


REFERENCE = "reference_only"
"""The model of a unit that needs no network: the U-Net itself looks at the picture."""


class ControlUnit(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """A ControlNet, T2I-Adapter or IP-Adapter at work. Constructing it checks each field; raises `RequestError`."""

    model: str = Field(description="its name in the library of models, its file, or reference_only")
    image: PictureSource = Field(description="the picture it reads")
    weight: float = Field(1.0, ge=0, le=2, description="how strongly it acts")
    start: float = Field(0.0, ge=0, le=1, description="from which part of the steps on")
    end: float = Field(1.0, ge=0, le=1, description="up to which part of the steps")
    mode: Literal["balanced", "prompt", "control"] = Field("balanced", description="who is more important")
    preprocessor: str = Field("none", description="what is made of the picture first")
    threshold_a: float | None = Field(None, description="the preprocessor's first setting")
    threshold_b: float | None = Field(None, description="its second")
    resolution: int | None = Field(
        None, ge=64, le=4096, description="the shorter side while preprocessing; None = pixel perfect, as painted"
    )
    resize_mode: Literal["stretch", "crop", "fill"] = Field(
        "crop", description="how the picture comes to the painted size"
    )
    mask: PictureSource | None = Field(
        None, description="for the preprocessor inpaint: what is to be filled; None: the request's own mask"
    )
    style_fidelity: float = Field(
        0.5, ge=0, le=1, description="for reference_only: how little the picture changes what is kept away from"
    )
    model_hash: str | None = Field(None, description="the first ten hexadecimal digits of the file's SHA-256")

    if not TYPE_CHECKING:  # pyright takes the constructor's arguments from the fields

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise RequestError(_explain(error.errors()[0])) from None

    @field_validator("preprocessor")
    @classmethod
    def _name_preprocessor(cls, name: str) -> str:
        if name == "none":
            return name
        from inkbloom.pipelines.preprocessing import find_preprocessor

        return find_preprocessor(name).name

    @model_validator(mode="after")
    def _check(self) -> ControlUnit:
        if self.start >= self.end:
            raise ValueError(f"start {self.start:g}: must be below end, which is {self.end:g}")
        if (self.threshold_a, self.threshold_b) != (None, None):
            from inkbloom.pipelines.preprocessing import find_preprocessor

            find_preprocessor(self.preprocessor).checked(self.threshold_a, self.threshold_b)
        return self

    def opened(self) -> ControlUnit:
        """The same with the hashes of its pictures; `RequestError` where one cannot be opened."""
        return self.model_copy(update={"image": self.image.opened(), "mask": self.mask and self.mask.opened()})

    def infotext(self) -> str:
        """The unit in the words of sd-webui-controlnet, which stand in A1111's text; it cannot say the picture."""
        modes = {
            "balanced": "Balanced",
            "prompt": "My prompt is more important",
            "control": "ControlNet is more important",
        }
        resizes = {"stretch": "Just Resize", "crop": "Crop and Resize", "fill": "Resize and Fill"}
        said: dict[str, object] = {
            "Module": self.preprocessor,
            "Model": self.model if self.model_hash is None else f"{self.model} [{self.model_hash}]",
            "Weight": self.weight,
            "Resize Mode": resizes[self.resize_mode],
            "Processor Res": self.resolution,
            "Threshold A": self.threshold_a,
            "Threshold B": self.threshold_b,
            "Guidance Start": self.start,
            "Guidance End": self.end,
            "Pixel Perfect": self.resolution is None,
            "Control Mode": modes[self.mode],
        }
        return ", ".join(f"{key}: {value}" for key, value in said.items() if value is not None)


def _explain(error: Mapping[str, Any]) -> str:
    """What is wrong with a field, in one line."""
    field = str(error["loc"][0]) if error["loc"] else ""
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return f'unknown field "{field}".{nearest(field, ControlUnit.model_fields)}'
    if kind == "missing":
        return f"{field} is missing."
    if kind == "value_error":
        return f"{field} {error['ctx']['error']}".strip()
    allowed = error["msg"].removeprefix("Input should be ").rstrip(".")
    return f"{field} {value!r}: must be {allowed}."
