"""`make bench`, with hardly anything of a tiny model: real processes of every candidate."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.speed.figures import RATIOS
from benchmarks.speed.subjects import PEERS
from tests.conftest import ROOT

# In development mode, Python warns about files that stay open, on any machine.
COMMAND = [sys.executable, "-X", "dev", "-m", "benchmarks.bench", "--tiny"]
# Of the requests and the files of the tiny run, which are few and short.
SECTIONS = [
    "headline of 16 tokens",
    "list of 4 headlines",
    "cold start",
    "cold start, step by step",
]
SECTIONS += ["file of headlines", "training"]


def start(build: Path, *options: str) -> subprocess.Popen[str]:
    """Start a run on one core, so that each mode is measured once."""
    return subprocess.Popen(
        [*COMMAND, "--build", str(build), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Return what a run printed."""
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    return output


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the models are made once."""
    return tmp_path_factory.mktemp("build")


@pytest.mark.timeout(900)
def test_everything_is_measured_next_to_every_peer(build: Path) -> None:
    # GIVEN nothing
    # WHEN everything is measured
    output = finish(start(build))
    # THEN each section has its candidates: those of this project, and the peers
    result = json.loads((build / "bench.json").read_text())
    assert list(result["figures"]) == SECTIONS
    for section in ("headline of 16 tokens", "cold start", "file of headlines"):
        assert set(PEERS) < set(result["figures"][section]["one core"])
    # AND each ratio has a value, in the table too, but for those of a list of 128
    assert set(result["ratios"]) == {
        ratio.name for ratio in RATIOS if not ratio.name.startswith("list_")
    }
    assert all(value > 0 for value in result["ratios"].values())
    assert all(name in output for name in result["ratios"])
    # AND there is a plot, and nothing to continue
    assert (build / "bench.svg").read_text().count("<svg") == 1
    assert not list((build / "bench").glob("*.jsonl"))


@dataclass(frozen=True)
class Comparison:
    """Of this tree with the newest commit, stopped after its first round and continued."""

    code: int
    errors: str
    first_round: list[dict[str, Any]]  # as it was measured before the stop
    output: str
    result: dict[str, Any]


@pytest.fixture(scope="module")
def comparison(build: Path) -> Comparison:
    options = ("--only", "requests,start,bulk", "--against", "HEAD")
    name = "bench-requests-start-bulk-against"
    journal = build / "bench" / f"{name}.jsonl"
    stopped = start(build, *options)
    while not journal.exists() or journal.read_text().count("\n") < 2:
        assert stopped.poll() is None, stopped.communicate()
        time.sleep(0.05)
    stopped.send_signal(signal.SIGINT)
    _, errors = stopped.communicate()
    first_round = json.loads(journal.read_text().splitlines()[1])["records"]
    output = finish(start(build, *options))
    result = json.loads((build / f"{name}.json").read_text())
    return Comparison(stopped.returncode, errors, first_round, output, result)


@pytest.mark.timeout(600)
def test_a_tree_is_compared_with_a_commit(comparison: Comparison) -> None:
    # GIVEN the newest commit
    # WHEN this tree is compared with it
    # THEN both were measured, and one round is too little to tell them apart
    sha = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True)[:7]
    candidates = comparison.result["figures"]["headline of 16 tokens"]["one core"]
    assert {"handler", f"handler@{sha}"} < set(candidates)
    assert not set(PEERS) & set(candidates)
    assert f"change since {sha}" in comparison.output
    assert "too few rounds to tell" in comparison.output


@pytest.mark.timeout(600)
def test_an_interrupted_run_continues_where_it_was(comparison: Comparison) -> None:
    # GIVEN a run that was interrupted after its first round
    assert comparison.code == 130
    assert comparison.errors == "error: stopped; the same command continues\n"
    # WHEN the same command is given again
    # THEN the result has the round that was measured first
    for record in comparison.first_round:
        figures = comparison.result["figures"][record["section"]][record["mode"]]
        assert figures[record["name"]]["milliseconds"] == record["wall"]
