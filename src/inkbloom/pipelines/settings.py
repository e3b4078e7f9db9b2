"""What the parts of a request have in common: frozen, checked when they are made, and one line for what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from inkbloom.core.errors import RequestError, nearest


class Settings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Constructing it checks each field; raises `RequestError`."""

    if not TYPE_CHECKING:  # pyright takes the constructor's arguments from the fields

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise RequestError(_explain(type(self), error.errors()[0])) from None


def _explain(kind: type[BaseModel], error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return f'has no field "{name}".{nearest(name, kind.model_fields)}'
    if error["type"] == "missing":
        return f"{name} is missing."
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    said = error["msg"].replace("Input should be", "must be")
    return f"{name} {error['input']!r} {said}."
