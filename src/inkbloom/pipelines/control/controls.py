"""The control networks beside one loaded model: found by name, loaded once, and put to work for a request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inkbloom.checkpoints import file_hash
from inkbloom.checkpoints.control import load_controlnet, open_control
from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.families import starter
from inkbloom.families.spec import ModelSpec
from inkbloom.models.controlnet import ControlNet
from inkbloom.models.unet import UNet
from inkbloom.pipelines.control.hints import hint_of
from inkbloom.pipelines.control.unit import ControlUnit
from inkbloom.pipelines.device import Compute
from inkbloom.pipelines.editing.canvas import Canvas
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.sampling.control import ByControlNet, Control, Steer

_SHORT = 10  # digits of a SHA-256: AutoV2


@dataclass(frozen=True)
class Loaded:
    network: ControlNet
    hash: str | None
    """None for a folder."""


class Controls:
    """Those that the last resolved request named stay in memory."""

    def __init__(self, spec: ModelSpec, unet: UNet, compute: Compute, library: Library | None = None) -> None:
        """`unet` is the model's own, which difference files are added to."""
        self._spec, self._unet, self._compute, self._library = spec, unet, compute, library
        self._loaded: dict[Path, Loaded] = {}

    def resolve(self, units: tuple[ControlUnit, ...]) -> tuple[ControlUnit, ...]:
        """The units with the hashes of their files, which are loaded now.

        `RequestError` for a name that no file has (with the nearest), and for a file that is not the one that was
        meant; `CheckpointError` for a file that cannot be read or is for another model.
        """
        paths = [self._find(unit.model) for unit in units]
        self._loaded = {path: self._loaded.get(path) or self._load(path) for path in paths}
        resolved = []
        for unit, path in zip(units, paths, strict=True):
            present = self._loaded[path].hash
            if unit.model_hash is not None and unit.model_hash != present:
                raise RequestError(f'Control "{unit.model}" has the hash {present}, not {unit.model_hash}.')
            resolved.append(unit.model_copy(update={"model_hash": present}))
        return tuple(resolved)

    def at_work(self, request: ResolvedRequest, canvas: Canvas | None) -> list[Control]:
        """What steers the pictures of a resolved request."""
        return [
            Control(steer=self._steer(unit, request, canvas), start=unit.start, end=unit.end)
            for unit in request.controls
        ]

    def _steer(self, unit: ControlUnit, request: ResolvedRequest, canvas: Canvas | None) -> Steer:
        path = self._find(unit.model)
        loaded = self._loaded.get(path) or self._load(path)
        network = loaded.network
        hint = hint_of(unit, request, canvas).to(self._compute.device, self._compute.dtype)
        return ByControlNet(
            network=network,
            hint=hint,
            weight=unit.weight,
            mode=unit.mode,
            pooled=network.control_spec.global_pool,
        )

    def _find(self, name: str) -> Path:
        for path in (starter.CONTROLS / f"{name}.safetensors", Path(name)):
            if path.exists():
                return path
        if self._library is None:
            raise RequestError(f'There is no ControlNet "{name}": no such file, and no folder of models to look in.')
        try:
            return self._library.find(name, "controlnet")
        except CheckpointError as error:
            raise RequestError(f"ControlNet: {error}") from None

    def _load(self, path: Path) -> Loaded:
        file = open_control(path)
        network = load_controlnet(
            file, self._spec, unet=self._unet, dtype=self._compute.dtype, device=self._compute.device
        )
        side = self._spec.autoencoder.downscale
        if network.control_spec.downscale != side:
            raise CheckpointError(
                f"{path} shrinks its picture by {network.control_spec.downscale}, the model's autoencoder by {side}."
            )
        return Loaded(network, file_hash(path)[:_SHORT] if path.is_file() else None)
