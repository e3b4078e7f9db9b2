"""What a training will need, before it begins: memory, arithmetic and time.

Memory and arithmetic of denoising are found by going through a whole step, forward and backward, with PyTorch's fake
tensors, which have shapes and no numbers: as exact as counting, in seconds, and without the memory. Trainees that look
at numbers on their way (autoencoders, CLIP) go through a real step instead. Not counted is what single operations need
inside, and what the program itself does.
"""

import time
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from inkbloom.core.types import Tensor
from inkbloom.training.batches import Batch
from inkbloom.training.denoising import Denoising
from inkbloom.training.noising import Noised
from inkbloom.training.optimizers import Group, OptimizerSettings, build_optimizer

_PROBE = (256, 256)
"""The shape of the parameter whose optimizer state is measured."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes are of one process that shards nothing."""

    parameters: int
    """Weights of all networks that the training uses."""
    trained: int
    """Those of them that learn."""
    bytes_weights: int
    bytes_average: int
    """The moving average of what learns, float32."""
    bytes_optimizer: int
    bytes_activations: int
    """The most that a step holds at once beside the others: activations, gradients, and what is in between."""
    flops: int
    """Floating-point operations of one micro-batch, forward and backward, of which a multiply-add is two."""

    @property
    def bytes_in_all(self) -> int:
        return self.bytes_weights + self.bytes_average + self.bytes_optimizer + self.bytes_activations


def estimate(
    trainee: Any,
    batch: Batch,
    optimizer: OptimizerSettings,
    *,
    autocast: torch.dtype | None = None,
    accumulation: int = 1,
    averaged: bool = True,
) -> Estimate:
    """What a run of micro-batches like `batch` needs; `trainee` stays as it is.

    With `accumulation` of more than 1, the gradients of earlier micro-batches are in memory too.
    """
    parameters, trained = list(trainee.parameters()), [p for p in trainee.parameters() if p.requires_grad]
    count = sum(p.numel() for p in trained)
    step = _fake_step if isinstance(trainee, Denoising) else _real_step
    peak, flops = step(trainee, batch, autocast, micro_batches=min(accumulation, 2))
    return Estimate(
        parameters=sum(p.numel() for p in parameters),
        trained=count,
        bytes_weights=sum(p.nbytes for p in parameters),
        bytes_average=4 * count if averaged else 0,
        bytes_optimizer=round(count * _state_bytes(optimizer, trained[0].device)),
        bytes_activations=peak,
        flops=flops,
    )


def seconds_per_step(trainee: Any, batch: Batch, *, autocast: torch.dtype | None = None) -> float:
    """The time of one forward and backward pass, measured on the second of two; leaves no gradients behind."""
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        with torch.autocast(_device(trainee).type, autocast, enabled=autocast is not None):
            loss = trainee(batch).mean()
        loss.backward()
        loss.item()  # waits for the device
        seconds = time.perf_counter() - started
        trainee.zero_grad(set_to_none=True)
    return seconds


def _state_bytes(settings: OptimizerSettings, device: torch.device) -> float:
    """Bytes that the optimizer keeps for each trained number, after a step on one small matrix."""
    probe = nn.Parameter(torch.zeros(_PROBE, device=device))
    optimizer = build_optimizer([Group(name="probe", parameters=[probe])], settings)
    probe.grad = torch.ones_like(probe)
    optimizer.step()
    return sum(leaf.nbytes for leaf in tree_leaves(dict(optimizer.state)) if isinstance(leaf, Tensor)) / probe.numel()


def _fake_step(
    trainee: Denoising, batch: Batch, autocast: torch.dtype | None, *, micro_batches: int
) -> tuple[int, int]:
    """The most bytes that a step allocates at once, and its operations."""
    step = _Step(trainee, autocast)
    noised = trainee.objective.noised(batch, trainee.seed)
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        state: dict[str, Tensor] = {
            name: nn.Parameter(fake.from_tensor(p.detach()), requires_grad=p.requires_grad)
            for name, p in step.named_parameters()
        }
        state |= {name: fake.from_tensor(b) for name, b in step.named_buffers()}
        with _Accounts(state.values()) as accounts:
            for _ in range(micro_batches):
                # Not tied: a network is known by two names, and would be put back under one of them only
                torch.func.functional_call(step, state, (batch, noised), tie_weights=False)
    return accounts.peak, accounts.flops // micro_batches


def _real_step(trainee: Any, batch: Batch, autocast: torch.dtype | None, *, micro_batches: int) -> tuple[int, int]:
    """The same of a step that is really made; leaves no gradients behind."""
    with _Accounts(chain(trainee.parameters(), trainee.buffers())) as accounts:
        for _ in range(micro_batches):
            with torch.autocast(_device(trainee).type, autocast, enabled=autocast is not None):
                losses = trainee(batch)
            losses.mean().backward()
    trainee.zero_grad(set_to_none=True)
    return accounts.peak, accounts.flops // micro_batches


def _device(trainee: nn.Module) -> torch.device:
    return next(trainee.parameters()).device


class _Step(nn.Module):
    """Forward and backward in one call, since checkpointed blocks need their weights in both."""

    def __init__(self, trainee: Denoising, autocast: torch.dtype | None) -> None:
        super().__init__()
        self.trainee, self.autocast = trainee, autocast

    def forward(self, batch: Batch, noised: Noised) -> None:
        with torch.autocast(self.trainee.device.type, self.autocast, enabled=self.autocast is not None):
            losses = self.trainee(batch, noised)
        losses.mean().backward()


class _Accounts(TorchDispatchMode):
    """Adds up the storages that operations make, while they live, and the operations' cost; `known` are not counted."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self.known = [tensor.untyped_storage() for tensor in known]
        self.alive = {storage._cdata for storage in self.known}
        self.bytes = self.peak = self.flops = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        if function.overloadpacket in flop_registry:
            self.flops += flop_registry[function.overloadpacket](*args, **kwargs, out_val=result)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and (storage := tensor.untyped_storage())._cdata not in self.alive:
                self.alive.add(storage._cdata)
                self.bytes += storage.nbytes()
                self.peak = max(self.peak, self.bytes)
                weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())
        return result

    def _free(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.bytes -= size
