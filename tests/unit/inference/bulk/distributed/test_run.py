"""The JSON of bulk runs, on which states.asl.json and finished runs depend."""

from typing import Any

import pytest
from pydantic import ValidationError

from inference.bulk.distributed.run import BulkRun, Source
from inference.tables.formats import FileType
from inference.tables.rows import InputColumns

RUN = {
    "bucket": "files",
    "run": "out/runs/abc",
    "output": "out",
    "model_uri": "s3://models/news/0123456789abcdef",
    "text_column": "text",
    "keep": ["id"],
}
SOURCE = {"key": "in/a.csv", "etag": '"1"', "size": 10, "table": "csv", "compression": "gz"}


def test_a_run_is_read_and_written_with_the_keys_of_the_state_machine() -> None:
    run = BulkRun.model_validate(RUN)
    assert list(run.model_dump(mode="json").items()) == list(RUN.items())
    assert (run.name, run.columns) == ("abc", InputColumns("text", ("id",)))


def test_a_source_is_read_and_written_with_the_keys_of_a_plan() -> None:
    source = Source.model_validate(SOURCE)
    assert list(source.model_dump(mode="json").items()) == list(SOURCE.items())
    assert source.file_type == FileType("csv", "gz")


@pytest.mark.parametrize("change", [{"keep": None}, {"bucket": 1}, {"more": "x"}])
def test_a_run_with_a_wrong_or_unknown_value_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BulkRun.model_validate(RUN | change)
