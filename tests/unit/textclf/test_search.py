from pathlib import Path

import pytest

from tests.conftest import HEADLINES
from textclf.app import main
from training.recipes.ranges import RANGES


@pytest.mark.parametrize(
    "option",
    [
        *(f"--{name.replace('_', '-')}=0.1" for name in RANGES),
        *("--resume", "--trials=0", "--trials=many", "--epochs=-1"),
    ],
)
def test_an_option_that_the_search_cannot_use_is_an_error(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an option that the search sets itself, or a wrong value
    output = tmp_path / "search"
    # WHEN a search is started
    assert main(["search", "--data", str(HEADLINES), "--output", str(output), option]) == 2
    # THEN the error names the option, and nothing is written
    (line,) = capsys.readouterr().err.splitlines()
    assert option.partition("=")[0] in line
    assert not output.exists()


def test_help_shows_its_own_option_and_none_that_it_sets_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["search", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "textclf search" in shown
    assert "--trials" in shown
    assert "--epochs" in shown
    assert "--learning-rate" not in shown
