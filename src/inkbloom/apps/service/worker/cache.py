"""Models in memory: the ones used last, as many as the budget holds."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from inkbloom.apps.service.messages import LoadedModel, Models
from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import CheckpointError, InkbloomError
from inkbloom.families.starter import FOLDER
from inkbloom.pipelines.device import Compute
from inkbloom.pipelines.previews import Previewer, PreviewMethod
from inkbloom.pipelines.stable_diffusion import StableDiffusion

STARTER = "starter"


@dataclass
class _Held:
    name: str
    model: StableDiffusion
    bytes: int
    previewers: dict[str, tuple[Previewer, str | None]] = field(default_factory=dict)


class ModelCache:
    """Opens models by their names in the library; one whose file has changed is opened anew."""

    def __init__(self, root: Path | None, compute: Compute, budget: int, tell: Callable[[Models], None]) -> None:
        """`budget` in bytes counts the models' own networks, not LoRAs and controls; `tell` hears of every change."""
        self.compute, self.budget = compute, budget
        self.library: Library | None = None
        self._root, self._tell = root, tell
        self._held: OrderedDict[tuple[object, ...], _Held] = OrderedDict()

    def refresh(self) -> None:
        """Look for new folders in the library; models know only those of their time. Before each job."""
        library = None if self._root is None or not self._root.is_dir() else Library(self._root)
        if (library and library.folders) != (self.library and self.library.folders):
            self.clear()
        self.library = library

    def path(self, name: str | None, kind: str = "checkpoints") -> Path:
        """The file of a model's name; None is the starter. `CheckpointError` with the nearest where there is none."""
        if kind == "checkpoints" and name in (None, STARTER, FOLDER.name):
            return FOLDER
        assert name is not None
        if self.library is None:
            raise CheckpointError(f'There is no model "{name}": the server has no folder of models.')
        return self.library.find(name, kind)

    def get(
        self, name: str | None, *, vae: str | None = None, dtype: str | None = None, lenient: bool = False
    ) -> StableDiffusion:
        """The model, loaded where it is not here; others go where it would not fit beside them.

        `lenient` as in `StableDiffusion.load`, which also says what is raised.
        """
        path, other = self.path(name), None if vae is None else self.path(vae, "vae")
        files = [path] if other is None else [path, other]
        dtype = dtype or self.compute.dtype_name
        key = (*map(_stamp, files), dtype, lenient)
        if key not in self._held:
            self._drop(lambda: self.bytes + sum(map(_size, files)) > self.budget)
            model = StableDiffusion.load(
                path,
                device=str(self.compute.device),
                dtype=dtype,
                vae=other,
                library=self.library,
                lenient=lenient,
            )
            self._held[key] = _Held(name or STARTER, model, _bytes(model))
            self._drop(lambda: self.bytes > self.budget and len(self._held) > 1)
            self.tell()
        self._held.move_to_end(key)
        return self._held[key].model

    def previewer(self, model: StableDiffusion, method: PreviewMethod) -> tuple[Previewer, str | None]:
        """The previewer of a model that was got here, and one line where it is another than the one asked for.

        A picture is not given up for want of its preview: what has no tiny decoder is shown in colours, else not.
        """
        held = next(one for one in self._held.values() if one.model is model)
        if method not in held.previewers:
            held.previewers[method] = self._previewer(model, method)
        previewer, line = held.previewers[method]
        held.previewers[method] = previewer, None  # told once for each time that the model is loaded
        return previewer, line

    def _previewer(self, model: StableDiffusion, method: PreviewMethod) -> tuple[Previewer, str | None]:
        try:
            return Previewer.of(model, method), None
        except InkbloomError as error:
            line = str(error)
        try:
            return Previewer.of(model, "matrix"), line
        except InkbloomError:
            return Previewer.of(model, "none"), line

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self._held.values())

    def clear(self) -> None:
        """Drop all models."""
        if self._held:
            self._drop(lambda: True)
            self.tell()

    def tell(self) -> None:
        """Tell what is in memory."""
        loaded: list[LoadedModel] = [{"name": one.name, "bytes": one.bytes} for one in self._held.values()]
        self._tell({"tell": "models", "loaded": loaded, "bytes": self.bytes})

    def _drop(self, too_much: Callable[[], bool]) -> None:
        """Drop the models used longest ago, while it is too much."""
        while self._held and too_much():
            self._held.popitem(last=False)
        gc.collect()
        if self.compute.device.type == "cuda":
            torch.cuda.empty_cache()


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())


def _stamp(path: Path) -> tuple[str, int]:
    return str(path), max(one.stat().st_mtime_ns for one in _files(path))


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in _files(path))


def _bytes(model: StableDiffusion) -> int:
    networks = (model.text, model.unet, model.autoencoder.network)
    return sum(p.numel() * p.element_size() for network in networks for p in network.parameters())
