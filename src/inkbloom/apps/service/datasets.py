"""Pictures with captions to train on, in a folder for each set, laid out as `inkbloom train` reads them."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

from inkbloom.apps.service.folders import DataFolder, check_name, explained, within, write_file
from inkbloom.apps.service.refusals import ConflictError, UnknownError
from inkbloom.apps.service.uploads import decoded
from inkbloom.core.errors import InkbloomError, RequestError
from inkbloom.core.pictures import reading

_CAPTION = ".txt"
_LONGEST_CAPTION = 10_000


class Datasets:
    def __init__(self, folder: DataFolder) -> None:
        self._folder, self._runs = folder.datasets, folder.runs

    def list(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir() if path.is_dir() and path.name[0] != ".")

    def create(self, name: str) -> None:
        """`ConflictError` where there is one of this name, `RequestError` for what is no plain name."""
        path = self._folder / check_name(name, "name")
        with explained(path):
            try:
                path.mkdir()
            except FileExistsError:
                raise ConflictError(f'name "{name}": there is such a data set already.') from None

    def path(self, name: str) -> Path:
        """The folder; `UnknownError` where there is none."""
        path = (self._folder / check_name(name, "dataset")).resolve()
        if path.parent != self._folder.resolve() or not path.is_dir():
            raise UnknownError(f'dataset "{name}": there is none of this name.')
        return path

    def get(self, name: str) -> list[dict[str, Any]]:
        """Its pictures by name: {"file", "width", "height", "caption"}."""
        folder = self.path(name)
        found = []
        for path in sorted(folder.glob("*.png")):
            with reading(path) as file:
                width, height = file.size
            found.append({"file": path.name, "width": width, "height": height, "caption": _caption(path)})
        return found

    def add(self, name: str, filename: str, data: bytes, caption: str = "") -> str:
        """Store a picture with its caption, and say under which name; one that is there is not replaced.

        Raises as `Uploads.add`.
        """
        folder = self.path(name)
        stem = (
            "".join(c if c.isalnum() or c in " -_" else "_" for c in Path(filename).stem).strip(" ")[:60] or "picture"
        )
        picture = decoded(data, filename[:80])
        file = io.BytesIO()
        picture.save(file, "PNG")
        path, number = folder / f"{stem}.png", 1
        while path.exists():
            path, number = folder / f"{stem}-{number}.png", number + 1
        self._write_caption(path, caption)
        write_file(path, file.getvalue())
        return path.name

    def file(self, name: str, file: str) -> Path:
        """`UnknownError` where it is not one of the set's."""
        return within(self.path(name), file, "picture")

    def caption(self, name: str, file: str, text: str) -> None:
        """Give a picture another caption."""
        self._write_caption(self.file(name, file), text)

    def remove(self, name: str, file: str) -> None:
        """Take a picture and its caption out."""
        path = self.file(name, file)
        with explained(path):
            path.unlink()
            path.with_suffix(_CAPTION).unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete a set with all its pictures."""
        path = self.path(name)
        with explained(path):
            shutil.rmtree(path)

    def lint(self, name: str, resolution: int = 512, downscale: int = 8) -> list[dict[str, Any]]:
        """What is wrong with it, for pictures of that resolution: {"level", "text", "files"}."""
        from inkbloom.training.data.buckets import ModelSizes
        from inkbloom.training.data.settings import DataSettings
        from inkbloom.training.data.survey import survey

        if not 64 <= resolution <= 4096:
            raise RequestError(f"resolution {resolution}: must be from 64 to 4096.")
        folder = self.path(name)
        sizes = ModelSizes(default=resolution, downscale=downscale, step=downscale)
        try:
            found = survey(DataSettings(data=(folder,), resolution=resolution), sizes, seed=0).findings
        except InkbloomError as error:
            return [{"level": "error", "text": str(error).replace(f"{folder}/", ""), "files": []}]
        return [
            {
                "level": one.level,
                "text": one.text.replace(f"{folder}/", ""),
                "files": [Path(file).name for file in one.names],
            }
            for one in found.findings
        ]

    def curve(self, run: str) -> list[dict[str, Any]]:
        """The rows of a training's log; none before it has begun."""
        path = self._runs / check_name(run, "name") / "log.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        rows = []
        for line in lines:
            try:
                rows.append(json.loads(line))
            except ValueError:
                break  # the last one is still being written
        return rows

    def _write_caption(self, picture: Path, text: str) -> None:
        if len(text) > _LONGEST_CAPTION:
            raise RequestError(f"caption: {len(text):,} characters; at most {_LONGEST_CAPTION:,} are taken.")
        try:
            data = text.encode()
        except UnicodeEncodeError:
            raise RequestError("caption: is not valid Unicode.") from None
        write_file(picture.with_suffix(_CAPTION), data)


def _caption(picture: Path) -> str:
    try:
        return picture.with_suffix(_CAPTION).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
