import pytest

from textclf.app import main


def test_the_data_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["head-to-head", "file:///new", "file:///old"]) == 2
    assert "--data" in capsys.readouterr().err


def test_two_bundles_must_be_given() -> None:
    assert main(["head-to-head", "file:///new", "--data", "headlines.csv"]) == 2
