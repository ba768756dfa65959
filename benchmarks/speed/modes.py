"""On which cores of the CPU, and with which of its instructions, something is measured."""

import os
from dataclasses import dataclass

from benchmarks.speed.amx import deny_amx


@dataclass(frozen=True)
class Mode:
    """The cores that a process may use, and whether AMX is denied to it."""

    cores: tuple[int, ...]
    amx_denied: bool = False

    @property
    def name(self) -> str:
        """What the tables call it."""
        count = len(self.cores)
        cores = "one core" if count == 1 else f"{count} cores"
        return f"{cores}, AMX denied" if self.amx_denied else cores

    def enter(self) -> None:
        """Restrict this process, and the processes that it starts, to the mode."""
        os.sched_setaffinity(0, self.cores)
        if self.amx_denied:
            deny_amx()


def list_modes(cores: set[int], amx: bool) -> list[Mode]:
    """Return one core and all cores, each also without AMX if the CPU has it.

    A CPU that has one core only has half as many modes.
    """
    order = tuple(sorted(cores))
    counts = [order[:1], order] if len(order) > 1 else [order]
    return [
        Mode(chosen, denied) for denied in ((False, True) if amx else (False,)) for chosen in counts
    ]
