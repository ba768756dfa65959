import pytest

from inference.bulk.distributed import steps
from inference.bulk.distributed.run import BulkRun, Source
from inference.bulk.encoder import OutputColumns
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
VERSION = "0123456789abcdef"
COLUMNS = OutputColumns(("id",), ("a", "b"))


def test_an_unknown_step_is_an_error() -> None:
    with pytest.raises(BulkError, match="there is no step 'guess'"):
        steps.handler({"step": "guess", "job": RUN}, None)


def test_a_part_that_was_scored_by_an_earlier_release_with_the_same_rules_is_found() -> None:
    # GIVEN a run, and a range of one of its files
    run = BulkRun.parse(RUN)
    source = Source(key="in/a.csv", etag='"1"', size=10)
    # WHEN the part of the range is named THEN the name is what it was since these rules
    name = steps._name_part(run, source, Range(0, 10, 1), COLUMNS, VERSION)
    assert name == "a.csv-000000000001-f63e950baec2be83"


def test_a_part_with_other_columns_is_not_reused() -> None:
    # GIVEN a range whose part was written by a release with fewer columns
    run = BulkRun.parse(RUN)
    source = Source(key="in/a.csv", etag='"1"', size=10)
    earlier = steps._name_part(run, source, Range(0, 10, 1), COLUMNS, VERSION)
    # WHEN the part is named by one with another column THEN it is another part
    more = OutputColumns(("id",), ("a", "b"), can_abstain=True)
    assert steps._name_part(run, source, Range(0, 10, 1), more, VERSION) != earlier
