"""The parts of a run, each of which measures rounds in which all candidates take turns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.speed import bulk, requests, starts, training
from benchmarks.speed.errors import BenchError
from benchmarks.speed.journal import Journal, Key, Record
from benchmarks.speed.modes import Mode
from benchmarks.speed.subjects import Subjects

Measure = Callable[[Subjects, Mode, int], list[Record]]


@dataclass(frozen=True)
class Part:
    """One of the things that ``ONLY`` names."""

    measure: Measure
    modes: Callable[[Subjects], list[Mode]]


def _every_mode(subjects: Subjects) -> list[Mode]:
    return list(subjects.modes)


def _one_core_in_comparisons(subjects: Subjects) -> list[Mode]:
    # This project answers a request on one core; the others are there for peers.
    return list(subjects.modes) if subjects.peers else [subjects.modes[0]]


def _all_cores_in_comparisons(subjects: Subjects) -> list[Mode]:
    return list(subjects.modes) if subjects.peers else _all_cores(subjects)


def _all_cores(subjects: Subjects) -> list[Mode]:
    most = max(len(mode.cores) for mode in subjects.modes)
    return [mode for mode in subjects.modes if len(mode.cores) == most and not mode.amx_denied]


PARTS: Mapping[str, Part] = {
    "requests": Part(requests.measure, _one_core_in_comparisons),
    "start": Part(starts.measure, _every_mode),
    "bulk": Part(bulk.measure, _all_cores_in_comparisons),
    "training": Part(training.measure, _all_cores),
}


def count_rounds(name: str, subjects: Subjects) -> int:
    """Return how many rounds a part has."""
    amounts = subjects.amounts
    return {
        "requests": amounts.requests,
        "start": amounts.starts,
        "bulk": amounts.bulk,
        "training": amounts.training,
    }[name]


def list_rounds(name: str, subjects: Subjects) -> Iterator[tuple[Key, Mode]]:
    """Yield the rounds of a part: in each, every mode, but those without AMX every other time."""
    for number in range(count_rounds(name, subjects)):
        for mode in PARTS[name].modes(subjects):
            if number % 2 == 0 or not mode.amx_denied:
                yield (name, number, mode.name), mode


def measure_part(name: str, subjects: Subjects, journal: Journal) -> str:
    """Measure the rounds of a part that the journal lacks.

    Returns:
        Why an earlier commit cannot be measured, or nothing.

    Raises:
        BenchError: this tree or a peer cannot be measured.
    """
    for key, mode in list_rounds(name, subjects):
        if key in journal:
            continue
        try:
            journal.add(key, PARTS[name].measure(subjects, mode, key[1]))
        except BenchError as error:
            if len(subjects.trees) == 1:
                raise
            return f"{name}: the two trees cannot be measured in the same way: {error}"
    return ""
