from pathlib import Path

import pytest

from inference.tables.options import ReadOptions
from tests.conftest import HEADLINES
from training.data.examples import DataError, Dataset, Example
from training.data.read import read
from training.data.split import RowNumbers, Split
from training.data.text_key import normalise
from training.evaluate.further import (
    FurtherFile,
    FurtherFiles,
    is_for_calibration,
    name_files,
    read_files,
)
from training.fit.record import RowCounts, TrainingRecord
from training.fit.settings import Settings
from training.fit.trained_model import TrainedModel
from training.tasks import NEWS, Task, custom_task, with_labels


def make_model(
    task: Task = NEWS, learnt: str = "Learnt text", held: str = "Held out"
) -> TrainedModel:
    """A model of a task that was trained on one text and tested on another."""
    rows = [Example(learnt, 0), Example("Validated text", 1), Example(held, 1)]
    numbers = RowNumbers([0], [1], [2])
    dataset = Dataset(task, rows, "0" * 64)
    settings = Settings(data="news.csv", output="model")
    record = TrainingRecord(
        settings=settings, labels=task.labels, dataset_sha256="0" * 64, split="story",
        rows=RowCounts.count(numbers),
    )  # fmt: skip
    return TrainedModel(Path("model"), record, dataset, Split.select(dataset, numbers))


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def read_one(files: FurtherFiles, model: TrainedModel | None = None) -> FurtherFile:
    (file,) = read_files(files, model or make_model())
    return file


def others(path: Path, rows: int = 200) -> str:
    """Write headlines of others, with two of the four labels by their names."""
    labels = ("Business", "Science")
    lines = [f'"Headline number {n} of others",{labels[n % 2]}' for n in range(rows)]
    return write(path, "headline,category", *lines)


def by_name(
    *also: str, calibrate_on: tuple[str, ...] = (), skip_bad_rows: bool = False
) -> FurtherFiles:
    """Files with the columns of others."""
    return FurtherFiles(
        also=also,
        calibrate_on=calibrate_on,
        text_column="headline",
        label_column="category",
        skip_bad_rows=skip_bad_rows,
    )


def test_a_file_of_the_task_is_read_by_its_columns() -> None:
    file = read_one(FurtherFiles(also=(str(HEADLINES),)))
    assert file.name == "headlines.csv"
    assert len(file.rows) == 508
    assert not file.for_calibration.any()


def test_a_file_with_other_columns_and_names_of_labels_is_read(tmp_path: Path) -> None:
    # GIVEN headlines of others, whose columns and labels have other names than the task's
    path = others(tmp_path / "others.csv")
    # WHEN the columns are named THEN the labels are those of the model
    file = read_one(by_name(path))
    assert [row.label for row in file.rows] == [0, 1] * 100


def test_the_way_a_file_was_read_and_what_became_of_its_rows_is_said(tmp_path: Path) -> None:
    # GIVEN a file with two rows whose label the model does not know
    path = write(
        tmp_path / "a.csv", "headline;category", "One;Business", "Two;Sport", "Three;World"
    )
    # WHEN it is read without those
    file = read_one(by_name(path, skip_bad_rows=True))
    # THEN the words say how, rows balance, and the bad ones are listed
    reading, balance, *bad = file.reading.splitlines()
    assert reading.startswith(f"{path}: read as csv, delimiter semicolon, quoting ")
    assert balance == f"{path}: 3 rows = 1 measured + 2 rejected"
    assert "line 3: unknown label 'Sport'" in bad[0]
    assert file.bad_rows == 2


def test_a_row_that_cannot_be_used_is_an_error_unless_it_may_be_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "headline,category", "One,Business", "Two,Sport")
    with pytest.raises(DataError, match=r"a\.csv, line 3: unknown label 'Sport'"):
        read_one(by_name(path))


def test_all_options_of_a_file_hold(tmp_path: Path) -> None:
    # GIVEN a file in an old encoding, without a header, with bars between its columns
    path = tmp_path / "old.txt"
    path.write_bytes('Café; chain grows|Business\nA "quoted text|Science\n'.encode("cp1252"))
    options = ReadOptions(None, "|", "none", "cp1252", no_header=True)
    # WHEN it is read as the options say THEN its texts are as they are
    files = FurtherFiles(also=(str(path),), text_column="0", label_column="1", options=options)
    assert [row.text for row in read_one(files).rows] == ["Café; chain grows", 'A "quoted text']


def test_named_columns_are_for_the_files_that_have_them(tmp_path: Path) -> None:
    # GIVEN a file of the task, one of others, and the columns of the latter
    path = others(tmp_path / "others.csv")
    # WHEN both are read THEN each is read by the columns that it has
    files = read_files(by_name(str(HEADLINES), path), make_model())
    assert [len(file.rows) for file in files] == [508, 200]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_column_that_no_file_has_is_an_error_that_names_it(name: str, tmp_path: Path) -> None:
    lines = {"a.csv": ["title,label", "x,Business"], "a.jsonl": ['{"title": "x", "label": "b"}']}
    path = write(tmp_path / name, *lines[name])
    with pytest.raises(DataError, match=r"no (column|key) 'headline'"):
        read_one(by_name(path))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_text_that_speaks_of_a_missing_column_is_no_missing_column(
    name: str, tmp_path: Path
) -> None:
    # GIVEN a file of others with an unknown label that reads like an error about a column
    problem = "no column 'headline', no key 'headline'"
    lines = {
        "a.csv": ["headline,category", f'x,"{problem}"'],
        "a.jsonl": [f'{{"headline": "x", "category": "{problem}"}}'],
    }
    path = write(tmp_path / name, *lines[name])
    # WHEN it is read THEN that is its error, even if the task's columns would say another
    with pytest.raises(DataError, match="unknown label"):
        read_one(by_name(path))


def test_one_column_may_be_named_alone(tmp_path: Path) -> None:
    # GIVEN a task of one's own, and a file in which only the labels have another name
    task = with_labels(custom_task("tickets", "body", "team", None), ("billing", "other"))
    path = write(tmp_path / "a.csv", "body,queue", "My bill is wrong,billing")
    # WHEN that one is named THEN the texts are in the task's column
    file = read_one(FurtherFiles(also=(path,), label_column="queue"), make_model(task))
    assert [(row.text, row.label) for row in file.rows] == [("My bill is wrong", 0)]


def test_half_of_a_file_to_calibrate_on_tests_the_result(tmp_path: Path) -> None:
    # GIVEN headlines of others, some of them twice
    path = others(tmp_path / "others.csv")
    with Path(path).open("a") as file:
        file.writelines(f'"headline number {n} of others!",Business\n' for n in range(0, 200, 10))
    # WHEN they are read to calibrate on
    found = read_one(by_name(calibrate_on=(path,)))
    # THEN the halves are about equal, and no text is in both
    halves = [
        {normalise(row.text) for row, chosen in zip(found.rows, mask, strict=True) if chosen}
        for mask in (found.for_calibration, ~found.for_calibration)
    ]
    assert not halves[0] & halves[1]
    assert all(75 < len(half) < 125 for half in halves)
    # AND the same rows are in the same half whatever else is in the file
    assert [is_for_calibration(row) for row in found.rows] == found.for_calibration.tolist()
    used = int(found.for_calibration.sum())
    rest = 220 - used
    assert f"220 used ({used} to calibrate on, {rest} to test that) + 0 rejected" in found.reading


def test_the_rows_of_a_story_are_in_one_half() -> None:
    # GIVEN headlines in stories WHEN they are halved THEN no story is in both halves
    rows = read(str(HEADLINES), NEWS).examples
    halves = [
        {row.group for row in rows if is_for_calibration(row) is half} for half in (True, False)
    ]
    assert not halves[0] & halves[1]
    assert all(len(half) > 50 for half in halves)


def test_no_text_of_the_data_set_is_calibrated_on(tmp_path: Path) -> None:
    # GIVEN a file in which three rows have texts of training, validation and test rows
    path = others(tmp_path / "others.csv")
    with Path(path).open("a") as file:
        file.writelines(
            f"{text},Business\n" for text in ("LEARNT text", "Validated text", "held out.")
        )
    # WHEN it is read to calibrate on THEN they are left out, and counted
    found = read_one(by_name(calibrate_on=(path,)))
    assert (len(found.rows), found.known_rows) == (200, 3)
    assert "3 left out: the data set has their text" in found.reading


def test_texts_that_were_learnt_are_counted_where_a_model_is_measured(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "headline,category", "learnt TEXT,Business", "New,Business")
    file = read_one(by_name(path))
    assert (len(file.rows), file.learnt_rows) == (2, 1)


def test_a_file_that_is_named_twice_counts_twice(tmp_path: Path) -> None:
    path = others(tmp_path / "others.csv")
    assert read_one(by_name(calibrate_on=(path, path))).times == 2


def test_a_file_is_not_measured_as_if_it_had_not_been_calibrated_on(tmp_path: Path) -> None:
    # GIVEN a file and a copy of it WHEN one is calibrated on and the other measured
    path, copy = others(tmp_path / "others.csv"), others(tmp_path / "copy.csv")
    # THEN that is refused
    with pytest.raises(DataError, match=r"copy\.csv is the file of --calibrate-on .*others\.csv"):
        read_one(by_name(copy, calibrate_on=(path,)))


def test_too_few_rows_to_calibrate_on_are_an_error(tmp_path: Path) -> None:
    path = others(tmp_path / "others.csv", rows=1)
    with pytest.raises(DataError, match="both halves need 20"):
        read_one(by_name(calibrate_on=(path,)))


def test_files_are_named_without_their_folders_and_apart() -> None:
    assert name_files(["/home/me/a.csv", "s3://b/a.csv", "b.csv"]) == [
        "a.csv",
        "a.csv (2)",
        "b.csv",
    ]
