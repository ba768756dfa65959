"""One training run by several processes of one machine, as ``torchrun`` starts them.

Every process holds the whole model and takes its share of each batch, gradients are averaged
over all, and so every process makes the same step. One of them, the leader, validates and saves.
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
    """The processes of a run and the place of this one among them."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process is the one that validates and saves."""
        return self.rank == 0

    def replica(self, model: torch.nn.Module) -> torch.nn.Module:
        """The model, its gradients averaged over the group in each backward pass."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model, broadcast_buffers=False)

    def share(self, batch: NDArray[np.intp]) -> tuple[NDArray[np.intp], float]:
        """This process's rows of a batch, and what to multiply their mean loss by.

        The mean of the group's weighted losses is the mean loss of the batch, though the rows
        may not divide evenly. Without a row, it takes another's, for nothing: all must join in.
        """
        rows = batch[self.rank :: self.size]
        return (rows if rows.size else batch[:1]), rows.size * self.size / batch.size

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; all must ask."""
        if self.size == 1:
            return flag
        flags = torch.tensor(int(flag), device=self.device)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return bool(flags.item())

    def of_leader(self, value: float) -> float:
        """The leader's value; all must ask."""
        if self.size == 1:
            return value
        values = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.broadcast(values, src=0)
        return float(values.item())


@contextmanager
def process_group() -> Iterator[Group]:
    """This process's group: what torchrun's variables say, or this process alone."""
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
