"""Train in several processes on one machine, as `torchrun` starts them.

Every process holds the whole model and takes its share of each batch. Gradients are averaged over
all processes, so they all make the same step. One of them, the leader, validates and saves.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Group:
    """The processes of a run, and which of them this one is."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this is the process that validates and saves."""
        return self.rank == 0

    def replicate(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return a model whose gradients are averaged over the group in each backward pass."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model, broadcast_buffers=False)

    def take_share(self, batch: NDArray[np.intp]) -> tuple[NDArray[np.intp], float]:
        """Return this process's rows of a batch, and the weight of their mean loss.

        The mean of the weighted losses over the group is the mean loss of the batch, even if the
        rows do not divide evenly. A process without rows takes one of another process at weight 0,
        because all of them must join in the backward pass.
        """
        rows = batch[self.rank :: self.size]
        return (rows if rows.size else batch[:1]), rows.size * self.size / batch.size

    def reduce_any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; all processes must call this."""
        if self.size == 1:
            return flag
        flags = torch.tensor(int(flag), device=self.device)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return bool(flags.item())

    def broadcast(self, value: float) -> float:
        """Return the leader's value; all processes must call this."""
        if self.size == 1:
            return value
        values = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.broadcast(values, src=0)
        return float(values.item())

    def barrier(self) -> None:
        """Wait until every process has called this."""
        if self.size > 1:
            on_gpu = self.device.type == "cuda"
            distributed.barrier(device_ids=[torch.cuda.current_device()] if on_gpu else None)


@contextmanager
def process_group() -> Iterator[Group]:
    """Join the processes that `torchrun` has started, or train in this process alone."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    has_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if has_gpu else "cpu")
    if size == 1:
        yield Group(rank, size, device)
        return
    if has_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if has_gpu else "gloo")
    try:
        yield Group(rank, size, device)
    finally:
        distributed.destroy_process_group()
