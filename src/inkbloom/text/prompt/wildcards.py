"""Folders of wildcard files: the lists of texts that `__NAME__` in a template chooses from.

animals.txt          __animals__           one text a line; blank lines and lines that begin with "#" are left out
food/fruit.txt       __food/fruit__        or with patterns: __food/*__, __**/fruit__
colours.yaml         __warm/red__          nested lists: keys joined by "/", below the file's folder; .json too
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from inkbloom.core.errors import RequestError

_LISTS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Wildcards:
    """What is in some folders. A name is looked up among the files found there, so that no path leads out of them.

    Where two folders have one name, the first holds. `RequestError` for a folder that is not there, and at the first
    use of a file that is not UTF-8, or not YAML or JSON where its ending says so.
    """

    folders: Sequence[Path] = ()
    _read: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted({**self._files, **self._lists})

    def find(self, pattern: str) -> list[str]:
        """The names that fit: `*`, `?` and `[...]` within one level, `**` over any number of them; sorted."""
        if not re.search(r"[*?\[]", pattern):
            return [pattern] if pattern in self._files or pattern in self._lists else []
        parts = re.sub(r"\*\*(/\*\*)+", "**", pattern).split("/")
        return [name for name in self.names if _fits(name.split("/"), parts)]

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts under one of `names`, as written."""
        if name not in self._read:
            lines = self._lists[name] if name not in self._files else _read(self._files[name]).splitlines()
            stripped = (line.strip() for line in lines)
            self._read[name] = tuple(line for line in stripped if line and not line.startswith("#"))
        return self._read[name]

    @cached_property
    def _files(self) -> dict[str, Path]:
        """The text files by name."""
        found = {}
        for folder, path in self._walk():
            if path.suffix.lower() == ".txt":
                found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
        return found

    @cached_property
    def _lists(self) -> dict[str, list[str]]:
        """The lists in YAML and JSON files by name."""
        found: dict[str, list[str]] = {}
        for folder, path in self._walk():
            if path.suffix.lower() in _LISTS:
                for name, texts in _lists(_read_lists(path), path.relative_to(folder).parent.parts):
                    found.setdefault(name, texts)
        return found

    def _walk(self) -> Iterator[tuple[Path, Path]]:
        for folder in self.folders:
            if not folder.is_dir():
                raise RequestError(f'The wildcard folder "{folder}" is not there.')
            root = folder.resolve()
            for path in sorted(folder.rglob("*")):
                # A link may point out of the folder.
                if path.is_file() and path.resolve().is_relative_to(root):
                    yield folder, path


def _fits(names: list[str], parts: list[str]) -> bool:
    if not parts:
        return not names
    if parts[0] == "**":
        return _fits(names, parts[1:]) or (bool(names) and _fits(names[1:], parts))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _fits(names[1:], parts[1:])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RequestError(f'The wildcard file "{path}" cannot be read: {error.strerror}.') from None
    except UnicodeDecodeError:
        raise RequestError(f'The wildcard file "{path}" is not UTF-8 text; save it as UTF-8.') from None


def _read_lists(path: Path) -> object:
    import yaml

    kind, parse = ("JSON", json.loads) if path.suffix.lower() == ".json" else ("YAML", yaml.safe_load)
    try:
        return parse(_read(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = " ".join(str(error).split())
        raise RequestError(f'The wildcard file "{path}" is not {kind}: {line}.') from None


def _lists(content: object, above: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Every list of texts in the nested tables, under its keys; whatever else there is has no name to be chosen by."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _lists(value, (*above, str(key)))
    elif isinstance(content, list) and above:
        yield "/".join(above), [str(item) for item in content if isinstance(item, str | int | float)]
