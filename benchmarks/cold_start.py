"""Show where each 10 ms of a cold start go: the steps of the handler's start, one after another.

    python -m benchmarks.cold_start                       # the shipped model
    python -m benchmarks.cold_start FOLDER --runs 15      # another bundle

Every process has one core, as a Lambda function of 1769 MB has. The figures are medians. CPU times
say something even when other work shares the core. ``make bench ONLY=start`` has the same table for
a full-size model, and compares whole starts with those of other implementations.
"""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from cyclopts.validators import Number

from benchmarks.speed.journal import Record
from benchmarks.speed.modes import list_modes
from benchmarks.speed.process import Launcher
from benchmarks.speed.start_steps import measure_steps
from benchmarks.speed.tables import list_steps
from inference.local.checkout import SAMPLE_MODEL

TEXT = "Life in Mars might be a real possibility"

Count = Annotated[int, Parameter(validator=Number(gte=1))]


def main(bundle: Path = SAMPLE_MODEL, /, *, runs: Count = 7) -> None:
    """Measure the steps of a cold start.

    Args:
        bundle: The folder of the model.
        runs: How often it starts; the first time, which fills the page cache, does not count.
    """
    steps: dict[str, list[Record]] = {}
    one_core = list_modes(os.sched_getaffinity(0), amx=False)[0]
    with tempfile.TemporaryDirectory() as log:
        for number in range(runs + 1):
            for record in measure_steps(Launcher(one_core, Path(log)), bundle.resolve(), TEXT):
                if number:
                    steps.setdefault(record.name, []).append(record)
    totals = [
        Record("", "", "", sum(one.wall for one in start), sum(one.cpu or 0 for one in start))
        for start in zip(*steps.values(), strict=True)
    ]
    for line in list_steps(f"{one_core.name}, {runs} starts", steps):
        print(line)
    print(*list(list_steps("", {"in all": totals}))[1:], sep="\n")


if __name__ == "__main__":
    cyclopts.run(main)
