"""The pictures that were made: their files, thumbnails, and what they are found by."""

from __future__ import annotations

import io
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from PIL import Image as PILImage

from inkbloom.apps.service.database import Database
from inkbloom.apps.service.events import Events
from inkbloom.apps.service.folders import DataFolder, within, write_file
from inkbloom.apps.service.jobs import Picture
from inkbloom.apps.service.library import named
from inkbloom.apps.service.refusals import UnknownError
from inkbloom.apps.service.searching import condition_of
from inkbloom.apps.service.uploads import Uploads
from inkbloom.core.pictures import as_rgb, reading

MOST = 500
"""Pictures in one answer."""
THUMBNAIL = 320
"""The longer side, in pixels."""

_SEARCHED = ("prompt", "negative_prompt", "model", "vae", "sampler", "schedule", "dialect")


class Gallery:
    def __init__(self, database: Database, folder: DataFolder, events: Events, uploads: Uploads) -> None:
        self._database = database
        self._folder = folder
        self._events = events
        self._uploads = uploads

    def search(
        self,
        query: str = "",
        *,
        filters: Mapping[str, Any] | None = None,
        order: Literal["newest", "oldest"] = "newest",
        limit: int = 50,
        before: int | None = None,
    ) -> tuple[list[Picture], int]:
        """Pictures as `searching` says, those after picture `before` in the order; and how many there are in all.

        `filters`: fields with the values that they must have, such as {"favourite": True}; None is no filter.
        """
        condition = condition_of(query, filters)
        with self._database.reading() as db:
            total = db.execute(f"SELECT count(*) FROM pictures WHERE {condition.sql}", condition.values).fetchone()[0]
            if before is not None:
                condition.add(f"id {'<' if order == 'newest' else '>'} ?", before)
            rows = db.execute(
                f"SELECT * FROM pictures WHERE {condition.sql} ORDER BY id {'DESC' if order == 'newest' else 'ASC'}"
                " LIMIT ?",
                [*condition.values, max(0, min(limit, MOST))],
            )
            return [_picture(row) for row in rows], total

    def picture(self, id: int) -> Picture:
        with self._database.reading() as db:
            return _picture(_row(db, id))

    def file(self, id: int) -> Path:
        """`UnknownError` where somebody took it away."""
        with self._database.reading() as db:
            name = _row(db, id)["file"]
        return within(self._folder.outputs, name, "file")

    def thumbnail(self, id: int) -> Path:
        """A small WebP, made when it is first asked for."""
        path = self._folder.thumbnails / f"{id}.webp"
        if not path.exists():
            with reading(self.file(id)) as file:
                small = as_rgb(file)
            small.thumbnail((THUMBNAIL, THUMBNAIL), PILImage.Resampling.LANCZOS)
            data = io.BytesIO()
            small.save(data, "WEBP", quality=85)
            write_file(path, data.getvalue())
        return path

    def favourite(self, id: int, is_favourite: bool) -> Picture:
        with self._database.writing() as db:
            _row(db, id)
            db.execute("UPDATE pictures SET favourite = ? WHERE id = ?", (is_favourite, id))
        return self._tell(id)

    def delete(self, id: int) -> None:
        """Remove a picture and its file for good."""
        with self._database.writing() as db:
            row = _row(db, id)
            db.execute("DELETE FROM pictures WHERE id = ?", (id,))
        # The row first: a file without one is only untidy, and the job's end has been told long ago
        with suppress(OSError):
            (self._folder.outputs / row["file"]).unlink(missing_ok=True)
            (self._folder.thumbnails / f"{id}.webp").unlink(missing_ok=True)
        self._events.publish("picture", {"id": id, "deleted": True})

    def add(
        self,
        path: Path,
        *,
        job: str,
        kind: str,
        index: int,
        role: str,
        width: int,
        height: int,
        seed: int | None,
        request: dict[str, Any] | None,
        warnings: Sequence[str] = (),
    ) -> bool:
        """Take in a finished file of a job; whether it is new: told twice it is there once.

        Deleting a picture lets its job make it again, should it be retried.
        """
        request = None if request is None else named(self._uploads.named(request))
        told = request or {}
        names = [str(told[name]) for name in _SEARCHED if told.get(name)]
        names += [f"<{name.replace('embed:', 'embedding:', 1)}" for name in told.get("network_hashes") or {}]
        names += [str(unit["model"]) for unit in told.get("controls") or ()]
        file = path.relative_to(self._folder.outputs).as_posix()
        with self._database.writing() as db:
            row = db.execute(
                "INSERT INTO pictures (job, kind, place, role, file, width, height, seed, created, prompt, model,"
                " sampler, request, warnings, words) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING RETURNING id",
                (
                    *(job, kind, index, role, file, width, height, None if seed is None else str(seed), time.time()),
                    *(told.get("prompt", ""), told.get("model"), told.get("sampler")),
                    request and json.dumps(request, ensure_ascii=False),
                    json.dumps([*warnings], ensure_ascii=False),
                    "\n".join([*names, kind, file]),
                ),
            ).fetchone()
        if row is not None:
            self._tell(row["id"])
        return row is not None

    def finished(self, job: str) -> list[int]:
        """The pictures of a job that are there, by index."""
        with self._database.reading() as db:
            rows = db.execute("SELECT place FROM pictures WHERE job = ? AND role = 'picture' ORDER BY place", (job,))
            return [row["place"] for row in rows]

    def has(self, db: sqlite3.Connection, job: str, index: int) -> bool:
        found = db.execute("SELECT 1 FROM pictures WHERE job = ? AND role = 'picture' AND place = ?", (job, index))
        return found.fetchone() is not None

    def of_jobs(self, db: sqlite3.Connection, jobs: Sequence[str], *, whole: bool) -> dict[str, list[Picture]]:
        """The pictures of each of these jobs, in their order; with their requests where they are to be `whole`."""
        found: dict[str, list[Picture]] = {}
        rows = db.execute(
            "SELECT id, job, place, role, width, height, seed, file, created, favourite, prompt, warnings,"
            f" {'request' if whole else 'NULL AS request'} FROM pictures"
            f" WHERE job IN ({', '.join('?' * len(jobs))}) ORDER BY role = 'grid', place",
            jobs,
        )
        for row in rows:
            found.setdefault(row["job"], []).append(_picture(row))
        return found

    def _tell(self, id: int) -> Picture:
        picture = self.picture(id)
        self._events.publish("picture", picture.model_dump(mode="json"))
        return picture


def _row(db: sqlite3.Connection, id: int) -> sqlite3.Row:
    # Larger numbers than SQLite has are no picture's
    row = db.execute("SELECT * FROM pictures WHERE id = ?", (id,)).fetchone() if abs(id) < 2**63 else None
    if row is None:
        raise UnknownError(f"There is no picture {id}.")
    return row


def _picture(row: sqlite3.Row) -> Picture:
    return Picture(
        id=row["id"],
        job=row["job"],
        index=row["place"],
        role=row["role"],
        width=row["width"],
        height=row["height"],
        seed=row["seed"] and int(row["seed"]),
        filename=row["file"],
        created=datetime.fromtimestamp(row["created"], UTC),
        favourite=bool(row["favourite"]),
        prompt=row["prompt"],
        request=row["request"] and json.loads(row["request"]),
        warnings=json.loads(row["warnings"]),
    )
