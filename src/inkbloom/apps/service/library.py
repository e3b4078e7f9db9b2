"""The models that jobs may name: what is in the library, what is built in, and what workers hold in memory.

Only headers are read here. Names are looked up among the files that are there, so that none leads anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event as Flag
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.messages import LoadedModel
from inkbloom.core.errors import CheckpointError, InkbloomError, nearest

if TYPE_CHECKING:
    from inkbloom.checkpoints.library import Entry, Library
    from inkbloom.families.spec import ModelSpec

# The library brings torch, which takes seconds; it is imported inside functions here.

STARTER = "starter"
_STARTER_FILE = "starter_model"
"""As the pipeline calls it, after its folder, and so the pictures' files."""
KINDS = ("checkpoints", "vae", "loras", "embeddings", "hypernetworks", "controlnet", "upscale_models")
"""Those that a client may name or list."""
REFERENCE = "reference_only"
FILTERS = ("None", "Lanczos", "Nearest", "Starter")
"""Upscalers that need no file."""
_FACES = re.compile(r"gfpgan|restoreformer|codeformer", re.IGNORECASE)


class ModelCard(BaseModel, frozen=True):
    """A model of any kind, as far as its header tells."""

    name: str
    kind: str
    family: str | None = Field(None, description="of checkpoints that can be painted with")
    bytes: int
    hash: str | None = Field(None, description="the first ten digits of the SHA-256, once somebody needed it")
    loaded: bool = False
    default: bool = False
    purpose: Literal["paint", "inpaint", "instruct"] | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    sampler: str | None = None
    schedule: str | None = None
    guidance_scale: float | None = None
    description: str = Field("", description="what its file holds, or why it cannot be used")


class Models:
    """Safe in threads. What was found stays as it is until `refresh`."""

    def __init__(
        self,
        root: Path | None,
        folder: DataFolder,
        default: Callable[[], str | None],
        tell: Callable[[dict[str, Any]], None],
        send: Callable[[Any], None],
    ) -> None:
        """`default` names the model of jobs that name none, `tell` publishes, `send` speaks to all workers."""
        self._root, self._folder, self._default, self._tell, self._send = root, folder, default, tell, send
        self.changed = Flag()
        """Models may have come or gone, whose hashes nobody knows."""
        self._lock = RLock()
        self._cards: list[ModelCard] | None = None
        self._specs: dict[Path, ModelSpec | str] = {}
        self._held: dict[str, list[LoadedModel]] = {}

    def list(self, kind: str | None = None) -> list[ModelCard]:
        """All models, or those of a kind, by kind and name. `RequestError` for an unknown kind."""
        if kind is not None and kind not in KINDS:
            from inkbloom.checkpoints.library import check_kind

            check_kind(kind)
        held, default = {one["name"] for one in self.loaded()}, self._default() or STARTER
        return [
            card.model_copy(update={"loaded": bool(_names(card) & held), "default": default in _names(card)})
            if card.kind == "checkpoints"
            else card
            for card in self._all()
            if kind in (None, card.kind)
        ]

    def refresh(self) -> None:
        """Look again; told as an event, where something may have come or gone."""
        with self._lock:
            self._cards = None
            self._specs.clear()
        self.changed.set()
        self._tell(self.held())

    def hash_all(self, stop: Callable[[], bool]) -> None:
        """Read all files whose hashes are not known yet, kind by kind, for as long as `stop` is false; tell of them."""
        from inkbloom.checkpoints.hashes import HashCache

        hashes, library = HashCache(self._folder.hashes), self.library()
        for kind in KINDS if library else ():
            found: dict[str, str] = {}
            unknown = {card.name for card in self.list(kind) if card.hash is None}
            for entry in library.entries(kind) if library and unknown else ():
                if stop():
                    return
                if entry.name in unknown and entry.path.is_file():
                    with suppress(CheckpointError):  # it has just gone
                        found[entry.name] = hashes.sha256(entry.path)[:10]
            if found:
                self._know(kind, found)

    def _know(self, kind: str, hashes: dict[str, str]) -> None:
        with self._lock:
            self._cards = [
                card.model_copy(update={"hash": hashes[card.name]})
                if card.kind == kind and card.name in hashes
                else card
                for card in self._all()
            ]
        self._tell(self.held())

    def upscalers(self) -> list[str]:
        """The names of what enlarges pictures: what is built in, then files."""
        return [*FILTERS, *(name for name in self._upscale_files() if not _FACES.search(name))]

    def faces(self) -> list[str]:
        """The names of what restores faces."""
        return [name for name in self._upscale_files() if _FACES.search(name)]

    def _upscale_files(self) -> list[str]:
        return [card.name for card in self.list("upscale_models")]

    def load(self, name: str) -> None:
        """Bring a checkpoint into the workers' memory, after what they do now; `CheckpointError` for an unknown one."""
        self._send({"do": "load", "model": self.check(name, "checkpoints", "name") or STARTER})

    def unload(self) -> None:
        """Let the workers drop all models that they do not paint with."""
        self._send({"do": "unload"})

    def loaded(self) -> list[LoadedModel]:
        """The models in memory, of all workers, the newest used last."""
        with self._lock:
            return [one for held in self._held.values() for one in held]

    def held(self) -> dict[str, Any]:
        """{"loaded": models, "bytes": of all}"""
        loaded = self.loaded()
        return {"loaded": loaded, "bytes": sum(one["bytes"] for one in loaded)}

    def told(self, device: str, loaded: list[LoadedModel]) -> None:
        """A worker says what it holds."""
        with self._lock:
            self._held[device] = loaded
        self._tell(self.held())

    def check(self, name: str | None, kind: str, field: str) -> str | None:
        """The shortest name that means this file alone; None for the starter, and for None.

        `CheckpointError` that begins with the field, where there is none of this name or several.
        """
        path = self._find(name, kind, field)
        if path is None or name is None:
            return None
        library = self.library()
        if library is None or (kind == "controlnet" and path.parent == _controls()):
            return path.stem
        entry = next(one for one in library.entries(kind) if one.path == path)
        stem = path.name if path.is_dir() else path.stem
        try:
            return stem if library.find(stem, kind) == path else entry.name
        except CheckpointError:
            return entry.name

    def path(self, name: str | None) -> Path:
        """The file or folder of a checkpoint; raises as `check`."""
        from inkbloom.families import starter

        return self._find(name, "checkpoints", "model") or starter.FOLDER

    def spec(self, name: str | None) -> ModelSpec:
        """The facts of a checkpoint, off its header; `CheckpointError` where it is none that can be painted with."""
        found = self._spec(self.path(name))
        if isinstance(found, str):
            raise CheckpointError(f'model "{name}": {found}')
        return found

    def library(self) -> Library | None:
        """None where there is no folder of models."""
        from inkbloom.checkpoints.library import Library

        return None if self._root is None or not self._root.is_dir() else Library(self._root)

    def _find(self, name: str | None, kind: str, field: str) -> Path | None:
        from inkbloom.families import starter

        if kind == "checkpoints" and name in (None, STARTER, starter.FOLDER.name):
            return None
        assert name is not None
        built_in = {path.stem: path for path in _built_in()} if kind == "controlnet" else {}
        if name in built_in:
            return built_in[name]
        library = self.library()
        if library is None:
            known = nearest(name, [STARTER] if kind == "checkpoints" else built_in) if kind != "vae" else ""
            raise CheckpointError(f'{field} "{name[:120]}": the server has no folder of models.{known}')
        try:
            return library.find(name, kind)
        except CheckpointError as error:
            raise CheckpointError(f'{field} "{name[:120]}": {error}') from None

    def _all(self) -> list[ModelCard]:
        with self._lock:
            if self._cards is None:
                self._cards = self._look()
            return self._cards

    def _look(self) -> list[ModelCard]:
        from inkbloom.checkpoints.hashes import HashCache
        from inkbloom.checkpoints.library import Entry
        from inkbloom.families import starter

        library, hashes = self.library(), HashCache(self._folder.hashes)
        entries = [Entry("checkpoints", STARTER, starter.FOLDER)]
        entries += [Entry("controlnet", path.stem, path) for path in _built_in()]
        for kind in KINDS:
            entries += library.entries(kind) if library else []
        return [self._card(entry, hashes.known(entry.path) if entry.path.is_file() else None) for entry in entries]

    def _card(self, entry: Entry, sha256: str | None) -> ModelCard:
        facts: dict[str, Any] = {}
        if entry.kind == "checkpoints":
            spec = self._spec(entry.path)
            facts = {"description": spec} if isinstance(spec, str) else _facts(spec)
        return ModelCard(
            name=entry.name, kind=entry.kind, bytes=size_of(entry.path), hash=sha256 and sha256[:10], **facts
        )

    def _spec(self, path: Path) -> ModelSpec | str:
        """The facts, or why there are none, remembered until `refresh`."""
        from inkbloom.checkpoints import detect

        with self._lock:
            if path not in self._specs:
                try:
                    self._specs[path] = detect(path)
                except InkbloomError as error:
                    self._specs[path] = str(error)
            return self._specs[path]


def named(request: dict[str, Any]) -> dict[str, Any]:
    """A dumped request of a painted picture, with the model by its name here."""
    return request | {"model": STARTER} if request.get("model") == _STARTER_FILE else request


def size_of(path: Path) -> int:
    """Of a file, or of all in a folder."""
    try:
        files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        return sum(file.stat().st_size for file in files)
    except OSError:  # it has just gone
        return 0


def _controls() -> Path:
    from inkbloom.families import starter

    return starter.CONTROLS


def _built_in() -> list[Path]:
    return sorted(_controls().glob("*.safetensors"))


def _names(card: ModelCard) -> set[str]:
    """The names by which workers and settings may call it."""
    if card.name == STARTER:
        return {STARTER, _STARTER_FILE}
    stem = card.name.rpartition("/")[2]
    return {card.name, stem, stem.rpartition(".")[0] or stem}


def _facts(spec: ModelSpec) -> dict[str, Any]:
    from inkbloom.pipelines.editing.conditions import purpose

    known = purpose(spec)
    return {
        "family": spec.family,
        "purpose": "paint" if known == "prompt" else known,
        "width": spec.default_size,
        "height": spec.default_size,
        "steps": spec.default_steps,
        "sampler": spec.default_sampler,
        "schedule": spec.default_schedule,
        "guidance_scale": spec.default_guidance_scale,
        "description": f"a {spec.family} model",
    }
