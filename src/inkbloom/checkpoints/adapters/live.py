"""Adapters beside the weights: each layer's output gets what the change of its weight adds, and no weight is touched.

Every layer here is linear in its weight W: op(x, W + dW) = op(x, W) + op(x, dW). So a forward hook adds the second
term, and for LoRA in two thin steps, up(down(x)). This is how adapters are trained, and how they are applied where
merging (`applying`) takes too long or too much memory; both give the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from inkbloom.checkpoints.adapters.applying import AdapterUse, network_of, weighted
from inkbloom.checkpoints.adapters.fitting import Fit, Parameter, fit
from inkbloom.checkpoints.adapters.kinds import Change, LowRank, tensors_of, with_tensors
from inkbloom.checkpoints.loading import LoadedModel
from inkbloom.core.errors import CheckpointError

Addition = Callable[[nn.Module, Tensor], Tensor]
"""What is added to a layer's output: a function of the layer and of its input."""

Mask = Callable[[Tensor], Tensor]
"""Drops some channels of a feature map, (batch, ..., channels) or (batch, channels, height, width)."""


def add_to_output(layer: nn.Module, addition: Addition) -> RemovableHandle:
    """From now on the layer gives output + addition(layer, input); the handle's `remove` ends that."""

    # A partial, unlike a closure, goes along where a network and what is added to it are copied together
    return layer.register_forward_hook(partial(_add, addition))


def _add(addition: Addition, layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return output + addition(layer, arguments[0]).to(output.dtype)


def addition(layer: nn.Module, x: Tensor, change: Change, mask: Mask | None = None) -> Tensor:
    """What a change of the layer's weight adds to its output for the input `x`, in the precision of the change.

    `mask` acts on the channels between LoRA's two steps, for other kinds on those of what is added.
    """
    if isinstance(change, LowRank) and isinstance(layer, nn.Linear | nn.Conv2d):
        up, down = change.factors(change.down)
        hidden = _operate(layer, x, down.reshape(-1, *layer.weight.shape[1:]))
        hidden = hidden if mask is None else mask(hidden)
        return F.linear(hidden, up) if isinstance(layer, nn.Linear) else F.conv2d(hidden, up[..., None, None])
    with torch.autocast(x.device.type, enabled=False):
        delta = change.delta(_tensor(layer, "weight").float())
    added = _operate(layer, x, delta)
    return added if mask is None else mask(added)


def bias_addition(layer: nn.Module, change: Change) -> Tensor:
    """What a change of the layer's bias adds, whatever the input."""
    delta = change.delta(_tensor(layer, "bias").float())
    return delta[:, None, None] if isinstance(layer, nn.Conv2d | nn.GroupNorm) else delta


def _tensor(layer: nn.Module, leaf: str) -> Tensor:
    return layer.get_parameter(leaf).detach()


def _operate(layer: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
    """The layer's operation with this weight and no bias."""
    match layer:
        case nn.Linear():
            return F.linear(x.to(weight.dtype), weight)
        case nn.Conv2d():
            return F.conv2d(x.to(weight.dtype), weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)
        case nn.LayerNorm():
            return F.layer_norm(x.to(weight.dtype), layer.normalized_shape, weight, None, layer.eps)
        case nn.GroupNorm():
            return F.group_norm(x.to(weight.dtype), layer.num_groups, weight, None, layer.eps)
        case nn.Embedding():
            return F.embedding(x, weight)
    raise AssertionError(f"no adapter acts on {type(layer).__name__}")


@contextmanager
def live(model: LoadedModel, uses: Sequence[AdapterUse]) -> Iterator[tuple[Fit, ...]]:
    """The model with these adapters beside its weights, as long as the `with` block lasts; gives what of each fits.

    Adapters act as in `applying.Merger.applied`, all on the original weights, and what does not fit raises the same;
    `CheckpointError` as well for tensors that are not finite. LoRA costs little time and memory at each call of the
    network; other kinds work out their change anew, which takes the time and memory of one layer's weight.
    """
    fits = tuple(fit(use.file, model.spec) for use in uses)
    found = [
        (parameter, strength, change)
        for use, fitted in zip(uses, fits, strict=True)
        for parameter, strength, change in weighted(use, fitted, model.spec)
    ]
    with ExitStack() as hooks:
        for parameter, strength, change in found:
            hooks.callback(_attach(model, parameter, strength, change).remove)
        yield fits


def _attach(model: LoadedModel, parameter: Parameter, strength: float, change: Change) -> RemovableHandle:
    component, name = parameter
    module, _, leaf = name.rpartition(".")
    layer = network_of(model, component).get_submodule(module)
    weight = layer.get_parameter(leaf)
    # LoRA's two steps as fine as the layer's own; what is worked out from weights in float32, as when it is merged
    dtype = weight.dtype if isinstance(change, LowRank) else torch.float32
    here = {name: tensor.to(weight.device, dtype) for name, tensor in tensors_of(change).items()}
    if not all(tensor.isfinite().all() for tensor in here.values()):
        raise CheckpointError(f"The adapter's tensors for {name} are not finite in {dtype}; its file is damaged.")
    moved = with_tensors(change, here)
    if leaf == "bias":
        return add_to_output(layer, lambda layer, x: strength * bias_addition(layer, moved))
    return add_to_output(layer, lambda layer, x: strength * addition(layer, x, moved))
