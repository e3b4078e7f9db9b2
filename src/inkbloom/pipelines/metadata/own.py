"""Our record: JSON with the request that paints the picture again, and the hashes of the stages.

    {"program": "inkbloom 0.1.0", "request": {...}, "stages": {...}}
    {"program": "inkbloom 0.1.0", "request_sha256": "..."}                 where the picture may tell no more

It is ASCII, so that every container keeps it exactly.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import ValidationError

import inkbloom
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.metadata.record import Metadata, clean, mapping_of, parse_json, text_of, written
from inkbloom.pipelines.request import GenerationRequest, ResolvedRequest
from inkbloom.pipelines.stages import StageHashes

_OF_PROMPTS: Any = {
    **dict.fromkeys(("prompt", "negative_prompt", "network_hashes", "a1111_hashes"), True),
    "hires": {"prompt", "negative_prompt"},
}
"""The fields that tell the prompts, or words of them."""

PROGRAM = f"inkbloom {inkbloom.__version__}"


def to_record(request: ResolvedRequest, stages: StageHashes | None) -> str:
    """The full record."""
    record: dict[str, Any] = {"program": PROGRAM, "request": request.model_dump(mode="json")}
    if stages is not None:
        record["stages"] = stages.model_dump(mode="json")
    return json.dumps(record)


def without_prompt(request: ResolvedRequest) -> str:
    """The record of all but the prompts and the places of files; nor has it hashes of stages, by which a guessed
    prompt could be tried."""
    kept = request.model_dump(mode="json", exclude=_OF_PROMPTS)
    return json.dumps({"program": PROGRAM, "request": _without_paths(kept)})


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_paths(part) for name, part in value.items() if name != "path"}
    return [_without_paths(part) for part in value] if isinstance(value, list) else value


def hash_only(request: ResolvedRequest) -> str:
    """The record of the request's hash alone, by which whoever keeps the request can show that it is this picture's."""
    return json.dumps({"program": PROGRAM, "request_sha256": request_hash(request)})


def request_hash(request: ResolvedRequest) -> str:
    """SHA-256 of the request as JSON with sorted keys, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(request.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def read_record(text: str) -> Metadata:
    """What our record says. `RequestError` where it is cut off, or holds what no version of ours has written."""
    record = parse_json(text)
    if record is None or not text_of(record.get("program")).startswith("inkbloom"):
        raise RequestError("The inkbloom record in the picture is damaged: it is no JSON object of inkbloom's.")
    fields = mapping_of(record.get("request"))
    warnings: list[str] = []
    request = None
    if "prompt" in fields:
        try:
            request = GenerationRequest(**fields)
        except (RequestError, TypeError) as error:
            raise RequestError(f"The inkbloom record in the picture is damaged: {error}") from None
    elif fields:
        warnings.append("The picture was saved without its prompt, so it cannot be painted again.")
    else:
        warnings.append("The picture was saved with nothing but the hash of its request.")
    usual = GenerationRequest.model_validate({"prompt": ""}).model_dump(mode="json")
    shown = {name: value for name, value in fields.items() if name not in usual or value != usual[name]}
    if "request_sha256" in record:
        shown["request_sha256"] = record["request_sha256"]
    return Metadata(
        program=clean(record["program"]),
        prompt=request.prompt if request else "",
        negative_prompt=request.negative_prompt if request else "",
        fields={
            clean(name): clean(written(value))
            for name, value in shown.items()
            if name not in ("prompt", "negative_prompt")
        },
        request=request,
        raw=clean(text),
        warnings=warnings,
        stages=_stages(record.get("stages"), warnings),
    )


def _stages(found: Any, warnings: list[str]) -> StageHashes | None:
    if found is None:
        return None
    try:
        return StageHashes.model_validate(found)
    except ValidationError:
        warnings.append("The hashes of the picture's stages are damaged; left out.")
        return None
