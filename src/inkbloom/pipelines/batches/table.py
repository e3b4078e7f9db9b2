"""Tables of requests: CSV with a header of fields, or JSON objects, one a line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.jobs import Job, Mistakes, job_of, read_text


def read_csv(path: Path, base: Mapping[str, Any]) -> list[Job]:
    """A job for each row; an empty cell leaves the field as in `base`. `RequestError` with the numbers of bad lines."""
    return _jobs(path, base, _csv_rows(read_text(path)))


def read_jsonl(path: Path, base: Mapping[str, Any]) -> list[Job]:
    """A job for each line, an object of fields. `RequestError` with the numbers of bad lines."""
    return _jobs(path, base, _json_rows(read_text(path)))


Row = tuple[int, dict[str, Any] | str]
"""The number of its line, and its fields or what is wrong with it."""


def _jobs(path: Path, base: Mapping[str, Any], rows: Iterator[Row]) -> list[Job]:
    jobs: list[Job] = []
    mistakes = Mistakes(path)
    for number, row in rows:
        origin = f"line {number}"
        try:
            if isinstance(row, str):
                raise RequestError(f"{origin}: {row}")
            jobs.append(job_of(row, base, origin))
        except RequestError as error:
            mistakes.add(error)
    mistakes.tell()
    if not jobs:
        raise RequestError(f'There are no requests in "{path}".')
    return jobs


def _csv_rows(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    start = 1
    try:
        header = [name.strip() for name in next(reader)]
        if "" in header or len(set(header)) < len(header):
            yield 1, "the header must name each column once, such as prompt,seed,steps"
            return
        while True:
            start = reader.line_num + 1
            row = next(reader)
            if not any(cell.strip() for cell in row):
                continue
            if len(row) > len(header):
                yield (
                    start,
                    f"{len(row)} fields, but the header has {len(header)}; a text with commas must stand in quotation "
                    "marks",
                )
                continue
            yield start, dict(zip(header, (cell.strip() for cell in row), strict=False))
    except StopIteration:
        return
    except csv.Error as error:
        yield start, f"it is broken: {error}"


def _json_rows(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            yield number, f"it is not JSON: {error}"
            continue
        yield number, row if isinstance(row, dict) else f"it is no JSON object but {type(row).__name__}"
