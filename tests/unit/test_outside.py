import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outside import PROGRAMS, UNSET, VARIABLES, Outside, find_chromium


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with two programs, one of which a bare machine lacks, and a variable."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("chromium", "other"):
        (folder / name).touch(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/nowhere:{folder}")
    monkeypatch.setenv("REAL_DATA", "/data")
    monkeypatch.delenv("BARE", raising=False)
    return folder


@pytest.fixture
def equipment(machine: Path) -> Iterator[Outside]:
    """What that machine has; everything is as it was after the test."""
    equipment = Outside()
    yield equipment
    equipment.close()


def test_a_test_that_does_not_ask_for_it_finds_none_of_it() -> None:
    # GIVEN this test WHEN it looks for what a bare machine lacks THEN there is nothing
    assert [name for name in PROGRAMS if shutil.which(name)] == []
    assert [name for name in UNSET if name in os.environ] == []
    assert {name: os.environ[name] for name in VARIABLES} == VARIABLES
    # AND it finds other programs
    assert shutil.which("sh")


def test_it_is_hidden_until_it_is_shown(machine: Path, equipment: Outside) -> None:
    # GIVEN a machine WHEN what a bare one lacks is hidden THEN only other programs are found
    equipment.hide()
    assert find_chromium() is None
    assert shutil.which("other")
    assert "REAL_DATA" not in os.environ
    # WHEN it is shown THEN everything is found
    equipment.show()
    assert find_chromium() == str(machine / "chromium")
    assert os.environ["REAL_DATA"] == "/data"


def test_a_test_that_asks_for_it_is_marked(request: pytest.FixtureRequest) -> None:
    # GIVEN the tests of this run
    for item in request.session.items:
        # THEN those that ask, themselves or by a fixture, have the mark, and no others
        asks = "outside" in getattr(item, "fixturenames", ())
        assert bool(item.get_closest_marker("outside")) == asks
    # AND this one has that of the unit tests
    assert request.node.get_closest_marker("unit")


def test_one_that_asks(outside: None) -> None:
    # GIVEN a test that asks THEN the PATH is the one of the machine, unless that is called bare
    is_bare = Path(os.environ["PATH"]).name.startswith("bare-path-")
    assert is_bare == bool(os.environ.get("BARE"))


@pytest.mark.usefixtures("machine")
def test_on_a_machine_that_is_called_bare_it_is_never_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a machine with BARE=1
    monkeypatch.setenv("BARE", "1")
    equipment = Outside()
    # WHEN it is to be shown THEN it stays hidden
    equipment.show()
    assert find_chromium() is None
    equipment.close()


def test_everything_is_as_it_was_at_the_end(machine: Path) -> None:
    # GIVEN an environment
    before = dict(os.environ)
    equipment = Outside()
    # WHEN something is hidden, and the end comes
    equipment.hide()
    path = Path(os.environ["PATH"])
    equipment.close()
    # THEN the variables are the same, and the links are gone
    assert dict(os.environ) == before
    assert not path.exists()
