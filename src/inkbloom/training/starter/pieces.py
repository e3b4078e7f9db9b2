"""A folder cut into pieces that mail, chat and git hosts take, and put together again.

`cut` writes `pieces.json` and `model.tar.000`, `model.tar.001`, ...: a tar archive of the folder, cut. To join them:
`python -m inkbloom.training.starter.pieces PIECES FOLDER`. Every piece is checked against its SHA-256 first.
"""

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from inkbloom.core.errors import CheckpointError, OutputError, RequestError

INDEX = "pieces.json"
_PREFIX = "model.tar."


def cut(folder: Path, target: Path, piece_bytes: int) -> list[Path]:
    """Write `folder` to `target` in pieces of at most `piece_bytes`; returns them. What `target` held before goes.

    Raises `RequestError` where `piece_bytes` is below 1.
    """
    if piece_bytes < 1:
        raise RequestError(f"A piece has {piece_bytes} bytes; it needs at least 1.")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            entry = tarfile.TarInfo(file.relative_to(folder).as_posix())
            entry.size = file.stat().st_size
            with file.open("rb") as content:
                tar.addfile(entry, content)
    data = archive.getbuffer()

    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob(_PREFIX + "*"):
        old.unlink()
    pieces = []
    for start in range(0, len(data), piece_bytes):
        piece = target / f"{_PREFIX}{len(pieces):03d}"
        piece.write_bytes(data[start : start + piece_bytes])
        pieces.append(piece)
    index = {piece.name: hashlib.sha256(piece.read_bytes()).hexdigest() for piece in pieces}
    (target / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return pieces


def join(pieces: Path, folder: Path) -> None:
    """Put the folder together again that `cut` wrote to `pieces`.

    Raises `CheckpointError` for a missing or damaged piece and `OutputError` where `folder` already holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is not empty; give a folder that is.")
    archive = b"".join(_checked(pieces))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def _checked(folder: Path) -> Iterator[bytes]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / INDEX} cannot be read: {error}.") from error
    for name, expected in index.items():
        try:
            piece = (folder / name).read_bytes()
        except OSError as error:
            raise CheckpointError(f"The piece {folder / name} cannot be read: {error}.") from error
        if (found := hashlib.sha256(piece).hexdigest()) != expected:
            raise CheckpointError(f"The piece {folder / name} is damaged: its SHA-256 is {found}, not {expected}.")
        yield piece


def main(arguments: Sequence[str]) -> None:
    if len(arguments) != 2:
        sys.exit("python -m inkbloom.training.starter.pieces PIECES FOLDER")
    join(Path(arguments[0]), Path(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
