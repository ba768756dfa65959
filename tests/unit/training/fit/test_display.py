from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import HEADLINES
from tests.headlines import news_row
from training.data.examples import LONGEST_TEXT
from training.fit.display import (
    Display,
    describe_epochs,
    describe_files,
    describe_rows,
    describe_texts,
)
from training.fit.distillation import Targets
from training.fit.epoch_rows import EpochRows
from training.fit.process_group import Group
from training.fit.rows import load_rows, load_unlabelled
from training.fit.settings import Settings
from training.fit.training_state import Progress
from training.fit.training_texts import TrainingTexts
from training.fit.windows import TextWindows
from training.tasks import NEWS, with_labels

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("rank", "line"),
    [(0, "step 1/9: loss 2.0000, validation macro-F1 0.5000\n"), (1, "")],
)
def test_only_the_leader_shows_a_validation(
    rank: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a process of a group of two
    with Display(Progress(), 9, Group(rank, 2, CPU)) as display:
        # WHEN it shows a step and a validation
        display.show_step(Progress(step=1), loss=2.0)
        display.show_validation(Progress(step=1, history=[(1, 0.5)]))
    # THEN the leader prints the validation, and the other process nothing
    assert capsys.readouterr() == (line, "")


def test_labels_that_cannot_be_tested_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a split without a test row of one label
    dataset, rows = load_rows(Settings(data=str(HEADLINES), output="o"))
    rows.test[:] = [row for row in rows.test if row.label != 3]
    # WHEN its rows are described
    describe_rows(dataset, rows)
    # THEN there is a note about that label alone
    first, *notes = capsys.readouterr().out.splitlines()
    assert first.startswith("news (Business, Science, Entertainment, Health): 429 training")
    assert "note: no test row is labelled 'Health', so its F1 counts as 0" in notes


def test_a_hundred_labels_do_not_fill_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN 151 labels of 80 characters
    dataset, rows = load_rows(Settings(data=str(HEADLINES), output="o"))
    labels = tuple(f"{number} {'a long label' * 7}" for number in range(151))
    dataset = replace(dataset, task=with_labels(dataset.task, labels))
    # WHEN the rows are described THEN every line is short
    describe_rows(dataset, rows)
    out = capsys.readouterr().out
    assert "and 141 more): 429 training" in out
    assert max(map(len, out.splitlines())) < 700


def test_every_row_is_accounted_for(capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN the sample, four of whose rows repeat others
    dataset, rows = load_rows(Settings(data=str(HEADLINES), output="o"))
    # WHEN its rows are described THEN those of the file are those of the parts and those left out
    describe_rows(dataset, rows)
    out = capsys.readouterr().out
    assert "4 rows are left out: they repeat the text and the label of another" in out
    assert len(dataset.examples) == 508 == 429 + 40 + 35 + 4


def test_long_texts_are_cut_to_what_the_api_accepts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a text of 20,000 characters
    (tmp_path / "rows.csv").write_text(HEADLINES.read_text() + news_row("word " * 4000))
    # WHEN the file is loaded THEN it has 10,000, and the output says so
    dataset, rows = load_rows(Settings(data=str(tmp_path / "rows.csv"), output="o"))
    assert len(dataset.examples[-1].text) == LONGEST_TEXT == 10_000
    describe_rows(dataset, rows)
    assert "1 texts are cut to the 10,000 characters" in capsys.readouterr().out


def test_the_loss_that_is_shown_is_not_that_of_the_first_steps() -> None:
    # GIVEN a first step whose loss is far above those that follow
    with Display(Progress(), 99, Group(0, 1, CPU)) as display:
        display.show_step(Progress(step=1), loss=10.0)
        for step in range(2, 12):
            display.show_step(Progress(step=step), loss=1.0)
        # THEN all eleven weigh about the same
        assert display.loss == pytest.approx(20 / 11, rel=0.06)


@pytest.mark.parametrize(
    ("unknown", "cut", "windows", "words"),
    [
        (0.0, 0.0, 1, ""),
        (0.69, 0.0, 1, "69% of the wordpieces are unknown"),
        (0.0, 0.4, 1, "40% of the texts have more than 64 wordpieces and lose their end"),
        (0.0, 0.4, 1, "or give --long-texts windows"),
        (0.0, 0.4, 2, "40% of the texts have more than 2 windows of 64 wordpieces"),
        (0.0, 0.4, 2, "raise --max-windows"),
    ],
)
def test_texts_that_the_model_cannot_read_are_a_warning(
    unknown: float, cut: float, windows: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing: Any = np.zeros(0)
    epochs = EpochRows(nothing, nothing, 0, 42)
    encoded = TextWindows([[1]] * windows, np.array([windows]), windows, 0)
    texts = TrainingTexts(encoded, Targets(nothing), nothing, epochs, 4, unknown, cut)
    describe_texts(texts, NEWS, 64)
    assert words in capsys.readouterr().out


def test_how_a_file_was_read_and_its_bad_rows_are_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a file with seven bad rows, which may be skipped
    path = tmp_path / "rows.csv"
    path.write_text(HEADLINES.read_text() + "short\n" * 6 + news_row("x", "z"))
    dataset, _ = load_rows(Settings(data=str(path), output="o", skip_bad_rows=True))
    # WHEN it is described
    describe_files(str(path), dataset, None, Path("o/bad-rows.csv"))
    # THEN there are its dialect, the balance of its rows, the first bad ones and where all are
    read_as, balance, *bad, more, where = capsys.readouterr().out.splitlines()
    assert read_as.startswith(f"{path}: read as tsv, delimiter tab, quoting none, encoding utf-8")
    assert balance == f"{path}: 515 rows = 508 usable + 7 rejected"
    assert bad[0] == "  line 509: expected 8 columns separated by tab, found 1: 'short'"
    assert (len(bad), more.strip()) == (5, "and 2 more")
    assert where.strip() == "all of them are in o/bad-rows.csv"


def test_the_bad_rows_of_new_files_are_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN new rows, one of them bad
    (tmp_path / "a.csv").write_text(news_row("new") + "short\n")
    settings = Settings(data=str(HEADLINES), output="o", new_rows=str(tmp_path), skip_bad_rows=True)
    dataset, _ = load_rows(settings)
    # WHEN the files are described THEN each has the balance of its own rows
    describe_files(str(HEADLINES), dataset, None, Path("o/bad-rows.csv"))
    out = capsys.readouterr().out
    assert f"{HEADLINES}: 508 rows = 508 usable + 0 rejected\n" in out
    assert "a.csv: 2 rows = 1 usable + 1 rejected\n  line 2: expected 8 columns" in out


def test_every_text_without_a_label_is_accounted_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a file with a new text, twice, a held-out one, and a blank line
    values = {"data": str(HEADLINES), "output": "o", "teachers": "t"}
    settings = Settings.model_validate({**values, "unlabelled": str(tmp_path / "more.txt")})
    dataset, rows = load_rows(settings)
    (tmp_path / "more.txt").write_text(f"new\nNEW\n{rows.test[0].text}\n  \n")
    # WHEN the rows are described
    describe_rows(dataset, rows, load_unlabelled(settings, dataset, rows))
    # THEN the counts add up to the texts
    assert capsys.readouterr().out.splitlines()[-1] == (
        "more.txt: 4 texts without labels = 1 to learn from + 1 held out for validation or "
        "testing + 1 repeated + 1 blank"
    )


def test_the_rows_of_an_epoch_are_counted_if_groups_are_balanced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN two rows of each group in an epoch
    settings = Settings(data=str(HEADLINES), output="o", balance_groups=2, batch_size=16)
    _, rows = load_rows(settings)
    # WHEN the epochs are described THEN the line has their rows and steps
    describe_epochs(settings.epochs, settings, EpochRows.of(rows.train, settings))
    assert capsys.readouterr().out == (
        "an epoch has 276 rows, at most 2 rows of each group, drawn anew for each: 18 steps\n"
    )
