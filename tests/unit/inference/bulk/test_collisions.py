import os
from pathlib import Path

import pytest

from inference.bulk.collisions import require_apart
from inference.bulk.request import BulkError


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An input by the name that rejects of x.csv have, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv.rejects.csv").write_text("text\nFed\n")
    return "x.csv.rejects.csv"


def test_other_files_are_no_problem(source: str) -> None:
    Path("bundle").mkdir()
    Path("bundle/model.onnx").touch()
    require_apart(source, "out.csv", Path("bundle").iterdir())
    require_apart(source, "/dev/null")
    require_apart("/dev/null", "/dev/null")
    require_apart(source, "-")
    require_apart("s3://bucket/in.csv", "out.csv")


def test_rejects_do_not_overwrite_the_input(source: str) -> None:
    with pytest.raises(
        BulkError, match=r"rejects file x\.csv\.rejects\.csv would overwrite the in"
    ):
        require_apart(source, "x.csv")


@pytest.mark.parametrize("location", ["s3://bucket/x.csv", "s3://bucket/x.csv.rejects.csv"])
def test_objects_are_not_overwritten(location: str) -> None:
    with pytest.raises(BulkError, match="would overwrite the input"):
        require_apart(location, "s3://bucket/x.csv")


@pytest.mark.parametrize(
    "name", ["same", "./sub/../same", "symbolic", "hard", "chain", "folder/same"]
)
def test_the_input_is_not_overwritten_by_any_of_its_names(name: str, source: str) -> None:
    # GIVEN an input with many names
    Path(source).rename("same")
    Path("sub").mkdir()
    Path("symbolic").symlink_to("same")
    Path("chain").symlink_to("symbolic")
    Path("folder").symlink_to(".")
    os.link("same", "hard")
    # WHEN one of them is the output, or the input, THEN that is an error
    for pair in (("same", name), (name, "same")):
        with pytest.raises(BulkError, match="--output would overwrite the input"):
            require_apart(*pair)


@pytest.mark.parametrize("output", ["-", "/dev/fd/{}", "/dev/stdout"])
def test_a_file_is_not_read_while_it_is_appended_to(
    output: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an output that the shell has opened with >> FILE
    with Path(source).open("ab") as opened:
        monkeypatch.setattr(
            "inference.bulk.streams._NAMED", dict.fromkeys(("-", "/dev/stdout"), opened.fileno())
        )
        # WHEN the same file is the input THEN that is an error, as it would have no end
        with pytest.raises(BulkError, match="would overwrite the input"):
            require_apart(source, output.format(opened.fileno()))


def test_stdin_is_not_overwritten(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(source).open("rb") as opened:
        monkeypatch.setattr("inference.bulk.collisions.STDIN", opened.fileno())
        with pytest.raises(BulkError, match=r"rejects file .* would overwrite the input"):
            require_apart("-", "x.csv")


def test_a_file_of_the_model_is_not_overwritten(source: str) -> None:
    Path("model.onnx").touch()
    Path("out.csv").symlink_to("model.onnx")
    with pytest.raises(BulkError, match="--output would overwrite a file of the model"):
        require_apart(source, "out.csv", [Path("manifest.json"), Path("model.onnx")])


def test_output_and_rejects_are_not_one_file(source: str) -> None:
    Path("out.csv").symlink_to("out.csv.rejects.csv")
    with pytest.raises(BulkError, match=r"out\.csv and out\.csv\.rejects\.csv are the same file"):
        require_apart(source, "out.csv")


def test_the_input_is_not_in_the_folder_that_the_run_writes_to(source: str) -> None:
    # GIVEN the results of an unfinished run as the input of another
    Path("out.csv.partial").mkdir()
    Path(source).rename("out.csv.partial/data")
    with pytest.raises(BulkError, match=r"would write to .*out\.csv\.partial, where the input is"):
        require_apart("out.csv.partial/data", "out.csv")
