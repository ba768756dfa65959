"""Cold starts: from the start of a process to its first answer.

Of the handler as Lambda's runtime imports and calls it, of this project's classifier without it,
and of each peer.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.speed.journal import Record
from benchmarks.speed.modes import Mode
from benchmarks.speed.process import Process
from benchmarks.speed.requests import make_event
from benchmarks.speed.start_steps import measure_steps
from benchmarks.speed.subjects import Subjects
from benchmarks.speed.texts import choose_of_length, read_headlines
from benchmarks.speed.turns import rotate
from inference.model.bundle import TOKENIZER

SECTION = "cold start"
ANSWERED = "answered"

_warm: set[str] = set()  # modes whose candidates have all started once, which fills the page cache


def measure(subjects: Subjects, mode: Mode, number: int) -> list[Record]:
    """Measure one start of each kind, and the steps of a start of this tree's handler."""
    bundle = subjects.bundle(subjects.trees[0])
    tokens = subjects.amounts.lengths[0]
    text = choose_of_length(read_headlines(), tokens, bundle / TOKENIZER)
    starts = list(list_starts(subjects, mode, text))
    if not _warm:
        for _, start in starts:
            start().time(until=ANSWERED)
        _warm.add(mode.name)
    records = []
    for name, start in rotate(starts, number):
        usage = start().time(until=ANSWERED)
        records.append(Record(SECTION, mode.name, name, usage.wall, usage.cpu, peak=usage.peak))
    if mode == subjects.modes[0]:
        records += measure_steps(subjects.launcher(mode), bundle, text)
    return records


def list_starts(
    subjects: Subjects, mode: Mode, text: str
) -> Iterator[tuple[str, Callable[[], Process]]]:
    """Yield each candidate's name, and the function that starts it."""
    for tree, launcher in subjects.launchers(mode):
        for name, value in (("handler", make_event(text)), ("full_int8", text)):
            command = launcher.ours("full", subjects.bundle(tree), name, json.dumps(value))
            variables = launcher.image_variables()
            yield name + tree.suffix, partial(launcher.start, command, "start", variables)
    launcher = subjects.launcher(mode)
    for peer in subjects.peers:
        arguments = [peer, str(subjects.models), str(len(mode.cores)), text]
        command = ["-m", "benchmarks.speed.peers", *arguments]
        yield peer, partial(launcher.start, command, "start")
