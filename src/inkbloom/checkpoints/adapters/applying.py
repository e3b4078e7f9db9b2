"""Adapters merged: their changes are added to a model's weights, and taken out again without a trace.

While they are in, parameters hold merged copies; the original tensors are kept aside as they are and put back in the
end, so that afterwards the very same numbers are in the same memory. All changes are worked out from the original
weights and added together in float32, so that the order of adapters does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from inkbloom.checkpoints.adapters.fitting import Fit, Parameter, fit, places
from inkbloom.checkpoints.adapters.kinds import Change, cut
from inkbloom.checkpoints.adapters.reading import AdapterFile
from inkbloom.checkpoints.keymap import Component
from inkbloom.checkpoints.loading import LABELS, LoadedModel
from inkbloom.checkpoints.merging.blocks import in_order
from inkbloom.core.errors import CheckpointError, RequestError, nearest
from inkbloom.families.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class AdapterUse:
    """An adapter and how strongly it is used. Weights may be any finite numbers; 0 is off, 1 as trained."""

    file: AdapterFile
    text_weight: float = 1.0
    unet_weight: float = 1.0
    blocks: Mapping[str, float] = field(default_factory=dict)
    """Factors of single blocks (BASE, IN00 to IN11, M00, OUT00 to OUT11; see `merging.blocks`); 1 where left out. BASE
    is the text encoder and the embedding of time."""
    rank: int | None = None
    """Use so many components of each layer only, the first ones; None for all."""

    @property
    def key(self) -> tuple[object, ...]:
        """The same for uses that change a model in the same way."""
        return self.file.sha256, self.text_weight, self.unet_weight, tuple(sorted(self.blocks.items())), self.rank


def check_blocks(blocks: Mapping[str, float], spec: ModelSpec) -> None:
    """`RequestError` for a block that the model has not."""
    known = in_order(places(spec).blocks.values())
    for block in blocks:
        if block not in known:
            raise RequestError(f'This model has no block "{block}".{nearest(block, known)}')


class Merger:
    """Merges adapters into one model, and remembers the merged weights of the last `remembered` sets of them.

    The model must not be used by another thread while adapters go in and out. What it remembers takes as much memory
    as the layers that the adapters touch, up to a whole U-Net and text encoder. It is of the weights as they were: a
    model that was moved, cast or trained needs a new one.
    """

    def __init__(self, model: LoadedModel, *, remembered: int = 1) -> None:
        self._model, self._size = model, remembered
        self._remembered: dict[tuple[object, ...], dict[Parameter, Tensor]] = {}

    @contextmanager
    def applied(self, uses: Sequence[AdapterUse]) -> Iterator[tuple[Fit, ...]]:
        """The model with these adapters in it, as long as the `with` block lasts; gives what of each fits.

        Raises `KeyMismatchError` or `CheckpointError` for an adapter that does not fit (see `fit`) or whose weights
        are not finite, `RequestError` for an unknown block, a rank that an adapter has not, or a network that is not
        loaded; the model is then unchanged.
        """
        fits = tuple(fit(use.file, self._model.spec) for use in uses)
        merged = self._merged(uses, fits)
        originals = {parameter: self._parameter(parameter).data for parameter in merged}
        try:
            for parameter, tensor in merged.items():
                self._parameter(parameter).data = tensor
            yield fits
        finally:
            for parameter, tensor in originals.items():
                self._parameter(parameter).data = tensor

    def _merged(self, uses: Sequence[AdapterUse], fits: Sequence[Fit]) -> dict[Parameter, Tensor]:
        """The new value of each parameter that changes."""
        key = tuple(sorted((use.key for use in uses), key=repr))
        merged = self._remembered.pop(key, None)
        if merged is None:
            pieces: dict[Parameter, list[tuple[float, Change]]] = {}
            for use, fitted in zip(uses, fits, strict=True):
                for parameter, strength, change in weighted(use, fitted, self._model.spec):
                    pieces.setdefault(parameter, []).append((strength, change))
            merged = {parameter: self._add(parameter, changes) for parameter, changes in pieces.items()}
        if self._size:
            self._remembered[key] = merged  # the newest is last
            while len(self._remembered) > self._size:
                del self._remembered[next(iter(self._remembered))]
        return merged

    @torch.no_grad()
    def _add(self, parameter: Parameter, changes: list[tuple[float, Change]]) -> Tensor:
        stored = self._parameter(parameter).data
        weight = stored.float()
        total = torch.zeros_like(weight)
        for strength, change in changes:
            total += strength * change.delta(weight)
        merged = (weight + total).to(stored.dtype)
        if not merged.isfinite().all():
            component, name = parameter
            raise CheckpointError(
                f"With these adapters {name} of the {LABELS[component]} does not stay finite in {stored.dtype}; a file "
                "is damaged, or a weight too large."
            )
        return merged

    def _parameter(self, parameter: Parameter) -> nn.Parameter:
        component, name = parameter
        return network_of(self._model, component).get_parameter(name)


@contextmanager
def applied(model: LoadedModel, uses: Sequence[AdapterUse]) -> Iterator[tuple[Fit, ...]]:
    """`Merger.applied` for a single time."""
    with Merger(model, remembered=0).applied(uses) as fits:
        yield fits


def weighted(use: AdapterUse, fitted: Fit, spec: ModelSpec) -> Iterator[tuple[Parameter, float, Change]]:
    """The changes of an adapter that are not off, and their strengths; raises what `Merger.applied` says."""
    check_blocks(use.blocks, spec)
    blocks = places(spec).blocks
    for parameter, change in fitted.changes.items():
        weight = use.text_weight if parameter[0] == "text" else use.unet_weight
        strength = weight * use.blocks.get(blocks[parameter], 1.0)
        if strength:
            yield parameter, strength, change if use.rank is None else cut(change, use.rank)


def network_of(model: LoadedModel, component: Component) -> nn.Module:
    """A network of the model; `RequestError` where it was not loaded."""
    network = getattr(model, component)
    if network is None:
        raise RequestError(f"The adapter changes the {LABELS[component]}, which was not loaded.")
    return network
