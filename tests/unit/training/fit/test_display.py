from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import HEADLINES
from tests.headlines import news_row
from training.data.examples import LONGEST_TEXT
from training.fit.display import Display, describe_rows, describe_texts
from training.fit.process_group import Group
from training.fit.rows import load_rows
from training.fit.settings import Settings
from training.fit.training_state import Progress
from training.fit.training_texts import TrainingTexts
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
        display.show_validation(Progress(step=1), f1=0.5)
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
    assert "note: no test row is labelled 'Health', so the F1 of that counts as 0" in notes


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
    ("unknown", "cut", "words"),
    [(0.0, 0.0, ""), (0.69, 0.0, "69% of the wordpieces are unknown"), (0.0, 0.4, "40% of the")],
)
def test_texts_that_the_model_cannot_read_are_a_warning(
    unknown: float, cut: float, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = np.zeros(0)
    texts = TrainingTexts([], nothing, nothing, nothing, 4, unknown, cut)  # type: ignore[arg-type]
    describe_texts(texts, NEWS, 64)
    assert words in capsys.readouterr().out
