"""The processes of one training, as `torchrun` starts them; usually there is one.

A step's global batch is split by rows: the process of rank r of n has the rows r, r + n, r + 2n ... Strategies:

    ddp    every process holds all weights and optimizer state; gradients are averaged (DistributedDataParallel)
    fsdp   weights that learn, their gradients, average and optimizer state are cut into n shards and put together where
           a block is computed (`fully_shard`; Zhao et al. 2023); frozen weights stay whole

Only the main process writes and reports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import torch
import torch.distributed as dist
from torch import Tensor, nn

from inkbloom.core.errors import TrainingError, nearest

Strategy = Literal["ddp", "fsdp"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class World:
    """This process among all of them; every method must be called by all of them alike."""

    rank: int = 0
    size: int = 1
    strategy: Strategy = "ddp"
    smallest_block: int = 1_000_000
    """Parameters from which on fsdp puts a block together by itself, and not with the rest of the network."""

    @property
    def main(self) -> bool:
        return self.rank == 0

    @property
    def sharded(self) -> bool:
        return self.size > 1 and self.strategy == "fsdp"

    def parts(self, global_size: int, accumulation: int) -> list[range]:
        """The rows of each micro-batch of this process; `TrainingError` where one would be empty."""
        if global_size < self.size * accumulation:
            raise TrainingError(
                f"A batch of {global_size} cannot be split for {self.size} processes in {accumulation} micro-batches; "
                f"batch_size must be at least {self.size * accumulation}."
            )
        rows = range(self.rank, global_size, self.size)
        return [rows[i::accumulation] for i in range(accumulation)]

    def shard(self, trainee: nn.Module) -> None:
        """Under fsdp, cut the parameters of `trainee` that learn; to be done before an optimizer sees them.

        `TrainingError` where PyTorch is too old.
        """
        if not self.sharded:
            return
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

        if not hasattr(FSDPModule, "reset_iter_state"):
            raise TrainingError(f'The strategy "fsdp" needs PyTorch 2.13 or newer, not {torch.__version__}; take ddp.')
        mesh = init_device_mesh(next(trainee.parameters()).device.type, (self.size,))
        frozen = {parameter for parameter in trainee.parameters() if not parameter.requires_grad}
        for blocks in [module for module in trainee.modules() if isinstance(module, nn.ModuleList)]:
            for block in blocks:
                # The innermost alone: a call of a sharded block copies its lists, and a level adds to the one it gets
                innermost = not any(isinstance(module, nn.ModuleList) for module in block.modules())
                size = sum(p.numel() for p in block.parameters() if p.requires_grad)
                if innermost and size >= self.smallest_block:
                    fully_shard(block, mesh=mesh, ignored_params=frozen)
        fully_shard(trainee, mesh=mesh, ignored_params=frozen)
        # The first call must be one of the trainee, and samples may come before; so let it be one of this method
        register_fsdp_forward_method(trainee, "extra_repr")
        with torch.no_grad():
            trainee.extra_repr()
        root: Any = trainee
        root.reshard()

    def replicated(self, trainee: nn.Module) -> nn.Module:
        """What to call instead of `trainee`, so that the processes' gradients are averaged."""
        if self.size == 1 or self.sharded:
            return trainee
        return nn.parallel.DistributedDataParallel(trainee, gradient_as_bucket_view=True)

    def synchronising(self, module: nn.Module, now: bool) -> AbstractContextManager[None]:
        """For forward and backward of a micro-batch: gradients are averaged `now`, or gathered up for later."""
        if self.sharded:
            sharded: Any = module
            sharded.set_requires_gradient_sync(now)
        elif isinstance(module, nn.parallel.DistributedDataParallel) and not now:
            return module.no_sync()
        return nullcontext()

    @contextmanager
    def whole(self, trainee: nn.Module) -> Iterator[None]:
        """Inside, a sharded `trainee` has all its weights on every process, for one of them to use as it likes.

        What is changed inside is lost.
        """
        if not self.sharded:
            yield
            return
        from torch.distributed.fsdp import FSDPModule

        modules = [module for module in trainee.modules() if isinstance(module, FSDPModule)]
        for module in modules:
            module.set_reshard_after_forward(False, recurse=False)
            module.unshard()
        try:
            yield
        finally:
            # Forgets what one process alone may have called, which the next step would wait for, and cuts all again
            root: Any = trainee
            root.reset_iter_state()
            for module in modules:
                module.set_reshard_after_forward(module is not trainee, recurse=False)

    def total(self, values: Mapping[str, float]) -> dict[str, float]:
        """The sum over all processes of each value."""
        return dict(zip(values, self._reduce(values.values(), dist.ReduceOp.SUM), strict=True))

    def agree(self, stop: bool, seconds: float) -> tuple[bool, float]:
        """Whether any process wants to stop, and the latest of their clocks."""
        wanted, latest = self._reduce((float(stop), seconds), dist.ReduceOp.MAX)
        return wanted > 0, latest

    def gather(self, items: list[Item]) -> list[Item]:
        """The lists of all processes, one after the other."""
        if self.size == 1:
            return items
        lists: list[Any] = [None] * self.size
        dist.all_gather_object(lists, items)
        return [item for each in lists for item in each]

    def tell(self, item: Item) -> Item:
        """What the main process has."""
        if self.size == 1:
            return item
        told = [item]
        dist.broadcast_object_list(told, src=0)
        return told[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def _reduce(self, values: Iterable[float], operation: Any) -> list[float]:
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(list(values), dtype=torch.float64)
        dist.all_reduce(tensor, operation)
        return tensor.tolist()


@contextmanager
def joined(strategy: Strategy = "ddp") -> Iterator[World]:
    """Join the processes that `torchrun` started, until the end of the `with`; without it, a world of one.

    Each takes the CUDA device of its number on its machine where there are any. `TrainingError` for another strategy.
    """
    if strategy not in get_args(Strategy):
        raise TrainingError(f'Unknown strategy "{strategy}".{nearest(strategy, get_args(Strategy))}')
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        yield World(strategy=strategy)
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(dist.distributed_c10d.get_node_local_rank())
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), strategy)
        dist.barrier()  # who leaves while others still talk to it may be aborted, or abort them
    finally:
        dist.destroy_process_group()


def is_shard(tensor: Tensor) -> bool:
    """Whether this is one process's part of a tensor."""
    module = sys.modules.get("torch.distributed.tensor")  # it takes a second to import, and makes all there are
    return module is not None and isinstance(tensor, module.DTensor)


def full(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be a shard."""
    shard: Any = tensor
    return shard.full_tensor() if is_shard(tensor) else tensor


def cut_like(value: Tensor, model: Tensor) -> Tensor:
    """The shard of a whole `value` where `model`, of the same shape, is one; else the value itself."""
    if not is_shard(model) or value.shape != model.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    shard: Any = model
    return distribute_tensor(value.to(model.device), shard.device_mesh, shard.placements, src_data_rank=None)
