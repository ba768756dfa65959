"""Compare the answers of the arm64 image with those of this machine.

    python -m benchmarks.arm64

The image's Python, packages and handler run under QEMU, on the processor of a Graviton2 and on a
newer one, with the shipped model. The handler gets the sample events and the sample headlines.
What it needs is listed in `benchmarks/arm64_image.py`: Linux on x86-64, the Debian package
``qemu-user`` and, the first time, the package indexes (60 MB, kept in build/arm64).
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.arm64_image import Arm64Image, read_steps, run_quietly
from inference.local.checkout import ROOT, SAMPLE_MODEL, SAMPLE_REQUESTS
from inference.runtime.payload import to_event
from training import tasks
from training.data.read import read

GRAVITON2 = "neoverse-n1"
# QEMU 7.2 knows no Graviton3, but its "max" has the same new instructions for products of integers.
# Pointer authentication and SVE are slow to emulate, and onnxruntime uses neither for int8.
NEWER = "max,pauth-impdef=on,sve=off"
HEADLINES = ROOT / "data" / "headlines.csv"
TEXTS = 100  # in one request
SAME = 1e-5  # probabilities that differ by less are the same but for the last bits of floats
HEADER = """| CPU | its `/sys` | headlines | same label | same probabilities | greatest difference |
|---|---|---:|---:|---:|---:|"""
CASES = ((GRAVITON2, True, None), (GRAVITON2, False, 100), (NEWER, True, 100))
JSON = [("content-type", "application/json")]
ANSWER = """
import json, sys
from pathlib import Path
from inference.api.handler import handler
from inference.runtime.context import Context
events = json.loads(Path(sys.argv[1]).read_text())
answers = [handler(event, Context(f"request-{number}")) for number, event in enumerate(events)]
Path(sys.argv[2]).write_text(json.dumps(answers))
"""
# The drift function reads it when it is imported; without it, the handler logs no predictions.
TABLE = "import os; os.environ['PREDICTION_TABLE'] = 'none'"


@dataclass(frozen=True)
class Answers:
    """What the handler answers: first the sample events, then the headlines."""

    events: list[Any]
    labels: list[str]
    probabilities: list[list[float]]

    @classmethod
    def parse(cls, answers: list[Any], events: int) -> Self:
        """Parse the answers of the handler, of which the first belong to sample events."""
        bodies = [json.loads(answer["body"]) for answer in answers[events:]]
        predictions = [one for body in bodies for one in body["predictions"]]
        return cls(
            answers[:events],
            [one["predicted_label"] for one in predictions],
            [list(one["probabilities"].values()) for one in predictions],
        )

    def differences(self, other: "Answers") -> list[float]:
        """Return the largest difference of a probability, for each headline."""
        pairs = zip(self.probabilities, other.probabilities, strict=True)
        return [max(abs(a - b) for a, b in zip(one, two, strict=True)) for one, two in pairs]


@dataclass(frozen=True)
class Workload:
    """The events that the handler gets."""

    samples: list[Any]
    headlines: list[Any]

    @classmethod
    def read(cls, headlines: int | None = None) -> Self:
        """Read the sample events, and the first sample headlines or all of them."""
        events = sorted((SAMPLE_REQUESTS / "events").glob("*.json"))
        bodies = [file.read_bytes() for file in sorted(SAMPLE_REQUESTS.glob("*.json"))]
        samples = [json.loads(file.read_bytes()) for file in events]
        samples = [one for one in samples if "Records" not in one]  # a queue needs a second queue
        samples += [to_event("POST", "/predict", JSON, body) for body in bodies]
        texts = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples][:headlines]
        return cls(
            samples, [_list_event(texts[i : i + TEXTS]) for i in range(0, len(texts), TEXTS)]
        )

    def answer_here(self) -> Answers:
        """Answer on this machine."""
        command = [sys.executable, "-c", ANSWER]

        def run(*files: Path) -> None:
            environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | _variables()
            run_quietly([*command, *files], environment)

        return self._exchange(run)

    def answer_in(self, image: Arm64Image, *, cpu: str, hide_cpus: bool) -> Answers:
        """Answer in the image, and then import what the Dockerfile imports."""
        (imports,) = (step.split("'")[1] for step in read_steps() if "'import " in step)

        def run(*files: Path) -> None:
            code = f"{ANSWER}\n{TABLE}\n{imports}"
            image.run(code, *files, cpu=cpu, hide_cpus=hide_cpus, environment=_variables())

        return self._exchange(run)

    def _exchange(self, run: Callable[[Path, Path], None]) -> Answers:
        with tempfile.TemporaryDirectory() as folder:
            asked, answered = Path(folder) / "events.json", Path(folder) / "answers.json"
            asked.write_text(json.dumps([*self.samples, *self.headlines]))
            run(asked, answered)
            return Answers.parse(json.loads(answered.read_text()), len(self.samples))


def main() -> None:
    """Compare the answers of the arm64 image with those of this machine, in a table."""
    image = Arm64Image.install()
    print(HEADER)
    for cpu, hide_cpus, headlines in CASES:
        work = Workload.read(headlines)
        here, there = work.answer_here(), work.answer_in(image, cpu=cpu, hide_cpus=hide_cpus)
        differences = here.differences(there)
        print(
            f"| {cpu.partition(',')[0]} | {'hidden' if hide_cpus else 'there'} "
            f"| {len(differences)} | {count_equal(here.labels, there.labels)} "
            f"| {sum(one < SAME for one in differences)} | {max(differences):.3f} |",
            flush=True,
        )


def count_equal(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the positions at which two sequences agree."""
    return sum(a == b for a, b in zip(one, other, strict=True))


def _list_event(texts: list[str]) -> dict[str, Any]:
    return to_event("POST", "/predict", JSON, json.dumps({"inputs": texts}).encode())


def _variables() -> dict[str, str]:
    return {
        "MODEL_URI": f"file://{SAMPLE_MODEL}",
        "MODEL_TIMEOUT_SECONDS": "300",
        "AWS_DEFAULT_REGION": "us-east-1",
        "OPENBLAS_NUM_THREADS": "1",
    }


if __name__ == "__main__":
    main()
