from pathlib import Path

import pytest

from tests.conftest import HEADLINES
from training.data.examples import DataError
from training.evaluate.head_to_head import load_held_out_rows
from training.fit.record import TrainingRecord
from training.fit.rows import load_rows
from training.fit.settings import Settings


@pytest.fixture
def settings() -> Settings:
    return Settings(data=str(HEADLINES), output="")


@pytest.fixture
def record(settings: Settings) -> TrainingRecord:
    """The record of a model that was trained on the sample headlines."""
    return TrainingRecord.begin(settings, *load_rows(settings))


def test_the_rows_that_training_held_out_are_held_out_again(
    settings: Settings, record: TrainingRecord
) -> None:
    _, rows = load_rows(settings)
    assert load_held_out_rows(record, str(HEADLINES)).test == rows.test


def test_a_file_that_the_bundles_were_not_trained_on_is_refused(
    record: TrainingRecord, tmp_path: Path
) -> None:
    # GIVEN a file with fewer rows
    fewer = tmp_path / "fewer.csv"
    fewer.write_bytes(b"".join(HEADLINES.read_bytes().splitlines(True)[:400]))
    # WHEN its rows are split THEN it is refused, without a word about new rows
    with pytest.raises(DataError, match=r"fewer.csv is not the file .* were trained on$"):
        load_held_out_rows(record, str(fewer))


def test_a_file_without_the_new_rows_of_training_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    # GIVEN a model that was also trained on a new row
    more = HEADLINES.read_bytes().replace(b"\t", b"\tMore: ", 1).splitlines(True)[0]
    (tmp_path / "a.csv").write_bytes(more)
    with_new_rows = settings.model_copy(update={"new_rows": str(tmp_path)})
    record = TrainingRecord.begin(with_new_rows, *load_rows(with_new_rows))
    # WHEN the file alone is split THEN the error says what is missing
    with pytest.raises(DataError, match="--new-rows does not hold the 1 rows"):
        load_held_out_rows(record, str(HEADLINES))
    # AND with the new row it is split
    assert load_held_out_rows(record, str(HEADLINES), str(tmp_path)).test


def test_a_file_that_is_split_differently_now_is_refused(record: TrainingRecord) -> None:
    # GIVEN a model of a time when the code held out other rows of the same file
    fewer = record.rows.model_copy(update={"test": record.rows.test + 1})
    old = record.model_copy(update={"rows": fewer})
    # WHEN the file is split THEN the model may have learnt some of the test rows
    with pytest.raises(DataError, match="is split differently"):
        load_held_out_rows(old, str(HEADLINES))


def test_new_rows_that_could_not_have_been_used_are_refused(
    record: TrainingRecord, tmp_path: Path
) -> None:
    by_time = record.model_copy(update={"split": "time"})
    with pytest.raises(DataError, match=r"^--new-rows needs"):
        load_held_out_rows(by_time, str(HEADLINES), str(tmp_path))
