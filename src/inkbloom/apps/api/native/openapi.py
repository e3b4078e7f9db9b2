"""The OpenAPI document's finishing: what pydantic cannot know of pictures in requests."""

from __future__ import annotations

from typing import Any

_NAME = {"type": "string", "pattern": r"^(upload:[0-9a-f]{32}|picture:[1-9][0-9]*|data:image/.+)$"}
PICTURE = {
    "title": "PictureSource",
    "description": "A picture: upload:ID, picture:ID, or a data URL; also as pictures of the gallery tell it.",
    "anyOf": [
        _NAME,
        {
            "type": "object",
            "required": ["path"],
            "properties": {"path": _NAME, "sha256": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            "additionalProperties": False,
        },
    ],
}


def with_picture_texts(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema in which pictures are named as clients name them; paths of this machine are refused."""
    for definitions in (schema.get("$defs", {}), schema.get("components", {}).get("schemas", {})):
        if "PictureSource" in definitions:
            definitions["PictureSource"] = PICTURE
    return schema
