from pathlib import Path

import pytest

from textclf.app import main


def test_the_data_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["head-to-head", "file:///new", "file:///old"]) == 2
    assert "--data" in capsys.readouterr().err


def test_two_bundles_must_be_given() -> None:
    assert main(["head-to-head", "file:///new", "--data", "headlines.csv"]) == 2


def test_a_folder_without_a_bundle_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["head-to-head", str(tmp_path), "file:///old", "--data", "headlines.csv"]) == 1
    assert f"error: there is no model in {tmp_path}: give NEW a bundle" in capsys.readouterr().err
