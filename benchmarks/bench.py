"""Measure the speed of everything, next to other implementations.

    make bench                       # all of it: about 15 minutes on two cores
    make bench ONLY=bulk             # or requests, start, training; several with commas
    make bench AGAINST=HEAD~1        # this tree and a commit, in turns, instead of the others
    python -m benchmarks.bench --tiny    # does it run?

Measured are requests with one headline and with 128 in a list, cold starts, the scoring of files,
and fine-tuning: by this project (`bare` is its tokenizer and session alone, `full_int8` its
classifier, `handler` the whole Lambda handler, `shipped` the shipped model's classifier), by a
`transformers` pipeline and Trainer, by onnxruntime in fp32, by the int8 model as optimum makes it,
and by OpenVINO with the int8 model as NNCF makes it. All have the same full-size DistilBERT with
random weights, which do not change the speed.

Each candidate is a process of its own, because two runtimes in one process fight for AMX. In each
round they take turns, another one first each time: on one core and on all, and if the CPU has AMX,
also without it. Tables have the median of the rounds and the extremes, ratios those of the ratios
of each round. `first` are calls that find the caches filled by another candidate, as after a pause.

Ctrl-C keeps what is measured, and the same command continues. Messages of the candidates are in
build/bench/log. The figures are written to build/bench.json, and a plot to build/bench.svg.

Leave the machine alone meanwhile. CPU times say something even when other work shares the cores.
"""

import json
import os
import platform
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cyclopts

from benchmarks.speed.amx import has_amx
from benchmarks.speed.commit import Tree, extract, read_working_tree
from benchmarks.speed.errors import BenchError
from benchmarks.speed.figures import (
    Figures,
    RatioModes,
    compare_trees,
    summarize_ratios,
)
from benchmarks.speed.journal import Journal
from benchmarks.speed.modes import Mode, list_modes
from benchmarks.speed.parts import PARTS, measure_part
from benchmarks.speed.plot import draw
from benchmarks.speed.prepare import Size, Workshop
from benchmarks.speed.process import Launcher
from benchmarks.speed.results import to_json
from benchmarks.speed.subjects import COMPARISON, PEERS, TINY, Amounts, Subjects
from benchmarks.speed.tables import list_comparisons, list_ratios, list_section
from inference.errors import InterruptedRunError, TextClassifierError
from inference.local.checkout import ROOT

BUILD = ROOT / "build"
CPU = Path("/proc/cpuinfo")
LIBRARIES = ("onnxruntime", "openvino", "nncf", "optimum", "torch", "transformers", "numpy")


@dataclass(frozen=True)
class Run:
    """What a user asked for."""

    parts: tuple[str, ...]
    against: str = ""
    tiny: bool = False

    @property
    def name(self) -> str:
        """The name of its files: ``bench``, ``bench-bulk`` or ``bench-against``, for example."""
        parts = self.parts if len(self.parts) < len(PARTS) else ()
        return "-".join(["bench", *parts, *(["against"] if self.against else [])])

    @property
    def size(self) -> Size:
        """The size of the model."""
        return Size(1, 64) if self.tiny else Size()

    @property
    def amounts(self) -> Amounts:
        """How much to measure."""
        if self.tiny:
            return TINY
        return COMPARISON if self.against else Amounts()


def main(*, only: str = "", against: str = "", tiny: bool = False, build: Path = BUILD) -> int:
    """Measure the speed, print tables, and write build/bench.json and build/bench.svg.

    Args:
        only: Parts to measure, separated by commas.
        against: A commit to compare with, instead of with other implementations.
        tiny: Measure hardly anything, of a tiny model, to see that it runs.
        build: The folder to work in.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        bench(Run(choose_parts(only), against, tiny), build)
    except KeyboardInterrupt:
        return fail(InterruptedRunError("stopped; the same command continues"))
    except TextClassifierError as error:
        return fail(error)
    return 0


def fail(error: TextClassifierError) -> int:
    """Print an error and return the exit code."""
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def choose_parts(only: str) -> tuple[str, ...]:
    """Return the parts that a user names, by default all.

    Raises:
        BenchError: one does not exist.
    """
    chosen = [part.strip() for part in only.split(",") if part.strip()] or list(PARTS)
    for part in chosen:
        if part not in PARTS:
            raise BenchError(f"ONLY={part}: choose from {', '.join(PARTS)}")
    return tuple(part for part in PARTS if part in chosen)


def bench(run: Run, build: Path) -> None:
    """Measure what a run asks for, print its tables, and write its results.

    Raises:
        BenchError: something cannot be measured.
    """
    folder = build / "bench"
    (folder / "log").mkdir(parents=True, exist_ok=True)
    trees = [read_working_tree()]
    if run.against:
        trees.append(extract(run.against, folder / "commits"))
    modes = list_modes(os.sched_getaffinity(0), amx=has_amx() and not run.against)
    machine = describe_machine(modes, run.size)
    identity = {"tiny": run.tiny, "trees": [tree.digest for tree in trees], "machine": machine}
    journal = Journal(folder / f"{run.name}.jsonl", identity)
    show(f"{key:16}{value}" for key, value in machine.items())
    subjects = gather(run, folder, tuple(trees), tuple(modes))
    for part in run.parts:
        problem = measure_part(part, subjects, journal)
        if problem:
            show(["", problem])
        elif not run.against:
            figures = Figures(journal.of_part(part))
            show(line for name in figures.sections for line in list_section(figures, name))
    report(run, Figures(journal.records), subjects, machine, build)
    journal.delete()


def gather(run: Run, folder: Path, trees: tuple[Tree, ...], modes: tuple[Mode, ...]) -> Subjects:
    """Make what takes part in a run.

    Raises:
        BenchError: it cannot be made.
    """
    workshop = Workshop(folder, run.size, Launcher(modes[-1], folder / "log"))
    return Subjects(
        folder=folder,
        trees=trees,
        bundles=workshop.make_bundles(trees),
        peers=() if run.against else PEERS,
        models=None if run.against else workshop.make_models(),
        modes=modes,
        amounts=run.amounts,
    )


def describe_machine(modes: Iterable[Mode], size: Size) -> dict[str, str]:
    """Return what the figures depend on, apart from the code."""
    names = [mode.name for mode in modes]
    lines = CPU.read_text().splitlines() if CPU.is_file() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "AMX": "yes" if has_amx() else "the CPU has none, so nothing is measured with it",
        "measured on": "; ".join(names),
        "model": f"DistilBERT {size}",
        "Python": platform.python_version(),
        **{library: find_version(library) for library in LIBRARIES},
    }


def find_version(library: str) -> str:
    """Return the version of a library that is installed.

    Raises:
        BenchError: it is not.
    """
    try:
        return version(library)
    except PackageNotFoundError:
        raise BenchError(f"{library} is missing: run `make bench`, which installs it") from None


def report(
    run: Run, figures: Figures, subjects: Subjects, machine: Mapping[str, str], build: Path
) -> None:
    """Print what the figures say, and write them."""
    modes = RatioModes.of(subjects.modes)
    ratios = {kind: summarize_ratios(figures, modes, kind) for kind in ("wall", "cpu")}
    if run.against:
        suffix = subjects.trees[1].suffix
        comparisons = compare_trees(figures, suffix)
        show(list_comparisons(comparisons, suffix.removeprefix("@")))
    else:
        show(list_ratios(ratios["wall"], ratios["cpu"]))
        draw(figures, modes, build / f"{run.name}.svg")
    result = to_json(machine, figures, ratios["wall"], ratios["cpu"])
    (build / f"{run.name}.json").write_text(json.dumps(result, indent=2) + "\n")


def show(lines: Iterable[str]) -> None:
    """Print lines at once."""
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(cyclopts.run(main))
