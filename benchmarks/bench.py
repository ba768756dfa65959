"""How fast the service is, beside the bare model and a transformers pipeline.

    make bench                                                  # writes build/bench.json
    python -m benchmarks.bench --turns 1 --starts 1 --layers 1    # does it run?

All contenders take turns in one process, on one thread; the figures are medians. A turn at one
headline is many calls, as under steady load; `first` is the median of the first calls, which
find the caches swept by the contender before, as after a pause. Beside the time by the clock
stands the CPU time, which says something even where other work shares the cores. The full-size
model has random weights: they do not change the speed.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read by the libraries as they are imported.
os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}

import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer
from transformers import DistilBertConfig, pipeline

from benchmarks import cold_start
from benchmarks.cold_start import Took
from benchmarks.full_size import HEADLINES, ROOT, SAMPLE_MODEL, build
from inference.local.emulator import Context
from inference.local.front_door import to_event
from inference.model.bundle import TOKENIZER, read_verified
from inference.model.classifier import Classifier
from training import tasks
from training.data.read import read

RESULT = ROOT / "build" / "bench.json"
TOKENS = 16
LIST = 128
TURN = 25  # calls with one headline


@dataclass(frozen=True)
class Ratio:
    """One measured thing over another, and what it is wanted to be."""

    name: str
    over: str
    under: str
    wanted: float | None
    at_most: bool = False

    def of(self, medians: dict[str, float]) -> float:
        """The ratio of two medians."""
        return medians[self.over] / medians[self.under]

    def verdict(self, value: float) -> str:
        """The target, and whether a value meets it."""
        if self.wanted is None:
            return ""
        met = value <= self.wanted if self.at_most else value >= self.wanted
        sign = "at most" if self.at_most else "at least"
        return f"{sign} {self.wanted:g}: {'met' if met else 'MISSED'}"


RATIOS = [
    Ratio("handler_over_bare", "handler", "bare", 1.3, at_most=True),
    Ratio("full_int8_over_transformers", "transformers", "full_int8", 7),
    Ratio("shipped_over_transformers", "transformers", "shipped", 20),
    Ratio("cold_start_over_transformers", "transformers_cold_start", "handler_cold_start", 10),
    Ratio("list_over_singles", "singles_128", "list_128", None),
    Ratio("list_over_transformers", "transformers_128", "list_128", None),
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--turns", type=int, default=8, help=f"of {TURN} calls with one headline")
    parser.add_argument("--list-turns", type=int, default=3, help="of one call with 128 headlines")
    parser.add_argument("--starts", type=int, default=7, help="of a process of each kind")
    parser.add_argument("--layers", type=int, default=DistilBertConfig().n_layers)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = build(DistilBertConfig(n_layers=options.layers), folder)
        text, texts = headlines(bundle)
        starts, steps = cold_starts(folder, bundle, text, options.starts)
        single, listed = cases(folder, bundle, text, texts)
        ones, lists = in_turns(single, options.turns, TURN), in_turns(listed, options.list_turns)
    firsts = {name: median(times[::TURN]).wall for name, times in ones.items()}
    took = starts | ones | lists
    show(took, firsts, steps)
    write(took, firsts, steps)


def headlines(bundle: Path) -> tuple[str, list[str]]:
    """A headline of 16 tokens, and a list of 128 of all lengths."""
    texts = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples]
    encodings = Tokenizer.from_file(str(bundle / TOKENIZER)).encode_batch(texts)
    lengths = [len(encoding.ids) for encoding in encodings]
    return texts[lengths.index(TOKENS)], texts[:LIST]


def cases(
    folder: Path, bundle: Path, text: str, texts: list[str]
) -> tuple[dict[str, Callable[[], Any]], dict[str, Callable[[], Any]]]:
    """What is timed: on one headline, and on a list of them."""
    os.environ["MODEL_URI"] = bundle.as_uri()
    from inference.api.handler import handler, model

    context: Any = Context("bench")
    classify = pipeline("text-classification", str(folder), device="cpu")
    shipped = Classifier(SAMPLE_MODEL, read_verified(SAMPLE_MODEL)[0])
    tokenizer = Tokenizer.from_file(str(bundle / TOKENIZER))
    # One session for all: of two with the same weights, one is slower by where they lie in memory.
    full, _ = model.get()
    session = full._session

    def bare() -> Any:
        return session.run(None, {"input_ids": np.array([tokenizer.encode(text).ids])})

    one, many = request(text), request(texts)
    singles = [request(single) for single in texts]
    return {
        "bare": bare,
        "handler": lambda: handler(one, context),
        "full_int8": lambda: full.predict([text]),
        "shipped": lambda: shipped.predict([text]),
        "transformers": lambda: classify(text),
    }, {
        "list_128": lambda: handler(many, context),
        "shipped_128": lambda: shipped.predict(texts),
        "singles_128": lambda: [handler(single, context) for single in singles],
        "transformers_128": lambda: classify(texts, batch_size=32),
    }


def request(inputs: str | list[str]) -> dict[str, Any]:
    """The event of a ``POST /predict``."""
    body = json.dumps({"inputs": inputs}).encode()
    return to_event("POST", "/predict", [("content-type", "application/json")], body)


def in_turns(
    cases: dict[str, Callable[[], Any]], turns: int, calls: int = 1
) -> dict[str, list[Took]]:
    """Call each case once to warm it up, then all of them in turns of so many calls."""
    took: dict[str, list[Took]] = {name: [] for name in cases}
    for run in cases.values():
        run()
    for _ in range(turns):
        for name, run in cases.items():
            took[name] += [timed(run) for _ in range(calls)]
    return took


def timed(run: Callable[[], Any]) -> Took:
    """What a call takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Took(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))


def cold_starts(
    folder: Path, bundle: Path, text: str, count: int
) -> tuple[dict[str, list[Took]], dict[str, Took]]:
    """Starts of either kind in turns, after one of each that warms the page cache."""
    took: dict[str, list[Took]] = {"handler_cold_start": [], "transformers_cold_start": []}
    parts: list[dict[str, Took]] = []
    for _ in range(count + 1):
        took["handler_cold_start"].append(cold_start.handler(bundle, request(text)))
        took["transformers_cold_start"].append(cold_start.transformers(folder, text))
        parts.append(cold_start.steps(bundle, text))
    steps = {step: median([part[step] for part in parts[1:]]) for step in parts[0]}
    return {name: times[1:] for name, times in took.items()}, steps


def median(took: Sequence[Took]) -> Took:
    """The medians of both times."""
    return Took(statistics.median(t.wall for t in took), statistics.median(t.cpu for t in took))


def by_clock(took: dict[str, list[Took]]) -> tuple[dict[str, float], dict[str, float]]:
    """Median milliseconds by name: wall, and CPU."""
    medians = {name: median(times) for name, times in took.items()}
    return {n: m.wall for n, m in medians.items()}, {n: m.cpu for n, m in medians.items()}


def show(took: dict[str, list[Took]], firsts: dict[str, float], steps: dict[str, Took]) -> None:
    """Print the tables."""
    wall, cpu = by_clock(took)
    print(f"{'':32}{'ms':>10}{'CPU ms':>10}{'first':>10}")
    for name in wall:
        first = f"{firsts[name]:10.2f}" if name in firsts else ""
        print(f"{name:32}{wall[name]:10.2f}{cpu[name]:10.2f}{first}")
    print(f"\n{'':32}{'ratio':>10}{'CPU':>10}")
    for ratio in RATIOS:
        value = ratio.of(wall)
        print(f"{ratio.name:32}{value:10.2f}{ratio.of(cpu):10.2f}  {ratio.verdict(value)}")
    print(f"\n{'cold start, step by step':32}{'ms':>10}{'CPU ms':>10}  10 ms of CPU each")
    for step, taken in steps.items():
        print(f"{step:32}{taken.wall:10.0f}{taken.cpu:10.0f}  {'#' * round(taken.cpu / 10)}")


def write(took: dict[str, list[Took]], firsts: dict[str, float], steps: dict[str, Took]) -> None:
    """Write the result for machines."""
    wall, cpu = by_clock(took)
    result = {
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "processor": platform.processor() or platform.machine(),
            "load_average": os.getloadavg()[0],
            "python": platform.python_version(),
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "milliseconds": wall,
        "ratios": {ratio.name: ratio.of(wall) for ratio in RATIOS},
        "first_milliseconds": firsts,
        "cpu_milliseconds": cpu,
        "cpu_ratios": {ratio.name: ratio.of(cpu) for ratio in RATIOS},
        "cold_start_steps": {step: taken.wall for step, taken in steps.items()},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
