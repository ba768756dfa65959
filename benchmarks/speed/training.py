"""Fine-tuning by `textclf train` and by `transformers.Trainer`, in tokens a second.

Both learn the same rows with the same batch size, precision and learning rate, and validate once.
The time of a token is that of the steps and the validation, without loading and saving; padding
does not count as tokens. The peak of memory is that of the whole process.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.journal import Record
from benchmarks.speed.modes import Mode
from benchmarks.speed.process import Launcher
from benchmarks.speed.subjects import Subjects
from benchmarks.speed.texts import read_headlines, write_rows
from benchmarks.speed.turns import rotate

SECTION = "training"
OURS = "textclf_train"
TRAINERS: dict[str, list[str]] = {
    "trainer": [],
    "trainer_by_length": ["--group-by-length"],  # which pads less
}
TRAIN_OURS = Path(__file__).with_name("train_ours.py")
TRAINER: list[str | Path] = ["-m", "benchmarks.speed.trainer"]
ROWS, SECONDS = "rows.json", "seconds.json"
SETTINGS = {"task": "bench", "text_column": "text", "label_column": "label", "split": "random"}
SETTINGS |= {"epochs": "1", "evaluations": "1", "max_length": "128", "batch_size": "64"}


@dataclass(frozen=True)
class Job:
    """A command that trains, and writes the seconds that it took into a file."""

    name: str
    launcher: Launcher
    command: list[str | Path]

    def run(self, seconds: Path, tokens: int) -> Record:
        """Run it and measure the time of a token."""
        usage = self.launcher.start(self.command, self.name).time()
        took = json.loads(seconds.read_text())
        wall, cpu = (1000 * float(took[kind]) / tokens for kind in ("wall", "cpu"))
        return Record(SECTION, self.launcher.mode.name, self.name, wall, cpu, peak=usage.peak)


def measure(subjects: Subjects, mode: Mode, number: int) -> list[Record]:
    """Measure one run of each candidate."""
    folder = subjects.folder / "training"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    data = write_rows(read_headlines(), subjects.amounts.training_rows, folder / "rows.csv")
    # All begin with the model that the bundle is made of.
    base = subjects.bundle(subjects.trees[0]).parent
    settings = SETTINGS | {"data": str(data), "base_model": str(base), "output": str(folder / "o")}
    command = [*TRAINER, "rows", json.dumps(settings), folder / ROWS]
    tokens = int(subjects.launcher(mode).start(command, "rows").read().split()[-1])
    jobs = list(list_jobs(subjects, mode, settings, folder))
    return [job.run(folder / SECONDS, tokens) for job in rotate(jobs, number)]


def list_jobs(
    subjects: Subjects, mode: Mode, settings: Mapping[str, str], folder: Path
) -> Iterator[Job]:
    """Yield the job of each candidate."""
    for tree, launcher in subjects.launchers(mode):
        name = OURS + tree.suffix
        own = {**settings, "output": str(folder / name)}
        options = [f"--{key.replace('_', '-')}={value}" for key, value in own.items()]
        yield Job(name, launcher, ["-P", TRAIN_OURS, folder / SECONDS, *options])
    if not subjects.peers:
        return
    for name, options in TRAINERS.items():
        command = [*TRAINER, "train", folder / SECONDS, folder / ROWS, settings["base_model"]]
        command += [folder / name, str(len(mode.cores)), *options]
        yield Job(name, subjects.launcher(mode), command)
