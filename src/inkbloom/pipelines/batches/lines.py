"""Prompts from a file: a line is a prompt, or, where it begins with "--", options by A1111's names.

a big castle
--prompt a cute dog --seed 7 --steps 10 --cfg_scale 4
--prompt "a cat -- and a dog" --negative_prompt "rain" --width 128
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.jobs import Job, Mistakes, job_of, read_text


def read_lines(path: Path, base: Mapping[str, Any]) -> list[Job]:
    """A job for each line that is not empty. `RequestError` with the numbers of lines that cannot be used."""
    jobs: list[Job] = []
    mistakes = Mistakes(path)
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        origin = f"line {number}"
        try:
            jobs.append(job_of(read_line(line, origin), base, origin))
        except RequestError as error:
            mistakes.add(error)
    mistakes.tell()
    return jobs


def read_line(line: str, origin: str) -> dict[str, str]:
    """The fields of one line. A value goes on to the next word that begins with "--"; quotation marks are optional."""
    line = line.strip()
    if not line.startswith("--"):
        return {"prompt": line}
    try:
        words = shlex.split(line)
    except ValueError:  # an apostrophe in a prompt, say
        words = line.split()
    fields: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--") and " " not in word:
            name, equals, value = word[2:].partition("=")
            if not name:
                raise RequestError(f'{origin}: "--" names no option, as --prompt does.')
            if name in fields:
                raise RequestError(f"{origin}: --{name} is given twice.")
            fields[name] = [value] if equals else []
        else:
            next(reversed(fields.values())).append(word)
    bare = next((name for name, value in fields.items() if not value and name != "tiling"), None)
    if bare is not None:
        raise RequestError(f"{origin}: --{bare} has no value.")
    return {name: " ".join(value) or "true" for name, value in fields.items()}
