"""Requests with one headline and with a list of them, answered by processes that wait for them."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.speed.journal import Record
from benchmarks.speed.modes import Mode
from benchmarks.speed.process import Calls, Server
from benchmarks.speed.subjects import Subjects
from benchmarks.speed.texts import choose_of_length, read_headlines
from benchmarks.speed.turns import rotate
from inference.local.checkout import ROOT, SAMPLE_MODEL
from inference.model.bundle import TOKENIZER
from inference.runtime.payload import to_event

LIST = "list of {} headlines"
ONE = "headline of {} tokens"
HANDLER = ("handler", "list_128")  # gets requests instead of texts


@dataclass(frozen=True)
class Candidate:
    """A call that a server answers, and its name in the tables."""

    name: str
    server: Server
    call: str

    def time(self, text: Any, times: int) -> Calls:
        """Time calls with a text or a list."""
        value = text
        if self.call in HANDLER:
            value = make_event(text)
        elif self.call == "singles_128":
            value = [make_event(each) for each in text]
        return self.server.call(self.call, value, times)


def measure(subjects: Subjects, mode: Mode, number: int) -> list[Record]:
    """Measure one round: start all processes, and let them take turns."""
    amounts, texts = subjects.amounts, read_headlines()
    first = subjects.bundle(subjects.trees[0])
    singles = {
        ONE.format(tokens): choose_of_length(texts, tokens, first / TOKENIZER)
        for tokens in amounts.lengths
    }
    records: list[Record] = []
    with ExitStack() as stack:
        one: list[Candidate] = []
        many: list[Candidate] = []
        for candidate in list(start(subjects, mode, stack)):
            candidate.server.wait()
            (many if candidate.call.endswith("_128") else one).append(candidate)
        for section, text in singles.items():
            taken = take_turns(rotate(one, number), text, amounts.turns, amounts.calls)
            records += to_records(section, mode, taken, amounts.calls)
        chosen = texts[: amounts.texts]
        taken = take_turns(rotate(many, number), chosen, min(2, amounts.turns), 1)
        records += to_records(LIST.format(amounts.texts), mode, taken, 1)
    return records


def start(subjects: Subjects, mode: Mode, stack: ExitStack) -> Iterator[Candidate]:
    """Start a process for each tree, each tree's shipped model, and each peer."""
    for tree, launcher in subjects.launchers(mode):
        bundle, shipped = subjects.bundle(tree), tree.folder / SAMPLE_MODEL.relative_to(ROOT)
        for kind, folder, calls in (
            ("full", bundle, ("bare", "full_int8", "handler", "list_128", "singles_128")),
            ("shipped", shipped, ("shipped", "shipped_128")),
        ):
            server = Server(launcher, launcher.ours(kind, folder), f"{kind}{tree.suffix}")
            stack.callback(server.end)
            yield from (Candidate(call + tree.suffix, server, call) for call in calls)
    launcher, threads = subjects.launcher(mode), str(len(mode.cores))
    for peer in subjects.peers:
        command = ["-m", "benchmarks.speed.peers", peer, str(subjects.models), threads]
        server = Server(launcher, command, peer)
        stack.callback(server.end)
        yield from (Candidate(call, server, call) for call in (peer, f"{peer}_128"))


def take_turns(
    candidates: Sequence[Candidate], text: Any, turns: int, times: int
) -> Mapping[str, list[Calls]]:
    """Warm up each candidate with one call, then time all of them in turns."""
    for candidate in candidates:
        candidate.time(text, 1)
    taken: dict[str, list[Calls]] = defaultdict(list)
    for _ in range(turns):
        for candidate in candidates:
            taken[candidate.name].append(candidate.time(text, times))
    return taken


def to_records(
    section: str, mode: Mode, taken: Mapping[str, list[Calls]], times: int
) -> list[Record]:
    """Return the medians of each candidate's calls."""
    return [
        Record(
            section,
            mode.name,
            name,
            wall=median(value for calls in turns for value in calls.wall),
            cpu=median(value for calls in turns for value in calls.cpu),
            first=median(calls.wall[0] for calls in turns) if times > 1 else None,
        )
        for name, turns in taken.items()
    ]


def make_event(inputs: str | list[str]) -> dict[str, Any]:
    """Return the event of a ``POST /predict``."""
    body = json.dumps({"inputs": inputs}).encode()
    return to_event("POST", "/predict", [("content-type", "application/json")], body)
