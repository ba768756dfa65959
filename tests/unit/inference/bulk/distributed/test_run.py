"""The JSON of bulk runs, on which states.asl.json and finished runs depend."""

import json
from typing import Any

import pytest
from msgspec import ValidationError
from msgspec.structs import replace

from inference.bulk.distributed.run import BulkRun, Source
from inference.tables.columns import InputColumns
from inference.tables.layout import Dialect, Layout
from inference.tables.shape import Shape

RUN = {
    "bucket": "files",
    "run": "out/runs/abc",
    "output": "out",
    "model_uri": "s3://models/news/0123456789abcdef",
    "text_column": "text",
    "keep": ["id"],
}
SOURCE = {"key": "in/a.csv", "etag": '"1"', "size": 10}


def test_a_run_is_read_and_written_with_the_keys_of_the_state_machine() -> None:
    run = BulkRun.parse(RUN)
    written = run.to_json()
    assert list(written.items())[:-1] == list(RUN.items())
    assert BulkRun.parse(json.loads(json.dumps(written))) == run
    assert (run.name, run.columns) == ("abc", InputColumns("text", ("id",)))


def test_a_source_is_read_and_written_with_what_was_found_out_about_it() -> None:
    # GIVEN a source whose layout is known
    shape = Shape(",", 2, (0,), {1: (7, 8)}, has_line_breaks=True)
    dialect = Dialect("standard", False, ("id", "text"), 1, shape)
    layout = Layout("csv", "utf-16", "\r", 8, 2, dialect)
    source = replace(Source.parse(SOURCE), compression="gz", layout=layout)
    # WHEN it travels as JSON THEN it arrives as it was
    written = json.dumps(source.to_json())
    assert Source.parse(json.loads(written)) == source


@pytest.mark.parametrize("change", [{"keep": None}, {"bucket": 1}, {"more": "x"}])
def test_a_run_with_a_wrong_or_unknown_value_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BulkRun.parse(RUN | change)
