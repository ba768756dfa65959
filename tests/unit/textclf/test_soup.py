from pathlib import Path

import pytest

from textclf.app import main


@pytest.mark.parametrize(
    "options",
    ["--base-share 1", "--base-share -0.1", "--base-share nan", "--vocabulary -1", "--share 0.1"],
)
def test_a_wrong_value_is_an_error_that_names_the_option(
    options: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["soup", "model", "--output", str(tmp_path / "soup"), *options.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert options.split()[0] in line
    assert not (tmp_path / "soup").exists()


@pytest.mark.parametrize("words", [["--output", "soup"], ["model"]])
def test_models_and_output_are_required(words: list[str]) -> None:
    assert main(["soup", *words]) == 2
