"""What people type into the gallery's search, as a condition in SQL.

cat "on the beach"      all words, in prompt, model, sampler, LoRAs and whatever else names a picture
seed:42 steps:>20       fields: =, >, >=, <, <=; texts are compared by what they contain
size:512x512 favourite:yes lora:film from:2026-11-01 to:2026-11-30
strength:<0.5           every field of a request
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from inkbloom.core.errors import RequestError, nearest
from inkbloom.pipelines.request import GenerationRequest

_TERM = re.compile(r'(?:(\w+):(>=|<=|>|<|=)?)?(?:"([^"]*)"|(\S+))')
_TRIGRAM = 3
_MOST_TERMS = 50

_NUMBERS = {"width": "width", "height": "height", "id": "id"}
_TEXTS = {"model": "model", "sampler": "sampler", "prompt": "prompt", "file": "file"}
_EXACT = {"seed": "seed", "job": "job", "kind": "kind", "role": "role"}
_ALIASES = {
    "negative": "negative_prompt",
    "cfg": "guidance_scale",
    "guidance": "guidance_scale",
    "denoising": "strength",
    "favorite": "favourite",
}
_OTHERS = ("size", "favourite", "lora", "embedding", "hypernet", "from", "to")
_REQUEST = [name for name in GenerationRequest.model_fields if name not in {*_NUMBERS, *_TEXTS, *_EXACT}]
FIELDS = (*_NUMBERS, *_TEXTS, *_EXACT, *_OTHERS, *_REQUEST)


@dataclass
class Condition:
    """Joined by AND; `?` are the values."""

    parts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, part: str, *values: Any) -> None:
        self.parts.append(part)
        self.values += values

    @property
    def sql(self) -> str:
        return " AND ".join(self.parts) or "1"


def condition_of(query: str, filters: Mapping[str, Any] | None = None) -> Condition:
    """The condition on the table `pictures`. `RequestError` for an unknown field, and for a value it cannot have."""
    condition = Condition()
    terms = _TERM.findall(query.replace("\0", " "))
    if len(terms) > _MOST_TERMS:
        raise RequestError(f"q: {len(terms)} words; at most {_MOST_TERMS} are looked for.")
    for name, comparison, quoted, plain in terms:
        text = quoted or plain
        if name:
            _add_field(condition, name.lower(), comparison or "=", text)
        elif text:
            _add_words(condition, text)
    for name, value in (filters or {}).items():
        if value is not None:
            _add_field(condition, name, "=", str(value))
    return condition


def _add_words(condition: Condition, text: str) -> None:
    if len(text) >= _TRIGRAM:
        quoted = '"' + text.replace('"', '""') + '"'
        condition.add("id IN (SELECT rowid FROM picture_words WHERE picture_words MATCH ?)", quoted)
    else:
        condition.add(r"words LIKE ? ESCAPE '\'", _contains(text))


def _add_field(condition: Condition, name: str, comparison: str, text: str) -> None:
    name = _ALIASES.get(name, name)
    if name in _NUMBERS:
        condition.add(f"{_NUMBERS[name]} {comparison} ?", _number(name, text))
    elif name in _TEXTS:
        condition.add(rf"{_TEXTS[name]} LIKE ? ESCAPE '\'", _contains(text))
    elif name == "seed" and comparison != "=":
        condition.add(f"CAST(seed AS REAL) {comparison} ?", _number(name, text))
    elif name in _EXACT:
        condition.add(f"{_EXACT[name]} = ?", text)
    elif name == "favourite":
        condition.add("favourite" if _truth(name, text) else "NOT favourite")
    elif name == "size":
        sides = re.fullmatch(r"(\d{1,6})[xX×](\d{1,6})", text)
        if sides is None:
            raise RequestError(f'size "{text}": must be like 512x768.')
        condition.add("width = ? AND height = ?", int(sides[1]), int(sides[2]))
    elif name in ("lora", "hypernet"):
        condition.add(r"words LIKE ? ESCAPE '\'", _contains(f"<{name}:{text}"))
    elif name == "embedding":
        condition.add(r"request ->> '$.network_hashes' LIKE ? ESCAPE '\'", _contains(f'"embed:{text}'))
    elif name in ("from", "to"):
        day = _day(name, text)
        condition.add(f"created {'>=' if name == 'from' else '<'} ?", day + 86400 * (name == "to"))
    elif name in _REQUEST:
        _add_request_field(condition, name, comparison, text)
    else:
        raise RequestError(f'q: unknown field "{name}".{nearest(name, FIELDS)}')


def _add_request_field(condition: Condition, name: str, comparison: str, text: str) -> None:
    value = f"request ->> '$.{name}'"
    try:
        number = float(text)
    except ValueError:
        if comparison != "=":
            raise RequestError(f'{name} "{text}": must be a number after {comparison}.') from None
        if text.lower() in ("yes", "no", "true", "false"):
            condition.add(f"coalesce({value}, 0) {'<>' if _truth(name, text) else '='} 0")
        else:
            condition.add(rf"{value} LIKE ? ESCAPE '\'", _contains(text))
    else:
        condition.add(f"CAST({value} AS REAL) {comparison} ? AND {value} IS NOT NULL", number)


def _contains(text: str) -> str:
    return "%" + re.sub(r"([%_\\])", r"\\\1", text) + "%"


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(f'{name} "{text}": must be a number.') from None


def _truth(name: str, text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false", "1", "0"):
        raise RequestError(f'{name} "{text}": must be yes or no.')
    return text.lower() in ("yes", "true", "1")


def _day(name: str, text: str) -> float:
    """Its beginning, or the moment itself, in seconds since 1970; of the server's time zone where none is said."""
    try:
        moment = datetime.fromisoformat(text)
        seconds = moment.timestamp()
    except (ValueError, OverflowError, OSError):
        raise RequestError(f'{name} "{text}": must be a day such as 2026-11-20.') from None
    # A moment rather than a day is exact: `to` then ends there
    return seconds - 86400 * (name == "to" and len(text) > len("2026-11-20"))
