"""What every reader gives: which program made the picture, its words, and our request for the same picture."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.pipelines.stages import StageHashes

MAX_WARNINGS, MAX_WARNING_LENGTH = 50, 200
MAX_NETWORKS, MAX_NAME_LENGTH = 50, 200
"""A hostile text could make any number of any length."""


_TOGETHER = {"seed_width": "seed_height", "seed_height": "seed_width"}
"""Fields of which none can be without the other."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a picture tells of how it was made."""

    program: str
    """The program that wrote it, with the version where it says so: "inkbloom 0.1.0", "Forge f2.0.1", "ComfyUI"."""
    prompt: str
    negative_prompt: str
    fields: dict[str, str]
    """The program's settings under its own names, as written."""
    request: GenerationRequest | None
    """Our request for the same picture as far as we can paint it; None where there is no prompt to paint."""
    raw: str
    """The text that all this was read from."""
    warnings: list[str] = field(default_factory=list)
    """What was not understood, or what we cannot do, one line each."""
    stages: StageHashes | None = None
    """Only in our own pictures."""


def make_metadata(
    program: str,
    prompt: str,
    negative_prompt: str,
    *,
    fields: Mapping[str, Any],
    settings: Mapping[str, Any],
    raw: str,
    warnings: Sequence[str] = (),
) -> Metadata:
    """Metadata of a foreign picture; `settings` are fields of `GenerationRequest`, by text or number, still unchecked.

    A setting that we cannot use becomes a warning, and is left to the model; so does a prompt that we cannot paint.
    """
    told = [*warnings]
    prompt, negative_prompt = clean(prompt), clean(negative_prompt)
    usable: dict[str, Any] = {}
    # The schedule comes after the sampler, whose name may say it; the options depend on the sampler
    for name in sorted(settings.keys() - {"sampler_options"}, key=["sampler", "schedule", *settings].index):
        value = settings[name].strip() if isinstance(settings[name], str) else settings[name]
        if value is None:
            continue
        beside = {"sampler": usable["sampler"]} if name == "schedule" and "sampler" in usable else {}
        if name in _TOGETHER:
            beside = {_TOGETHER[name]: settings.get(_TOGETHER[name])}
        problem = _problem(**beside, **{name: value})
        if problem is None:
            usable[name] = value
        else:
            told.append(problem)
    usable["sampler_options"] = _known_options(settings.get("sampler_options") or {}, usable.get("sampler"), told)
    problem = _problem(prompt=prompt, negative_prompt=negative_prompt)
    if problem is None:
        usable |= {"prompt": prompt, "negative_prompt": negative_prompt}
        request = GenerationRequest(**usable)
    else:
        request = None
        told.append(problem)
    return Metadata(
        program=clean(program),
        prompt=prompt,
        negative_prompt=negative_prompt,
        fields={clean(str(name)): clean(written(value)) for name, value in fields.items()},
        request=request,
        raw=clean(raw),
        warnings=_shortened([*dict.fromkeys(told)]),
    )


def parse_json(text: str | None) -> dict[str, Any] | None:
    """The JSON object in a text; None where it is none, cut off, or nested beyond reason."""
    if text is None or not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def text_of(value: Any) -> str:
    """A JSON value where a text should stand; anything else counts as none."""
    return value if isinstance(value, str) else ""


def mapping_of(value: Any) -> dict[str, Any]:
    """A JSON value where an object should stand; anything else counts as an empty one."""
    return value if isinstance(value, dict) else {}


def network_tags(kind: str, networks: Iterable[Sequence[Any]], told: list[str]) -> str:
    """Networks that a program keeps beside its prompt as tags behind it: (name, weight) or (name, text, U-Net weight).

    Those of weight 0 are left out; those that cannot stand in a tag, and all beyond `MAX_NETWORKS`, are told.
    """
    tags = []
    for path, *weights in networks:
        name, numbers = model_name(path), [_number(weight) for weight in weights]
        if any(numbers) or None in numbers:
            usable = name and len(name) <= MAX_NAME_LENGTH and not re.search(r"[:<>=\n]", name)
            if not usable or None in numbers or len(tags) == MAX_NETWORKS:
                told.append(f"The {kind} {shortened(written(path), 60)} cannot stand in a prompt, and is left out.")
                continue
            tags.append(f" <{kind}:{name}:{':'.join(f'{number:.10g}' for number in dict.fromkeys(numbers))}>")
    return "".join(tags)


def short_hash(value: Any) -> str | None:
    """The ten digits by which we know a model, of a SHA-256 or its beginning; older and other hashes name nothing."""
    found = re.fullmatch(r"([0-9a-fA-F]{10})[0-9a-fA-F]*", value.strip()) if isinstance(value, str) else None
    return found[1].lower() if found else None


def model_name(value: Any) -> str | None:
    """A model's name without folder and ending, of a file name from whatever system."""
    name = re.split(r"[/\\]", text_of(value))[-1]
    return re.sub(r"\.(safetensors|ckpt|pt|pth|bin|gguf|sft)\Z", "", name, flags=re.IGNORECASE) or None


def clean(text: str) -> str:
    """The text with half surrogate pairs, which JSON may hold and no file can, replaced by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _shortened(lines: list[str]) -> list[str]:
    kept = [shortened(clean(line), MAX_WARNING_LENGTH) for line in lines[:MAX_WARNINGS]]
    more = len(lines) - len(kept)
    return [*kept, f"And {more} more like these."] if more else kept


def shortened(text: str, length: int) -> str:
    """The text, its end cut off where it is longer."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def written(value: Any) -> str:
    """A JSON value as a text: a text as it is, others as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _problem(**fields: Any) -> str | None:
    """What is wrong with the fields of a request, or None."""
    fields.setdefault("prompt", "")
    try:
        GenerationRequest(**fields)
    except RequestError as error:
        return f"{error} It is left out."
    return None


def _known_options(options: Mapping[str, Any], sampler: str | None, told: list[str]) -> dict[str, float]:
    """Those options that are numbers and that the sampler has; a zero that it lacks changes nothing and is not told."""
    from inkbloom.sampling.registry import find_sampler

    plain = GenerationRequest.model_validate({"prompt": "", "sampler": sampler}).sampler  # without the schedule
    known = find_sampler(plain).options if plain else {}
    found = {}
    for name, value in options.items():
        number = _number(value)
        if number is None:
            told.append(f"{name} {value!r}: must be a finite number. It is left out.")
        elif name in known:
            found[name] = number
        elif number:
            told.append(f"{name} {number:g}: sampler {sampler or '(unknown)'} has no such option. It is left out.")
    return found


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
