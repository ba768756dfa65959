import pytest
from msgspec.structs import replace

from inference.bulk.distributed.client import make_run
from inference.bulk.distributed.run import Source
from inference.bulk.request import BulkError, ScoringRequest
from inference.tables.columns import InputColumns

MODEL_URI = "s3://models/news/0123456789abcdef"
SOURCE = Source(key="in/a.csv", etag='"1"', size=10)
CHANGED = replace(SOURCE, etag='"2"')


def request(
    output: str = "s3://files/out/",
    model_uri: str = MODEL_URI,
    text: str = "text",
    keep: tuple[str, ...] = (),
) -> ScoringRequest:
    return ScoringRequest("s3://files/in/", output, model_uri, InputColumns(text, keep))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("s3://other/out", "is not in s3://files, the stack's BulkBucket"),
        ("out.csv", "is not in s3://files"),
        ("s3://files/in", "--output would be among the input"),
    ],
)
def test_an_output_outside_the_bucket_or_among_the_input_is_refused(
    output: str, message: str
) -> None:
    with pytest.raises(BulkError, match=message):
        make_run("files", [SOURCE], request(output))


def test_a_run_is_named_by_everything_its_result_depends_on() -> None:
    # GIVEN runs that differ in one thing each
    runs = [
        make_run("files", [SOURCE], request()),
        make_run("files", [CHANGED], request()),
        make_run("files", [SOURCE], request(model_uri="s3://models/news/fedcba9876543210")),
        make_run("files", [SOURCE], request(text="title")),
        make_run("files", [SOURCE], request(keep=("id",))),
        make_run("files", [SOURCE], request("s3://files/elsewhere")),
    ]
    # WHEN their names are compared THEN they differ, and the same run has the same name
    assert len({run.name for run in runs}) == len(runs)
    assert make_run("files", [SOURCE], request()) == runs[0]
    assert runs[0].prefix == f"out/runs/{runs[0].name}"


def test_a_run_that_was_read_by_other_rules_is_not_found_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = make_run("files", [SOURCE], request())
    monkeypatch.setattr("inference.bulk.distributed.client.RULES_VERSION", 1)
    assert make_run("files", [SOURCE], request()).name != now.name
