"""`textclf soup` on a trained model."""

from pathlib import Path

import pytest

from tests.conftest import TinyModel
from textclf.app import main
from training.fit.trained_model import open_trained_model


def test_a_soup_is_written_and_its_validation_is_printed(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a model WHEN a soup is made of it
    assert main(["soup", str(tiny_model.folder), "--output", str(tmp_path)]) == 0
    # THEN its folder can be opened, and its macro-F1 is printed
    f1 = open_trained_model(tmp_path).record.best_validation
    assert capsys.readouterr().out == f"validation macro-F1 {f1:.4f}; model in {tmp_path}\n"


def test_a_vocabulary_that_is_too_small_is_an_error(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "soup")
    assert main(["soup", str(tiny_model.folder), "--output", output, "--vocabulary", "9"]) == 1
    assert "9 is too small" in capsys.readouterr().err
