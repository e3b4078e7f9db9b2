"""Jobs in the database: their order, their states, and who works on them.

A job is handed out to one worker only (`worker` says whose it is, until that tells its end or is lost), and runs in the
order of priority, then position. Positions are fractions, so that a job moves between two others by one row's change.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from inkbloom.apps.service.database import Database
from inkbloom.apps.service.gallery import Gallery
from inkbloom.apps.service.jobs import (
    Failure,
    GenerateSpec,
    Job,
    MergeSpec,
    Picture,
    PlotSpec,
    Progress,
    Spec,
    State,
    TrainSpec,
    UpscaleSpec,
    VerifySpec,
    with_texts,
)
from inkbloom.apps.service.refusals import ConflictError, FullError, UnknownError
from inkbloom.core.errors import RequestError

MOST = 500
"""Jobs in one answer."""

_CLOSEST = 1e-6
"""Positions nearer than this are numbered anew."""

_TITLE = 80
_BEFORE = "state = 'queued' AND (priority > :priority OR (priority = :priority AND position < :position))"


@dataclass(frozen=True)
class Taken:
    """What a worker needs to know of a job."""

    id: str
    spec: dict[str, Any]
    stem: str
    """The beginning of its pictures' names, below the outputs."""
    format: str
    skipped: tuple[int, ...]


class Queue:
    def __init__(self, database: Database, gallery: Gallery) -> None:
        self._database = database
        self._gallery = gallery
        self._progress: dict[str, Progress] = {}

    # For clients

    def add(
        self, spec: Spec, *, priority: int, client: str | None, key: str | None, format: str, most: int
    ) -> tuple[str, bool]:
        """Queue a job behind all of its priority: its id, and whether it is new or was there under its key.

        `FullError` where `most` wait already.
        """
        now, id = time.time(), secrets.token_hex(8)
        stem = datetime.fromtimestamp(now).strftime(f"%Y-%m-%d/%H%M%S-{_mark(spec)}-{id[:8]}")
        with self._database.writing() as db:
            known = db.execute("SELECT id FROM jobs WHERE idempotency = ?", (key,)).fetchone()
            if known is not None:
                return known["id"], False
            waiting = db.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'held')").fetchone()[0]
            if waiting >= most:
                raise FullError(f"{waiting} jobs wait already, and at most {most} may; try again later.")
            db.execute(
                "INSERT INTO jobs (id, idempotency, kind, state, title, priority, position, spec, client, created,"
                " stem, format) VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(id, key, spec.kind, _title(spec), priority, _end(db, priority), spec.model_dump_json(), client),
                    *(now, stem, format),
                ),
            )
        return id, True

    def get(self, id: str, *, whole: bool = True) -> Job:
        with self._database.reading() as db:
            return self._jobs(db, [_row(db, id)], whole=whole)[0]

    def page(
        self,
        states: Sequence[State] | None,
        kinds: Sequence[str] | None,
        limit: int,
        before: str | None,
        client: str | None,
    ) -> tuple[list[Job], int]:
        conditions, values = ["1"], list[Any]()
        for column, allowed in (("state", states), ("kind", kinds)):
            if allowed is not None:
                conditions.append(f"{column} IN ({', '.join('?' * len(allowed))})")
                values += [str(one) for one in allowed]
        if client is not None:
            conditions.append("client = ?")
            values.append(client)
        where = " AND ".join(conditions)
        with self._database.reading() as db:
            total = db.execute(f"SELECT count(*) FROM jobs WHERE {where}", values).fetchone()[0]
            if before is not None:
                where += " AND number < ?"
                values.append(_row(db, before)["number"])
            limit = max(0, min(limit, MOST))
            rows = db.execute(f"SELECT * FROM jobs WHERE {where} ORDER BY number DESC LIMIT ?", [*values, limit])
            return self._jobs(db, rows.fetchall()), total

    def overview(self, limit: int) -> tuple[list[Job], list[Job], int]:
        """The jobs that run, the first that wait (held ones behind the others), and how many wait."""
        with self._database.reading() as db:
            running = db.execute("SELECT * FROM jobs WHERE state = 'running' ORDER BY started").fetchall()
            waiting = []
            for state in (State.QUEUED, State.HELD):
                waiting += db.execute(
                    "SELECT * FROM jobs WHERE state = ? ORDER BY priority DESC, position LIMIT ?",
                    (state, max(0, min(limit, MOST) - len(waiting))),
                ).fetchall()
            total = db.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'held')").fetchone()[0]
            return self._jobs(db, running), self._jobs(db, waiting), total

    def counts(self) -> dict[str, int]:
        with self._database.reading() as db:
            found = dict(db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())
        return {state.value: found.get(state.value, 0) for state in State}

    def change_state(self, id: str, old: State, new: State) -> None:
        with self._database.writing() as db:
            _waits(_row(db, id), (old,))
            db.execute("UPDATE jobs SET state = ? WHERE id = ?", (new, id))

    def cancel(self, id: str, picture: int | None) -> str | None:
        """Cancel a job, or leave out a picture; the device that works on it, if one does.

        A job that runs counts as cancelled at once, so that it is not begun again whatever happens.
        """
        with self._database.writing() as db:
            row = _row(db, id)
            _waits(row, (State.QUEUED, State.HELD, State.RUNNING))
            if picture is None:
                db.execute("UPDATE jobs SET state = 'cancelled', finished = ? WHERE id = ?", (time.time(), id))
                return row["worker"]
            count = _count(json.loads(row["spec"]))
            if count is not None and not 0 <= picture < count:
                raise RequestError(f"picture {picture}: the job has {count}, numbered from 0.")
            if self._gallery.has(db, id, picture):
                raise ConflictError(f"picture {picture}: it is finished already.")
            skipped = sorted({*json.loads(row["skipped"]), picture})
            state = row["state"]
            if state != State.RUNNING and count is not None and len(skipped) == count:
                state = State.CANCELLED
            db.execute("UPDATE jobs SET skipped = ?, state = ? WHERE id = ?", (json.dumps(skipped), state, id))
            return row["worker"] if state == State.RUNNING else None

    def cancel_waiting(self) -> list[str]:
        with self._database.writing() as db:
            rows = db.execute(
                "UPDATE jobs SET state = 'cancelled', finished = ? WHERE state IN ('queued', 'held') RETURNING id",
                (time.time(),),
            ).fetchall()
        return [row["id"] for row in rows]

    def retry(self, id: str) -> None:
        with self._database.writing() as db:
            row = _row(db, id)
            _waits(row, (State.FAILED, State.CANCELLED))
            db.execute(
                "UPDATE jobs SET state = 'queued', position = ?, finished = NULL, error = NULL, lost = 0,"
                " skipped = '[]' WHERE id = ?",
                (_end(db, row["priority"]), id),
            )
        self._progress.pop(id, None)

    def move(self, id: str, before: str | None, last: bool) -> None:
        with self._database.writing() as db:
            _waits(_row(db, id), (State.QUEUED, State.HELD))
            others = "state IN ('queued', 'held') AND id <> ?"
            if before is not None:
                if last or before == id:
                    raise RequestError("before: name another job that waits, or say last, not both.")
                _waits(_row(db, before), (State.QUEUED, State.HELD))
                target = _row(db, before)
            else:
                order = "priority, position DESC" if last else "priority DESC, position"
                target = db.execute(f"SELECT * FROM jobs WHERE {others} ORDER BY {order} LIMIT 1", (id,)).fetchone()
            if target is None:
                return
            position = _end(db, target["priority"]) if last else self._between(db, id, target)
            db.execute("UPDATE jobs SET priority = ?, position = ? WHERE id = ?", (target["priority"], position, id))

    def _between(self, db: sqlite3.Connection, id: str, target: sqlite3.Row) -> float:
        """A position before the target and after its neighbour."""
        for _ in range(2):
            above = db.execute(
                "SELECT max(position) FROM jobs WHERE state IN ('queued', 'held') AND priority = ? AND position < ?"
                " AND id <> ?",
                (target["priority"], target["position"], id),
            ).fetchone()[0]
            if above is None:
                return target["position"] - 1
            if target["position"] - above > _CLOSEST:
                return (above + target["position"]) / 2
            db.execute(
                "UPDATE jobs SET position = fresh.place FROM (SELECT number, row_number() OVER (ORDER BY position) AS"
                " place FROM jobs WHERE state IN ('queued', 'held') AND priority = ?) AS fresh"
                " WHERE jobs.number = fresh.number",
                (target["priority"],),
            )
            target = _row(db, target["id"])
        raise AssertionError("positions that were just numbered lie 1 apart")

    def prioritise(self, id: str, priority: int) -> None:
        with self._database.writing() as db:
            _waits(_row(db, id), (State.QUEUED, State.HELD))
            db.execute("UPDATE jobs SET priority = ? WHERE id = ?", (priority, id))

    def forget(self, id: str) -> None:
        with self._database.writing() as db:
            row = _row(db, id)
            _waits(row, (State.DONE, State.FAILED, State.CANCELLED))
            if row["worker"] is not None:
                raise ConflictError(f"Job {id} is just being stopped; try again in a moment.")
            db.execute("DELETE FROM jobs WHERE id = ?", (id,))
        self._progress.pop(id, None)

    # For those who work

    def take(self, device: str) -> Taken | None:
        """The next job, which is that device's from now on; None where none waits."""
        with self._database.writing() as db:
            row = db.execute(
                "SELECT * FROM jobs WHERE state = 'queued' AND worker IS NULL ORDER BY priority DESC, position LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET state = 'running', worker = ?, started = ?, attempts = attempts + 1 WHERE id = ?",
                (device, time.time(), row["id"]),
            )
        self._progress.pop(row["id"], None)
        return _taken(row)

    def release(
        self, id: str, state: State, *, error: Failure | None = None, warnings: Iterable[str] = (), lost: bool = False
    ) -> State:
        """A worker has it no longer: what becomes of it, unless it was cancelled meanwhile; the state it is in.

        `lost` counts the workers that were lost over it.
        """
        with self._database.writing() as db:
            row = _row(db, id)
            state = state if row["state"] == State.RUNNING else State(row["state"])
            told = dict.fromkeys([*json.loads(row["warnings"]), *warnings])
            failure = error.model_dump_json() if error is not None and state == State.FAILED else None
            db.execute(
                "UPDATE jobs SET worker = NULL, state = ?, finished = CASE WHEN ? THEN coalesce(finished, ?) END,"
                " error = ?, warnings = ?, lost = lost + ? WHERE id = ?",
                (
                    *(state, state.ended, time.time(), failure),
                    *(json.dumps([*told], ensure_ascii=False), lost, id),
                ),
            )
        if state == State.QUEUED:
            self._progress.pop(id, None)
        return state

    def losses(self, id: str) -> int:
        """How many workers were lost over it since the last picture."""
        with self._database.reading() as db:
            return _row(db, id)["lost"]

    def moved_on(self, id: str) -> None:
        """It has made a picture: earlier losses do not count any more."""
        with self._database.writing() as db:
            db.execute("UPDATE jobs SET lost = 0 WHERE id = ? AND lost > 0", (id,))

    def keep_result(self, id: str, result: dict[str, Any]) -> None:
        with self._database.writing() as db:
            db.execute("UPDATE jobs SET result = ? WHERE id = ?", (json.dumps(result, ensure_ascii=False), id))

    def keep_progress(self, id: str, progress: Progress) -> None:
        self._progress[id] = progress

    def recover(self) -> list[Taken]:
        """Queue again what ran, in its old place; the jobs that workers had, which `release` must still free."""
        with self._database.writing() as db:
            db.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
            rows = db.execute("SELECT * FROM jobs WHERE worker IS NOT NULL").fetchall()
        return [_taken(row) for row in rows]

    def taken(self, id: str) -> Taken:
        with self._database.reading() as db:
            return _taken(_row(db, id))

    def _jobs(self, db: sqlite3.Connection, rows: Sequence[sqlite3.Row], *, whole: bool = False) -> list[Job]:
        """Rows as clients see them, with a fixed number of queries; only `whole` ones tell how each picture is made."""
        pictures = self._gallery.of_jobs(db, [row["id"] for row in rows], whole=whole)
        queued = [row for row in rows if row["state"] == State.QUEUED]
        places: dict[str, int] = {}
        if len(queued) == 1:
            found = db.execute(f"SELECT count(*) FROM jobs WHERE {_BEFORE}", dict(queued[0])).fetchone()
            places[queued[0]["id"]] = found[0]
        elif queued:
            order = db.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY priority DESC, position")
            places = {row["id"]: place for place, row in enumerate(order)}
        return [self._job(row, places.get(row["id"]), pictures.get(row["id"], [])) for row in rows]

    def _job(self, row: sqlite3.Row, place: int | None, pictures: list[Picture]) -> Job:
        spec = _told_spec(row["spec"])
        progress = self._progress.get(row["id"]) or Progress(pictures=_count(spec) or 0)
        if row["state"] == State.DONE:
            progress = progress.model_copy(update={"done": 1.0, "seconds_left": 0.0})
        # Of our own, and so many in a list that their checks would be felt
        return Job.model_construct(
            id=row["id"],
            kind=row["kind"],
            state=State(row["state"]),
            title=row["title"],
            priority=row["priority"],
            place=place,
            spec=spec,
            created=_time(row["created"]),
            started=None if row["started"] is None else _time(row["started"]),
            finished=None if row["finished"] is None else _time(row["finished"]),
            progress=progress,
            pictures=pictures,
            result=None if row["result"] is None else json.loads(row["result"]),
            error=None if row["error"] is None else Failure.model_validate_json(row["error"]),
            warnings=json.loads(row["warnings"]),
            attempts=row["attempts"],
            client=row["client"],
            preview_step=None,
        )


@lru_cache(maxsize=1024)
def _told_spec(text: str) -> dict[str, Any]:
    """A job's spec as clients see it; it never changes, and nobody may change it."""
    return with_texts(json.loads(text))


def _row(db: sqlite3.Connection, id: str) -> sqlite3.Row:
    row = db.execute("SELECT * FROM jobs WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise UnknownError(f'There is no job "{id[:64]}".')
    return row


def _taken(row: sqlite3.Row) -> Taken:
    return Taken(row["id"], json.loads(row["spec"]), row["stem"], row["format"], tuple(json.loads(row["skipped"])))


def _waits(row: sqlite3.Row, states: Sequence[State]) -> None:
    if row["state"] not in states:
        raise ConflictError(f"Job {row['id']} is {row['state']}; it would have to be {' or '.join(states)}.")


def _end(db: sqlite3.Connection, priority: int) -> float:
    found = db.execute("SELECT max(position) FROM jobs WHERE state IN ('queued', 'held') AND priority = ?", (priority,))
    return (found.fetchone()[0] or 0.0) + 1.0


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _count(spec: dict[str, Any]) -> int | None:
    """How many pictures a job makes, where that is known beforehand."""
    match spec["kind"]:
        case "generate":
            return spec["request"]["num_images"]
        case "upscale":
            return len(spec["images"])
    return None


def _mark(spec: Spec) -> str:
    return str(spec.request.seed) if isinstance(spec, GenerateSpec | PlotSpec) else spec.kind


def _title(spec: Spec) -> str:
    match spec:
        case GenerateSpec() | PlotSpec():
            text = " ".join(spec.request.prompt.split())
        case UpscaleSpec():
            text = f"{len(spec.images)} x {spec.upscaler}"
        case MergeSpec():
            text = " + ".join(spec.models)
        case TrainSpec():
            text = spec.name
        case VerifySpec():
            text = f"Verify picture {spec.picture}"
    return text if len(text) <= _TITLE else text[: _TITLE - 1] + "…"
