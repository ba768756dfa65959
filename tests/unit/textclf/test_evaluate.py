from pathlib import Path

import pytest

from textclf.app import main


def test_a_folder_without_a_model_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "run `textclf train` first" in capsys.readouterr().err


def test_the_model_must_be_given() -> None:
    assert main(["evaluate"]) == 2
