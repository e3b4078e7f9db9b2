"""A training's TOML file beside the command line's flags: what a flag does not say, the file does.

```toml
[data]
data = ["pictures"]
resolution = 512
[lora]
rank = 16
block_ranks = { M00 = 32 }
```

The tables are for the reader: each field has one name, which is its flag's, whatever table it stands in.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cyclopts import App, ArgumentCollection, Token

from inkbloom.core.errors import RequestError, nearest

FLAG = "--config"


def read_into(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """For cyclopts: fill the arguments that no flag gave from the file that `--config` names.

    `RequestError` for a file that cannot be read, is not TOML, or has a field that the command does not know.
    """
    by_name = {argument.names[0]: argument for argument in arguments if argument.names}
    chosen = by_name.get(FLAG)
    if chosen is None or not chosen.tokens:
        return
    path = Path(chosen.tokens[0].value)
    known = {name.removeprefix("--").replace("-", "_") for name in by_name if name.startswith("--") and name != FLAG}
    for field, value in _fields(_read(path)):
        if field not in known:
            raise RequestError(f'{path} has an unknown field "{field}".{nearest(field, known)}')
        argument = by_name["--" + field.replace("_", "-")]
        if argument.tokens:
            continue
        for keys, place, text in _texts(value):
            argument.append(Token(keyword=field, value=text, source=str(path), keys=keys, index=place))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f'Cannot read the configuration "{path}": {error.strerror}.') from None
    except UnicodeDecodeError:
        raise RequestError(f'The configuration "{path}" is not UTF-8 text.') from None
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f'The configuration "{path}" is not TOML: {error}.') from None


def _fields(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from value.items()
        else:
            yield name, value


def _texts(value: Any) -> Iterator[tuple[tuple[str, ...], int, str]]:
    """The value as the command line would have it: (keys below the field, place in a list, text)."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            for keys, place, text in _texts(part):
                yield (key, *keys), place, text
    else:
        for place, part in enumerate(value if isinstance(value, list) else [value]):
            yield (), place, str(part).lower() if isinstance(part, bool) else str(part)


def to_toml(sections: Mapping[str, Any]) -> str:
    """Dataclasses by the names of their tables, as a file that `read_into` reads; what is None is left out."""
    lines: list[str] = []
    for name, section in sections.items():
        fields = {field.name: getattr(section, field.name) for field in dataclasses.fields(section)}
        told = {field: value for field, value in fields.items() if value is not None and value not in ((), {})}
        lines += [f"[{name}]", *(f"{field} = {_value(value)}" for field, value in told.items()), ""]
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_value(key)} = {_value(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, Path):
        value = str(value)
    # TOML writes texts, numbers and truth values as JSON does
    return json.dumps(value, ensure_ascii=False)
