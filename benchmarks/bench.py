"""Measure the speed of the service, next to the bare model and a ``transformers`` pipeline.

    make bench                                                # also writes build/bench.json
    python -m benchmarks.bench --turns 1 --starts 1 --layers 1    # does it run?

Measured, on one thread each:

- one headline of 16 tokens, with a full-size model (``bare``: tokenizer and ``session.run``;
  ``full_int8``: the classifier; ``handler``: the whole Lambda handler), with the ``shipped`` model,
  and with the peer: a ``transformers`` pipeline in fp32;
- a list of 128 headlines, in one request, in 128 requests, and through the pipeline;
- cold starts of the handler and of the pipeline, and each step of the handler's start.

All candidates take turns in one process, and the figures are medians. ``first`` is the median of
the first calls of each turn, which find the CPU's caches filled by another candidate, as after a
pause. The full-size model has random weights, which do not change the speed.

Leave the machine alone meanwhile. On the 2-core cloud machine it was written on, all times double
in slow hours. In six runs there the ratios ranged from 1.2 to 1.6 (handler over bare), 7.0 to 11.3
(pipeline over full size), 23 to 30 (pipeline over shipped) and 10.6 to 11.8 (cold starts). CPU
times say something even when other work shares the cores.
"""

import json
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

# The libraries read these while they are imported.
os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}

import cyclopts
import numpy as np
import onnxruntime
import torch
import transformers
from cyclopts import Parameter
from cyclopts.validators import Number
from tokenizers import Tokenizer
from transformers import DistilBertConfig, pipeline

from benchmarks import cold_start
from benchmarks.full_size import build, read_headlines
from benchmarks.timing import Call, Duration, median, take_turns
from inference.local.checkout import ROOT, SAMPLE_MODEL
from inference.model.bundle import TOKENIZER, read_verified
from inference.model.classifier import Classifier
from inference.runtime.context import Context
from inference.runtime.payload import to_event

RESULT = ROOT / "build" / "bench.json"
TOKENS = 16  # of the single headline
LIST = 128  # headlines
TURN = 25  # calls with one headline

Count = Annotated[int, Parameter(validator=Number(gte=1))]


@dataclass(frozen=True)
class Ratio:
    """One median over another, and its target."""

    name: str
    over: str
    under: str
    target: float | None
    at_most: bool = False

    def of(self, medians: Mapping[str, float]) -> float:
        """Return the ratio of two medians."""
        return medians[self.over] / medians[self.under]

    def judge(self, value: float) -> str:
        """Say whether a value meets the target."""
        if self.target is None:
            return ""
        met = value <= self.target if self.at_most else value >= self.target
        bound = "at most" if self.at_most else "at least"
        return f"{bound} {self.target:g}: {'met' if met else 'MISSED'}"


RATIOS = [
    Ratio("handler_over_bare", "handler", "bare", 1.3, at_most=True),
    Ratio("full_int8_over_transformers", "transformers", "full_int8", 7),
    Ratio("shipped_over_transformers", "transformers", "shipped", 20),
    Ratio("cold_start_over_transformers", "transformers_cold_start", "handler_cold_start", 10),
    Ratio("list_over_singles", "singles_128", "list_128", None),
    Ratio("list_over_transformers", "transformers_128", "list_128", None),
]


@dataclass(frozen=True)
class Measurements:
    """Medians by the name of what was measured."""

    durations: dict[str, Duration]
    first_calls: dict[str, float]  # milliseconds by the clock
    steps: dict[str, Duration]  # of a cold start

    @property
    def wall(self) -> dict[str, float]:
        """Milliseconds by the clock."""
        return {name: duration.wall for name, duration in self.durations.items()}

    @property
    def cpu(self) -> dict[str, float]:
        """Milliseconds of CPU time."""
        return {name: duration.cpu for name, duration in self.durations.items()}


def main(*, turns: Count = 8, list_turns: Count = 3, starts: Count = 7, layers: Count = 6) -> None:
    """Measure the speed, print tables, and write build/bench.json.

    Args:
        turns: How often each candidate gets its turn of 25 calls with one headline.
        list_turns: How often each gets its turn of one call with 128 headlines.
        starts: How many cold starts of each kind are measured.
        layers: Of the full-size model; fewer give wrong figures sooner.
    """
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # The handler logs each request to stdout. It still does, into a file, so that the same
        # work is measured and the tables below are all that is printed.
        with (folder / "handler.log").open("w") as log, redirect_stdout(log):
            measurements = measure(folder, turns, list_turns, starts, layers)
    print_tables(measurements)
    write_result(measurements)


def measure(folder: Path, turns: int, list_turns: int, starts: int, layers: int) -> Measurements:
    """Measure everything."""
    bundle = build(DistilBertConfig(n_layers=layers), folder)
    text, texts = choose_texts(bundle)
    cold, steps = measure_cold_starts(folder, bundle, text, starts)
    one, many = make_candidates(folder, bundle, text, texts)
    singles = take_turns(one, turns, TURN)
    lists = take_turns(many, list_turns)
    durations = cold | singles | lists
    return Measurements(
        durations={name: median(times) for name, times in durations.items()},
        first_calls={name: median(times[::TURN]).wall for name, times in singles.items()},
        steps=steps,
    )


def choose_texts(bundle: Path) -> tuple[str, list[str]]:
    """Choose a headline of 16 tokens, and 128 headlines of all lengths."""
    texts = read_headlines()
    encodings = Tokenizer.from_file(str(bundle / TOKENIZER)).encode_batch(texts)
    lengths = [len(encoding.ids) for encoding in encodings]
    return texts[lengths.index(TOKENS)], texts[:LIST]


def make_candidates(
    folder: Path, bundle: Path, text: str, texts: list[str]
) -> tuple[dict[str, Call], dict[str, Call]]:
    """Make the calls to time: with one headline, and with a list of them."""
    os.environ["MODEL_URI"] = bundle.as_uri()
    from inference.api.handler import handler, loader

    context: Any = Context("bench")
    classify = pipeline("text-classification", str(folder), device="cpu")
    shipped = Classifier.load(read_verified(SAMPLE_MODEL))
    tokenizer = Tokenizer.from_file(str(bundle / TOKENIZER))
    # All share one session: of two with the same weights, one is slower, depending on where the
    # weights are in memory.
    full = loader.get_model().classifier
    session = full._session

    def run_bare() -> Any:
        return session.run(None, {"input_ids": np.array([tokenizer.encode(text).ids])})

    one, many = make_event(text), make_event(texts)
    singles = [make_event(single) for single in texts]
    return {
        "bare": run_bare,
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


def make_event(inputs: str | list[str]) -> dict[str, Any]:
    """Return the event of a ``POST /predict``."""
    body = json.dumps({"inputs": inputs}).encode()
    return to_event("POST", "/predict", [("content-type", "application/json")], body)


def measure_cold_starts(
    folder: Path, bundle: Path, text: str, count: int
) -> tuple[dict[str, list[Duration]], dict[str, Duration]]:
    """Start both kinds of process in turns, after one of each to fill the page cache."""
    handler, peer, steps = [], [], []
    for _ in range(count + 1):
        handler.append(cold_start.time_handler(bundle, make_event(text)))
        peer.append(cold_start.time_transformers(folder, text))
        steps.append(cold_start.time_steps(bundle, text))
    starts = {"handler_cold_start": handler[1:], "transformers_cold_start": peer[1:]}
    return starts, median_steps(steps[1:])


def median_steps(starts: Sequence[Mapping[str, Duration]]) -> dict[str, Duration]:
    """Return the median of each step over several starts."""
    return {step: median([durations[step] for durations in starts]) for step in starts[0]}


def print_tables(measurements: Measurements) -> None:
    """Print the times, the ratios with their targets, and the steps of a cold start."""
    wall, cpu, firsts = measurements.wall, measurements.cpu, measurements.first_calls
    print(f"{'':32}{'ms':>10}{'CPU ms':>10}{'first':>10}")
    for name in wall:
        first = f"{firsts[name]:10.2f}" if name in firsts else ""
        print(f"{name:32}{wall[name]:10.2f}{cpu[name]:10.2f}{first}")
    print(f"\n{'':32}{'ratio':>10}{'CPU':>10}")
    for ratio in RATIOS:
        value = ratio.of(wall)
        print(f"{ratio.name:32}{value:10.2f}{ratio.of(cpu):10.2f}  {ratio.judge(value)}")
    print(f"\n{'cold start, step by step':32}{'ms':>10}{'CPU ms':>10}  10 ms of CPU each")
    for step, duration in measurements.steps.items():
        bar = "#" * round(duration.cpu / 10)
        print(f"{step:32}{duration.wall:10.0f}{duration.cpu:10.0f}  {bar}")


def write_result(measurements: Measurements) -> None:
    """Write the figures and the machine they were measured on as JSON."""
    result = {
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "processor": platform.processor() or platform.machine(),
            "load_average": os.getloadavg()[0],
            "python": platform.python_version(),
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "milliseconds": measurements.wall,
        "ratios": {ratio.name: ratio.of(measurements.wall) for ratio in RATIOS},
        "first_milliseconds": measurements.first_calls,
        "cpu_milliseconds": measurements.cpu,
        "cpu_ratios": {ratio.name: ratio.of(measurements.cpu) for ratio in RATIOS},
        "cold_start_steps": {step: took.wall for step, took in measurements.steps.items()},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    cyclopts.run(main)
