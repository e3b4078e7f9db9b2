"""Folders of pictures, with tars among them: captions in files or `metadata.jsonl`, repeats in kohya's folder names."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inkbloom.core.errors import RequestError, TrainingError
from inkbloom.training.data.examples import (
    PICTURE_ENDINGS,
    Blob,
    Collection,
    Example,
    Problem,
    caption_text,
    measure,
)
from inkbloom.training.data.settings import DataSettings
from inkbloom.training.data.tars import JSON_ENDING, TAR_ENDING, json_caption, read_tar

METADATA = "metadata.jsonl"
_REPEATS = re.compile(r"(\d+)_(.+)")
_SAME_SHAPE = 0.03
"""How much a hint's aspect ratio may differ from its picture's, as a part of it."""


def collect(settings: DataSettings) -> Collection:
    """All examples of `data` and `regularisation_data`, in the order of their names, and what is wrong with others.

    `TrainingError` where a folder is missing or holds no picture, or a list of captions cannot be read.
    """
    if not settings.data:
        raise TrainingError("There is nothing to train on; say where the pictures are: data.")
    collector = _Collector(settings)
    for place in settings.data:
        collector.add(place, regularisation=False)
    for place in settings.regularisation_data:
        collector.add(place, regularisation=True)
    return Collection(tuple(collector.examples), tuple(collector.problems))


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an example has of its folder or tar."""

    group: str
    repeats: int
    trigger: str | None
    regularisation: bool


@dataclass
class _Collector:
    settings: DataSettings
    examples: list[Example] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    listed: dict[Path, str] = field(default_factory=dict)
    """Captions out of `metadata.jsonl` whose pictures have not been met yet."""

    def __post_init__(self) -> None:
        self.masks = _by_stem(self.settings.mask_folder, "mask_folder")
        self.hints = _by_stem(self.settings.hint_folder, "hint_folder")

    def add(self, place: Path, *, regularisation: bool) -> None:
        """A folder with all below it, or a tar."""
        if not place.exists():
            raise TrainingError(f'There is no folder or tar "{place}" to train on.')
        before = len(self.examples) + len(self.problems)
        if place.is_file():
            if place.suffix.lower() != TAR_ENDING:
                raise TrainingError(f'"{place}" is neither a folder nor a tar.')
            self._add_tar(place, 1, regularisation)
        else:
            for folder, names in self._walk(place):
                self._add_folder(place, folder, names, regularisation)
        for path in self.listed:
            self._orphan(f'{METADATA} has a caption for "{path}", which is not there')
        self.listed.clear()
        if len(self.examples) + len(self.problems) == before:
            endings = ", ".join(ending[1:] for ending in PICTURE_ENDINGS)
            raise TrainingError(f'"{place}" holds no pictures; looked for {endings} and tars, in folders below it too.')

    def _walk(self, root: Path) -> Iterator[tuple[Path, list[str]]]:
        """Folders with the names of their files, sorted; not those of masks, hints and caches, nor hidden ones.

        Links are followed, each folder once.
        """
        special = (self.settings.mask_folder, self.settings.hint_folder, self.settings.cache_folder)
        left_out = {path.resolve() for path in special if path is not None}
        for at, folders, files in os.walk(root, followlinks=True):
            folder = Path(at)
            left_out.add(folder.resolve())
            folders[:] = sorted(n for n in folders if not n.startswith(".") and (folder / n).resolve() not in left_out)
            yield folder, sorted(name for name in files if not name.startswith("."))

    def _add_folder(self, root: Path, folder: Path, names: list[str], regularisation: bool) -> None:
        repeats, trigger = _kohya(root, folder)
        if METADATA in names:
            self.listed |= _read_metadata(folder / METADATA)
        present = set(names)
        stems = set()
        for name in names:
            if not name.lower().endswith(PICTURE_ENDINGS):
                continue
            stem = Path(name).stem
            stems.add(stem)
            beside = (stem + ending for ending in self.settings.caption_extensions)
            file = next((folder / file for file in beside if file in present), None)
            key = (folder / stem).relative_to(root).as_posix()
            self._add_example(
                Blob(folder / name),
                self.listed.pop(folder / name, None if file is None else Blob(file)),
                Origin(
                    group=folder.name or str(folder), repeats=repeats, trigger=trigger, regularisation=regularisation
                ),
                mask=self.masks.get(key, self.masks.get(stem)),
                hint=self.hints.get(key, self.hints.get(stem)),
            )
        for name in names:
            if name.endswith(self.settings.caption_extensions) and Path(name).stem not in stems:
                self._orphan(f'The caption file "{folder / name}" has no picture beside it')
            elif name.lower().endswith(TAR_ENDING):
                self._add_tar(folder / name, repeats, regularisation)

    def _add_tar(self, path: Path, repeats: int, regularisation: bool) -> None:
        origin = Origin(group=path.name, repeats=repeats, trigger=None, regularisation=regularisation)
        for key, members in read_tar(path):
            picture = next((members[ending] for ending in PICTURE_ENDINGS if ending in members), None)
            captions = (*self.settings.caption_extensions, JSON_ENDING)
            caption = next((members[ending] for ending in captions if ending in members), None)
            if picture is not None:
                mask, hint = _part(members, ".mask"), _part(members, ".hint")
                self._add_example(picture, caption, origin, mask=mask, hint=hint)
            elif caption is not None:
                self._orphan(f'"{path}: {key}" has a caption and no picture')

    def _add_example(
        self, picture: Blob, caption: Blob | str | None, origin: Origin, *, mask: Blob | None, hint: Blob | None
    ) -> None:
        """Read the caption and the headers; what does not fit together becomes a problem."""
        try:
            if isinstance(caption, Blob):
                caption = json_caption(caption) if caption.member.endswith(JSON_ENDING) else caption_text(caption)
            width, height = measure(picture)
            mask_size = None if mask is None else measure(mask)
            hint_size = None if hint is None else measure(hint)
        except RequestError as error:
            self.problems.append(Problem("unreadable file", str(error)))
            return
        size = f"its picture {width} x {height}"
        if mask_size is not None and mask_size != (width, height):
            text = f'The mask "{mask}" is {mask_size[0]} x {mask_size[1]} pixels, {size}; they must agree.'
            self.problems.append(Problem("mask of another size", text))
            return
        if hint_size is not None and abs(hint_size[0] * height / (hint_size[1] * width) - 1.0) > _SAME_SHAPE:
            text = f'The hint "{hint}" is {hint_size[0]} x {hint_size[1]} pixels, {size}; their shapes must agree.'
            self.problems.append(Problem("hint of another shape", text))
            return
        example = Example(
            picture=picture,
            caption=self._caption(caption, origin),
            width=width,
            height=height,
            group=origin.group,
            repeats=origin.repeats * self.settings.repeats,
            regularisation=origin.regularisation,
            mask=mask,
            hint=hint,
        )
        self.examples.append(example)

    def _caption(self, own: str | None, origin: Origin) -> str:
        settings, trigger = self.settings, origin.trigger
        if own is None:
            return trigger or (settings.regularisation_caption if origin.regularisation else settings.default_caption)
        if settings.folder_trigger and trigger:
            return f"{trigger}{settings.tag_separator} {own}" if own else trigger
        return own

    def _orphan(self, text: str) -> None:
        self.problems.append(Problem("caption without a picture", f"{text}."))


def _kohya(root: Path, folder: Path) -> tuple[int, str | None]:
    """Repeats and name out of the nearest folder called `N_name`, up to the root."""
    for part in reversed((root.resolve().name, *folder.relative_to(root).parts)):
        if found := _REPEATS.fullmatch(part):
            return int(found[1]), found[2]
    return 1, None


def _read_metadata(path: Path) -> dict[Path, str]:
    captions = {}
    for number, line in enumerate(path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            captions[path.parent / entry["file_name"]] = str(
                entry["text"] if "text" in entry else entry["caption"]
            ).strip()
        except (ValueError, KeyError, TypeError):
            raise TrainingError(f'Line {number} of {path} must be a JSON object with "file_name" and "text".') from None
    return captions


def _by_stem(folder: Path | None, field_name: str) -> dict[str, Blob]:
    """The pictures below a folder by their path without its ending, with / between."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise TrainingError(f'{field_name} is "{folder}"; there is no such folder.')
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_ENDINGS)
    return {path.relative_to(folder).with_suffix("").as_posix(): Blob(path) for path in files}


def _part(members: Mapping[str, Blob], role: str) -> Blob | None:
    """A member such as `.mask.png`."""
    return next((members[role + ending] for ending in PICTURE_ENDINGS if role + ending in members), None)
