"""Files of texts, scored by a command from its start to its end.

The slower peers get fewer texts, so that the start of their process does not count.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.errors import BenchError
from benchmarks.speed.journal import Record
from benchmarks.speed.modes import Mode
from benchmarks.speed.process import Launcher
from benchmarks.speed.subjects import PEERS, Subjects
from benchmarks.speed.texts import read_headlines, write_lines
from benchmarks.speed.turns import rotate

SECTION = "file of headlines"
FAST = "openvino_int8"  # the peer that gets as many texts, and takes part without AMX
SLOW = [peer for peer in PEERS if peer != FAST]
SLOWER = 10  # how many times fewer texts these get


@dataclass(frozen=True)
class Job:
    """A command that scores the first texts of a file."""

    name: str
    launcher: Launcher
    command: list[str | Path]
    texts: int

    def run(self, output: Path) -> Record:
        """Run it and measure the time of a text.

        Raises:
            BenchError: the output has not as many rows as the input.
        """
        output.unlink(missing_ok=True)
        command = [part if part != "OUTPUT" else output for part in self.command]
        usage = self.launcher.start(command, f"bulk-{self.name}").time()
        with output.open() as lines:
            rows = sum(1 for _ in lines)
        if rows != self.texts:
            raise BenchError(f"{self.name} wrote {rows} rows for {self.texts} texts")
        wall, cpu = usage.wall, usage.cpu
        if self.name in SLOW:
            took = json.loads(usage.output)
            wall, cpu = 1000 * took["wall"], 1000 * took["cpu"]
        return Record(SECTION, self.launcher.mode.name, self.name, wall / rows, cpu / rows)


def measure(subjects: Subjects, mode: Mode, number: int) -> list[Record]:
    """Measure one run of each candidate."""
    folder = subjects.folder / "bulk"
    folder.mkdir(exist_ok=True)
    jobs = list(list_jobs(subjects, mode, folder))
    return [job.run(folder / "out.jsonl") for job in rotate(jobs, number)]


def list_jobs(subjects: Subjects, mode: Mode, folder: Path) -> Iterator[Job]:
    """Yield the job of each candidate; there is as much to do as there are cores to do it."""
    most = max(len(each.cores) for each in subjects.modes)
    count = subjects.amounts.bulk_texts * len(mode.cores) // most
    many = write_lines(read_headlines(), count, folder / "many.jsonl")
    few = write_lines(read_headlines(), count // SLOWER, folder / "few.jsonl")
    for tree, launcher in subjects.launchers(mode):
        model = subjects.bundle(tree).as_uri()
        command: list[str | Path] = [
            "-m",
            "textclf",
            "bulk",
            many,
            "--output",
            "OUTPUT",
            "--model-uri",
            model,
        ]
        yield Job(f"textclf_bulk{tree.suffix}", launcher, command, count)
    launcher, threads = subjects.launcher(mode), str(len(mode.cores))
    for peer in subjects.peers:
        if mode.amx_denied and peer in SLOW:
            continue
        source, texts = (few, count // SLOWER) if peer in SLOW else (many, count)
        command = ["-m", "benchmarks.speed.score_file", peer, str(subjects.models), threads]
        yield Job(peer, launcher, [*command, source, "OUTPUT"], texts)
