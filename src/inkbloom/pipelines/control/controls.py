"""The control networks beside one loaded model: found by name, loaded once, and put to work for a request."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from inkbloom.checkpoints import file_hash
from inkbloom.checkpoints.control import (
    ENCODER_FOLDER,
    load_controlnet,
    load_image_encoder,
    load_ip_adapter,
    load_t2i_adapter,
    open_control,
)
from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import CheckpointError, RequestError
from inkbloom.families import starter
from inkbloom.families.spec import ModelSpec
from inkbloom.models.controlnet import ControlNet
from inkbloom.models.ip_adapter import ImageEncoder, IPAdapter, cross_attentions
from inkbloom.models.t2i_adapter import T2IAdapter
from inkbloom.models.unet import UNet
from inkbloom.nn.transformer import TransformerBlock
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.pipelines.control.hints import clip_image, control_picture, hint_of
from inkbloom.pipelines.control.unit import REFERENCE, ControlUnit
from inkbloom.pipelines.device import Compute
from inkbloom.pipelines.editing.canvas import Canvas
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.sampling.control import ByAdapter, ByControlNet, ByImagePrompt, ByReference, Control, Steer

_KEPT = 4
"""So many networks are remembered."""
_SHORT = 10  # digits of a SHA-256: AutoV2


@dataclass(frozen=True)
class Loaded:
    network: ControlNet | T2IAdapter | IPAdapter
    encoder: ImageEncoder | None
    """Of an IP-Adapter."""
    hash: str | None
    """None for a folder."""


class Controls:
    """The networks that were used last stay in memory."""

    def __init__(
        self,
        spec: ModelSpec,
        unet: UNet,
        autoencoder: Autoencoder,
        compute: Compute,
        library: Library | None = None,
    ) -> None:
        """`unet` is the model's own, which difference files are added to."""
        self._spec, self._unet, self._autoencoder = spec, unet, autoencoder
        self._compute, self._library = compute, library
        self._loaded: dict[Path, Loaded] = {}

    def resolve(self, units: tuple[ControlUnit, ...]) -> tuple[ControlUnit, ...]:
        """The units with the hashes of their files, which are loaded now.

        `RequestError` for a name that no file has (with the nearest), for a file that is not the one that was meant,
        and for what an IP-Adapter cannot do; `CheckpointError` for a file that cannot be read or is for another model.
        """
        if sum(unit.model == REFERENCE for unit in units) > 1:
            raise RequestError(f'Only one control can be "{REFERENCE}".')
        resolved = []
        for unit in units:
            if unit.model == REFERENCE:
                resolved.append(unit)
                continue
            loaded = self._get(unit.model)
            if unit.model_hash is not None and unit.model_hash != loaded.hash:
                raise RequestError(f'Control "{unit.model}" has the hash {loaded.hash}, not {unit.model_hash}.')
            if isinstance(loaded.network, IPAdapter) and (unit.mode, unit.preprocessor) != ("balanced", "none"):
                raise RequestError(
                    f'Control "{unit.model}" is an IP-Adapter, which looks at the picture itself: its mode must be '
                    "balanced and its preprocessor none."
                )
            resolved.append(unit.model_copy(update={"model_hash": loaded.hash}))
        return tuple(resolved)

    @torch.inference_mode()
    def at_work(self, request: ResolvedRequest, canvas: Canvas | None) -> list[Control]:
        """What steers the pictures of a resolved request."""
        return [
            Control(steer=self._steer(unit, request, canvas), start=unit.start, end=unit.end)
            for unit in request.controls
        ]

    def _steer(self, unit: ControlUnit, request: ResolvedRequest, canvas: Canvas | None) -> Steer:
        if unit.model == REFERENCE:
            return self._refer(unit, request, canvas)
        loaded = self._get(unit.model)
        if isinstance(loaded.network, IPAdapter):
            assert loaded.encoder is not None
            image = clip_image(unit.image.open(), loaded.encoder.vision.spec.image_size)
            return self._show(loaded.network, loaded.encoder, self._placed(image), unit.weight)
        hint = self._placed(hint_of(unit, request, canvas))
        if isinstance(loaded.network, T2IAdapter):
            if loaded.network.spec.hint_in_channels == 1:
                hint = hint.mean(dim=1, keepdim=True)
            return ByAdapter(levels=loaded.network(hint), weight=unit.weight, mode=unit.mode)
        pooled = loaded.network.control_spec.global_pool
        return ByControlNet(network=loaded.network, hint=hint, weight=unit.weight, mode=unit.mode, pooled=pooled)

    def _refer(self, unit: ControlUnit, request: ResolvedRequest, canvas: Canvas | None) -> ByReference:
        latent = self._autoencoder.encode(control_picture(unit, request.width, request.height, canvas))
        blocks = [each for each in self._unet.modules() if isinstance(each, TransformerBlock)]
        # As in sd-webui-controlnet, a weight below 1 is the part of the blocks that look, the widest first
        blocks.sort(key=lambda block: -block.norm1.normalized_shape[0])
        looking = blocks[: math.ceil(unit.weight * len(blocks))]
        return ByReference(
            model=self._unet,
            latent=latent,
            noise=torch.randn(latent.shape, generator=torch.Generator().manual_seed(0)).to(latent),
            noise_schedule=self._spec.noise_schedule.build(),
            attentions=frozenset(block.self_attention for block in looking),
            fidelity=unit.style_fidelity,
        )

    def _show(self, adapter: IPAdapter, encoder: ImageEncoder, image: Tensor, weight: float) -> ByImagePrompt:
        vector = encoder(image)
        pairs = zip(adapter(vector), adapter(torch.zeros_like(vector)), strict=True)
        return ByImagePrompt(seen=dict(zip(cross_attentions(self._unet), pairs, strict=True)), weight=weight)

    def _placed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._compute.device, self._compute.dtype)

    def _get(self, name: str) -> Loaded:
        path = self._find(name)
        loaded = self._loaded.pop(path, None) or self._load(path)
        self._loaded[path] = loaded  # the newest is last
        for old in list(self._loaded)[:-_KEPT]:
            self._loaded.pop(old, None)
        return loaded

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
        encoder = None
        match file.kind:
            case "ControlNet":
                network = load_controlnet(file, self._spec, unet=self._unet)
                shrinks, needed = network.control_spec.downscale, self._spec.autoencoder.downscale
                if shrinks != needed:
                    raise CheckpointError(
                        f"{path} shrinks its picture by {shrinks}, the model's autoencoder by {needed}."
                    )
            case "T2I-Adapter":
                network = load_t2i_adapter(file, self._spec)
            case "IP-Adapter":
                network = load_ip_adapter(file, self._unet)
                encoder = self._encoder(path, network)
        network.to(self._compute.device, self._compute.dtype)
        return Loaded(network, encoder, file_hash(path)[:_SHORT] if path.is_file() else None)

    def _encoder(self, path: Path, adapter: IPAdapter) -> ImageEncoder:
        folder = path.parent / ENCODER_FOLDER
        if not folder.is_dir():
            raise CheckpointError(f"{path} is an IP-Adapter, whose image encoder must lie in the folder {folder}.")
        encoder = load_image_encoder(folder)
        found, needed = encoder.visual_projection.out_features, adapter.spec.image_dim
        if found != needed:
            raise CheckpointError(
                f"{path} reads vectors {needed} wide of a picture; those of {folder} are {found} wide."
            )
        return encoder.to(self._compute.device, self._compute.dtype)
