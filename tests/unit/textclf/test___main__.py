import subprocess
import sys

import pytest

from tests.conftest import ROOT

# Sends this process SIGINT when a library is first imported, as an impatient user does.
IMPATIENT = """
import importlib.abc, signal, sys

class Impatient(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {library!r}:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Impatient())
sys.argv = ["textclf", "list", "--help"]
from textclf.__main__ import main
sys.exit(main())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("library", ["textclf.app", "cyclopts", "textclf.publish"])
def test_ctrl_c_while_commands_are_imported_is_one_line(library: str) -> None:
    # GIVEN a command WHEN Ctrl-C comes while its modules are imported
    done = run(IMPATIENT.format(library=library))
    # THEN it ends at once, with one line and the exit code of a shell
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_a_command_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    # GIVEN a process in which SIGINT is ignored, as in a shell's background WHEN it comes
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    done = run(ignore + IMPATIENT.format(library="cyclopts"))
    # THEN the command runs to its end
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: textclf list" in done.stdout


def test_the_command_runs_by_its_module_and_returns_its_exit_code() -> None:
    command = [sys.executable, "-m", "textclf", "serv"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'Did you mean "serve"?' in done.stderr
