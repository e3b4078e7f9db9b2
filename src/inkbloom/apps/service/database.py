"""The one SQLite database of a service: who may write, the tables, and values kept by name.

Every change is on the disk when `writing` ends (WAL with synchronous=FULL), whole or not at all. One thread writes at a
time; readers see the last whole state and never wait.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from inkbloom.core.errors import OutputError

VERSION = 1

_TABLES = """
CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    idempotency TEXT UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    title TEXT NOT NULL,
    priority INTEGER NOT NULL,
    position REAL NOT NULL,
    spec TEXT NOT NULL,
    client TEXT,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,         -- workers in a row that were lost over it
    worker TEXT,                             -- the device whose worker has it, until that tells its end
    stem TEXT NOT NULL UNIQUE,               -- of its pictures, below outputs
    format TEXT NOT NULL,
    skipped TEXT NOT NULL DEFAULT '[]',      -- pictures left out, by index
    result TEXT,
    error TEXT,
    warnings TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX jobs_order ON jobs (state, priority DESC, position);
CREATE INDEX jobs_at_work ON jobs (worker) WHERE worker IS NOT NULL;
CREATE INDEX jobs_client ON jobs (client, number);

CREATE TABLE pictures (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT,
    kind TEXT NOT NULL,
    place INTEGER NOT NULL,                  -- its index in the job
    role TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE,               -- below outputs
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    seed TEXT,                               -- whole numbers up to 2**64 - 1 do not fit SQLite's
    created REAL NOT NULL,
    favourite INTEGER NOT NULL DEFAULT 0,
    prompt TEXT NOT NULL,
    model TEXT,
    sampler TEXT,
    request TEXT,
    warnings TEXT NOT NULL,
    words TEXT NOT NULL,                     -- what searches look through
    UNIQUE (job, role, place)
);
CREATE INDEX pictures_seed ON pictures (seed);
CREATE INDEX pictures_favourite ON pictures (id) WHERE favourite;
CREATE INDEX pictures_model ON pictures (model);

-- Three letters at a time: finds parts of words, and Chinese, which has no spaces between them.
CREATE VIRTUAL TABLE picture_words USING fts5 (words, content='pictures', content_rowid='id', tokenize='trigram');
CREATE TRIGGER picture_added AFTER INSERT ON pictures BEGIN
    INSERT INTO picture_words (rowid, words) VALUES (new.id, new.words);
END;
CREATE TRIGGER picture_deleted AFTER DELETE ON pictures BEGIN
    INSERT INTO picture_words (picture_words, rowid, words) VALUES ('delete', old.id, old.words);
END;

CREATE TABLE speeds (
    model TEXT, width INTEGER, height INTEGER, sampler TEXT, device TEXT, seconds REAL NOT NULL, -- for a step
    PRIMARY KEY (model, width, height, sampler, device)
) WITHOUT ROWID;
"""


class Database:
    """Opened, and made where it is not there. `OutputError` where it cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RLock()
        self._shelf = Lock()
        self._readers: list[sqlite3.Connection] | None = []
        """Those that nobody reads with; None once it is closed."""
        with _explained(path):
            self._writer = self._open()
            try:
                self._make_tables()
            except BaseException:
                self._writer.close()
                raise

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _make_tables(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise OutputError(f'"{self._path}" was written by a newer inkbloom; update this one.')
        if version < VERSION:
            self._writer.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, alone; what is raised within undoes it. `OutputError` where the disk is full or broken."""
        with self._lock, _explained(self._path):
            if self._writer.in_transaction:  # within another, which commits
                yield self._writer
                return
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has undone it already
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the database for all that is asked within."""
        with _explained(self._path):
            with self._shelf:  # never the writer's lock: its disk is slow
                connection = self._readers.pop() if self._readers else None
            connection = connection or self._open()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")
                with self._shelf:
                    if self._readers is None:
                        connection.close()
                    else:
                        self._readers.append(connection)

    def value(self, name: str) -> Any:
        """What `keep` kept; None where nothing is."""
        with self.reading() as db:
            row = db.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def keep(self, name: str, value: Any) -> None:
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, json.dumps(value)))

    def close(self) -> None:
        with self._lock, self._shelf:
            for connection in (*(self._readers or ()), self._writer):
                connection.close()
            self._readers = None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
        raise OutputError(f'The database "{path}" cannot be used: {error}.') from error
