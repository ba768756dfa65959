import numpy as np
import pytest
import torch

from training.fit.process_group import Group, process_group

CPU = torch.device("cpu")


def test_without_torchrun_a_group_is_one_process() -> None:
    with process_group() as group:
        assert group.leads
        assert group.reduce_any(True)
        assert not group.reduce_any(False)
        assert group.broadcast(0.5) == 0.5
        group.barrier()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_shares_of_a_batch_add_up_to_its_mean(size: int) -> None:
    # GIVEN a batch of five rows, which few groups divide evenly
    batch, losses = np.array([4, 2, 0, 3, 1]), np.array([1.0, 2, 4, 8, 16])
    # WHEN each process takes its share, and the group averages their weighted losses
    shares = [Group(rank, size, CPU).take_share(batch) for rank in range(size)]
    mean = np.mean([weight * losses[rows].mean() for rows, weight in shares])
    # THEN that is the mean loss of the batch
    assert mean == pytest.approx(losses.mean())


def test_a_process_without_rows_takes_one_that_does_not_count() -> None:
    rows, weight = Group(rank=1, size=2, device=CPU).take_share(np.array([7]))
    assert (rows.tolist(), weight) == ([7], 0)
