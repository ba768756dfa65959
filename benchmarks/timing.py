"""Time calls by the clock and by the CPU, several candidates in turns."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Call = Callable[[], Any]


@dataclass(frozen=True)
class Duration:
    """Milliseconds by the clock, and of CPU time, which depends less on what else is running."""

    wall: float
    cpu: float


def time_call(call: Call) -> Duration:
    """Time one call in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Duration(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))


def take_turns(calls: Mapping[str, Call], turns: int, repeat: int = 1) -> dict[str, list[Duration]]:
    """Warm up each candidate with one call, then time all of them in turns.

    Args:
        calls: the candidates, by name.
        turns: how often each gets its turn.
        repeat: the calls in one turn.
    """
    for call in calls.values():
        call()
    durations: dict[str, list[Duration]] = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            durations[name] += [time_call(call) for _ in range(repeat)]
    return durations


def median(durations: Sequence[Duration]) -> Duration:
    """Return the median of each kind of time."""
    return Duration(
        wall=statistics.median(duration.wall for duration in durations),
        cpu=statistics.median(duration.cpu for duration in durations),
    )
