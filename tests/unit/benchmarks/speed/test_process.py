import os
from pathlib import Path

import pytest

from benchmarks.speed.errors import BenchError
from benchmarks.speed.modes import Mode
from benchmarks.speed.process import Launcher, Process


def start(folder: Path, code: str) -> Process:
    core = min(os.sched_getaffinity(0))
    return Launcher(Mode((core,)), folder).start(["-c", code], "process")


def test_the_clock_stops_at_the_line_that_is_waited_for(tmp_path: Path) -> None:
    # GIVEN a process that goes on after it has answered
    process = start(tmp_path, "print('ready'); print('answered 1'); print('answered 2')")
    # WHEN it is timed until its answer
    usage = process.time(until="answered")
    # THEN only what comes after the answer is its output
    assert usage.output == "answered 2\n"
    assert usage.wall > 0
    assert usage.cpu > 0
    assert usage.peak > 1


def test_nothing_stays_open_after_a_process_was_timed(tmp_path: Path) -> None:
    # GIVEN a process
    process = start(tmp_path, "print('answered')")
    # WHEN it is timed to its end
    assert process.time().output == "answered\n"
    # THEN its pipe is closed; Python warns about one that is not, which fails a test
    assert process.popen.stdout
    assert process.popen.stdout.closed


@pytest.mark.parametrize("until", ["", "answered"])
def test_a_process_that_fails_is_an_error_with_its_last_message(tmp_path: Path, until: str) -> None:
    # GIVEN a process that ends without an answer
    process = start(tmp_path, "raise SystemExit('no model')")
    # WHEN it is timed THEN the error says what it said, and its pipe is closed
    with pytest.raises(BenchError, match="no model"):
        process.time(until=until)
    assert process.popen.stdout
    assert process.popen.stdout.closed


def test_a_process_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    # GIVEN a process that closes its output, but does not end
    process = start(tmp_path, "import os, time; os.close(1); time.sleep(600)")
    # WHEN its answer is waited for
    with pytest.raises(BenchError, match="no message"):
        process.time(until="answered")
    # THEN it was killed
    assert process.popen.returncode == -9
