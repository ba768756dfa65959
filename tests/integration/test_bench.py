"""`make bench`, with hardly anything of a tiny model: real processes of every candidate."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.speed.figures import RATIOS
from benchmarks.speed.subjects import PEERS
from tests.conftest import ROOT

COMMAND = [sys.executable, "-m", "benchmarks.bench", "--tiny"]
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


@pytest.mark.timeout(600)
def test_a_tree_is_compared_with_a_commit(build: Path) -> None:
    # GIVEN the newest commit
    # WHEN this tree is compared with it
    output = finish(start(build, "--only", "requests,bulk", "--against", "HEAD"))
    # THEN both were measured, and one round is too little to tell them apart
    sha = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True)[:7]
    result = json.loads((build / "bench-requests-bulk-against.json").read_text())
    candidates = result["figures"]["headline of 16 tokens"]["one core"]
    assert {"handler", f"handler@{sha}"} < set(candidates)
    assert not set(PEERS) & set(candidates)
    assert f"change since {sha}" in output
    assert "too few rounds to tell" in output


@pytest.mark.timeout(600)
def test_an_interrupted_run_continues_where_it_was(build: Path) -> None:
    # GIVEN a run that was interrupted after its first round
    options = ("--only", "requests,start", "--against", "HEAD")
    journal = build / "bench" / "bench-requests-start-against.jsonl"
    first = start(build, *options)
    while not journal.exists() or journal.read_text().count("\n") < 2:
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate()
    assert (first.returncode, errors) == (130, "error: stopped; the same command continues\n")
    measured = journal.read_text().splitlines()[1]
    # WHEN the same command is given again
    finish(start(build, *options))
    # THEN the result has the round that was measured first
    result = json.loads((build / "bench-requests-start-against.json").read_text())
    record = json.loads(measured)["records"][0]
    figure = result["figures"][record["section"]][record["mode"]][record["name"]]
    assert figure["milliseconds"] == record["wall"]
