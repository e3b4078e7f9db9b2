import sqlite3
import threading
from pathlib import Path

import pytest

from inkbloom.apps.service.database import VERSION, Database
from inkbloom.core.errors import OutputError


def test_values_are_kept_over_openings(tmp_path: Path) -> None:
    first = Database(tmp_path / "db")
    first.keep("name", {"a": [1, "ü"]})
    first.close()
    second = Database(tmp_path / "db")
    assert second.value("name") == {"a": [1, "ü"]}
    assert second.value("other") is None
    second.close()


def test_what_fails_within_a_transaction_is_undone(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")

    def break_off() -> None:
        with database.writing():
            database.keep("name", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert database.value("name") is None
    database.close()


def test_who_reads_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    database.keep("name", "before")
    found: list[str] = []
    with database.writing():
        database.keep("name", "after")
        reader = threading.Thread(target=lambda: found.append(database.value("name")))
        reader.start()
        reader.join(60)
    assert found == ["before"]
    database.close()


def test_a_full_database_is_an_output_error_and_nothing_is_lost(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    database.keep("name", "before")
    with database.writing() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OutputError, match="database or disk is full"):
        database.keep("other", "x" * 100_000)
    assert database.value("name") == "before"
    assert database.value("other") is None
    with database.writing() as db:
        db.execute("PRAGMA max_page_count = 1000000")
    database.keep("other", "x" * 100_000)
    assert len(database.value("other")) == 100_000
    database.close()


def test_a_file_that_is_no_database_and_one_of_a_newer_program_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(OutputError, match="file is not a database"):
        Database(tmp_path / "text")
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    newer.close()
    with pytest.raises(OutputError, match="written by a newer inkbloom"):
        Database(tmp_path / "newer")


def test_a_change_is_on_the_disk_when_it_is_done(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    with database.reading() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
    database.close()
