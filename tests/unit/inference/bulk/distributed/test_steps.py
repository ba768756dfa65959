import pytest

from inference.bulk.distributed import steps
from inference.bulk.distributed.run import BulkRun, Source
from inference.bulk.request import BulkError
from inference.tables.ranges import Range

RUN = {
    "bucket": "files",
    "run": "out/runs/abc",
    "output": "out",
    "model_uri": "s3://models/news/0123456789abcdef",
    "text_column": "text",
    "keep": ["id"],
}


def test_an_unknown_step_is_an_error() -> None:
    with pytest.raises(BulkError, match="there is no step 'guess'"):
        steps.handler({"step": "guess", "job": RUN}, None)


def test_a_part_that_was_scored_by_an_earlier_release_with_the_same_rules_is_found() -> None:
    # GIVEN a run, and a range of one of its files
    run = BulkRun.parse(RUN)
    source = Source(key="in/a.csv", etag='"1"', size=10)
    # WHEN the part of the range is named THEN the name is what it was since these rules
    name = steps._name_part(run, source, Range(0, 10, 1), "0123456789abcdef")
    assert name == "a.csv-000000000001-9078f1a8a55b5338"
