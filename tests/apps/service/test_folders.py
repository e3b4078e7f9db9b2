import subprocess
import sys
from pathlib import Path

import pytest

from inkbloom.apps.service.folders import DataFolder, check_name, within, write_file
from inkbloom.core.errors import OutputError, RequestError


def test_a_second_server_is_refused_in_one_line_and_gets_in_once_the_first_is_gone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    code = f"from inkbloom.apps.service import DataFolder\nfrom pathlib import Path\n\
with DataFolder(Path({str(tmp_path)!r})).lock(): pass"
    with folder.lock():
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "Another server works in" in other.stderr.splitlines()[-1]
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_service_does_not_import_torch() -> None:
    code = "import sys, inkbloom.apps.service; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "/etc/passwd", "a\\b", ".hidden", "a\0", "x" * 101, "a."]
)
def test_a_name_can_never_be_a_path(name: str) -> None:
    with pytest.raises(RequestError, match=r"^name .*: must be a plain name"):
        check_name(name, "name")


@pytest.mark.parametrize("name", ["cat", "my cat 2", "猫", "v1.5-x_(b)"])
def test_plain_names_in_any_language_pass(name: str) -> None:
    assert check_name(name, "name") == name


def test_nothing_outside_a_folder_is_within_it(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret").write_text("x")
    (inside / "link").symlink_to(tmp_path / "secret")
    (inside / "own").write_text("x")
    assert within(inside, "own", "file") == inside / "own"
    for name in ("../secret", str(tmp_path / "secret"), "link", "missing", ""):
        with pytest.raises(RequestError, match=r"^There is no file"):
            within(inside, name, "file")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [*path.parent.iterdir()] == [path]
    with pytest.raises(OutputError, match="Cannot write"):
        write_file(path / "below-a-file", b"")
