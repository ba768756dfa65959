import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from training.atomic import OutputError
from training.recipes.journal import Journal


@contextmanager
def full_at(size: int) -> Iterator[None]:
    """Let no file become larger than this, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_names_the_journal_and_leaves_it_whole(tmp_path: Path) -> None:
    # GIVEN a journal with one line, on a disk with room for half of the next
    path = tmp_path / "trials.journal"
    journal = Journal(path)
    journal.append_logs([{"number": 1}])
    # WHEN another line is added
    with (
        full_at(path.stat().st_size + 5),
        pytest.raises(OutputError, match=r"trials\.journal: .*give the same command again"),
    ):
        journal.append_logs([{"number": 2}])
    # THEN the first is there alone, and the same command goes on when there is room
    assert path.read_text() == '{"number":1}\n'
    journal.append_logs([{"number": 2}])
    assert list(Journal(path).read_logs(0)) == [{"number": 1}, {"number": 2}]


def test_half_a_line_that_a_crash_left_is_dropped(tmp_path: Path) -> None:
    # GIVEN a journal whose last line is cut WHEN it is opened and continued
    path = tmp_path / "trials.journal"
    path.write_text('{"number":1}\n{"numb')
    Journal(path).append_logs([{"number": 2}])
    # THEN all of its lines can be read
    assert list(Journal(path).read_logs(0)) == [{"number": 1}, {"number": 2}]


def test_a_journal_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*nowhere/trials\.journal"):
        Journal(tmp_path / "nowhere" / "trials.journal")
