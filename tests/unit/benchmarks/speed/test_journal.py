from pathlib import Path

from benchmarks.speed.journal import Journal, Record

RUN = {"trees": ["1a2b"], "machine": {"cores": 2}}
RECORD = Record("section", "one core", "handler", 2.5, cpu=2.0)


def test_the_same_run_continues_after_its_last_round(tmp_path: Path) -> None:
    # GIVEN a run that was stopped after a round
    path = tmp_path / "bench.jsonl"
    Journal(path, RUN).add(("requests", 0, "one core"), [RECORD])
    # WHEN the same run begins again
    journal = Journal(path, RUN)
    # THEN that round is there, and no other
    assert ("requests", 0, "one core") in journal
    assert ("requests", 1, "one core") not in journal
    assert journal.records == journal.of_part("requests") == [RECORD]
    assert journal.of_part("bulk") == []


def test_another_run_begins_at_its_beginning(tmp_path: Path) -> None:
    # GIVEN a run that was stopped
    path = tmp_path / "bench.jsonl"
    Journal(path, RUN).add(("requests", 0, "one core"), [RECORD])
    # WHEN one of other code begins, and is stopped, too
    Journal(path, RUN | {"trees": ["5e6f"]}).add(("bulk", 0, "one core"), [])
    # THEN nothing of the first is left
    assert not Journal(path, RUN).records
    assert ("requests", 0, "one core") not in Journal(path, RUN | {"trees": ["5e6f"]})


def test_a_line_that_was_cut_short_is_measured_again(tmp_path: Path) -> None:
    # GIVEN a run that was killed while its second round was written
    path = tmp_path / "bench.jsonl"
    journal = Journal(path, RUN)
    journal.add(("requests", 0, "one core"), [RECORD]).add(("requests", 1, "one core"), [RECORD])
    path.write_text(path.read_text()[:-20])
    # WHEN it continues, and goes on
    Journal(path, RUN).add(("requests", 2, "one core"), [RECORD])
    # THEN the round is missing, and those before and after it are whole
    journal = Journal(path, RUN)
    assert ("requests", 1, "one core") not in journal
    assert len(journal.records) == 2


def test_a_complete_run_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "bench.jsonl", RUN)
    journal.delete()
    assert not list(tmp_path.iterdir())
