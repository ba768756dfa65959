import pytest
import torch

from tests.conftest import HEADLINES
from training.fit.display import Display, describe_rows
from training.fit.process_group import Group
from training.fit.rows import load_rows
from training.fit.settings import Settings
from training.fit.training_state import Progress

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
    assert notes == ["note: no test row is labelled 'Health', so its F1 will count as 0"]
