from pathlib import Path

import pytest

from tests.conftest import HEADLINES, REVIEWS
from training import search

pytestmark = pytest.mark.timeout(300)


def trials(table: str) -> list[str]:
    """The rows of a table of trials, first to last."""
    return sorted(table.splitlines()[2:])


def test_a_search_goes_on_where_it_ended(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a search of two trials
    options = ["--data", str(HEADLINES), "--base-model", str(tiny_base), "--output", str(tmp_path)]
    options += ["--epochs", "1", "--precision", "fp32"]
    assert search.main([*options, "--trials", "2"]) == 0
    before = trials((tmp_path / "trials.md").read_text())
    # WHEN a third is asked for
    assert search.main([*options, "--trials", "3"]) == 0
    # THEN the two are kept, the best stands first, and each trial has its model
    after = (tmp_path / "trials.md").read_text()
    assert len(before) == 2
    assert set(before) < set(trials(after))
    scores = [row.split("|")[2] for row in after.splitlines()[2:]]
    assert scores == sorted(scores, reverse=True)
    assert after in capsys.readouterr().out
    assert all((tmp_path / f"trial-{number}" / "model.safetensors").exists() for number in range(3))


def test_a_search_without_data_says_so(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", "nowhere.csv", "--base-model", str(tiny_base), "--output", str(tmp_path)]
    assert search.main(options) == 1
    assert "nowhere.csv" in capsys.readouterr().err


def test_settings_that_a_task_does_not_have_are_not_searched(
    tiny_base: Path, tmp_path: Path
) -> None:
    # GIVEN reviews, which have no groups WHEN one trial is run
    options = ["--task", "sentiment", "--data", str(REVIEWS), "--base-model", str(tiny_base)]
    options += ["--output", str(tmp_path), "--epochs", "1", "--precision", "fp32"]
    assert search.main([*options, "--max-length", "64", "--trials", "1"]) == 0
    # THEN the table has nothing of groups
    assert "group_loss" not in (tmp_path / "trials.md").read_text()
