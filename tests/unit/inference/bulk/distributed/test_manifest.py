import io
import json
from typing import Any

import pytest
from botocore.response import StreamingBody

from inference.bulk.distributed.manifest import RunManifest, Totals, make_manifest
from inference.bulk.distributed.objects import Objects
from inference.bulk.distributed.run import BulkRun
from inference.bulk.request import BulkError
from tests.unit.inference.bulk.distributed.conftest import Account

RUN = BulkRun(
    bucket="files",
    prefix="out/runs/abc",
    output="out",
    model_uri="s3://models/news/0123456789abcdef",
    text_column="text",
    keep=(),
)


def make_item(begin: int) -> dict[str, Any]:
    """Return a line of the plan."""
    source = {"key": "in/a.csv", "etag": '"1"', "size": 20, "table": "csv", "compression": ""}
    return {
        "source": source,
        "range": {"begin": begin, "end": begin + 10, "line": begin + 1, "head": 5},
    }


def add_results(
    account: Account, *succeeded: dict[str, Any], failed: tuple[dict[str, Any], ...] = ()
) -> Objects:
    """Expect calls that read the results of a map over two ranges, and then their plan."""
    plan = "".join(json.dumps(make_item(begin)) + "\n" for begin in (0, 10))
    listing = {"ResultFiles": {"SUCCEEDED": [{"Key": "good"}], "FAILED": [{"Key": "bad"}]}}
    contents = {
        "results": json.dumps(listing),
        "good": json.dumps(succeeded),
        "bad": json.dumps(failed),
        RUN.plan_key: plan,
    }
    for key, content in contents.items():
        body: Any = StreamingBody(io.BytesIO(content.encode()), len(content))
        account.files.add_response("get_object", {"Body": body}, {"Bucket": "files", "Key": key})
    return Objects(account.s3, "files")


def succeed(begin: int, rows: int, rejected: int = 0) -> dict[str, Any]:
    result = {"part": f"part-{begin}", "rows": rows, "rejected": rejected, "seconds": 1.25}
    return {"Input": json.dumps(make_item(begin)), "Output": json.dumps(result)}


def fail(begin: int) -> dict[str, Any]:
    return {"Input": json.dumps(make_item(begin)), "Error": "Runtime.ExitError", "Cause": "killed"}


def test_the_parts_are_in_the_order_of_the_input_and_summed_up(account: Account) -> None:
    # GIVEN children that ended in another order
    objects = add_results(account, succeed(10, rows=3, rejected=1), succeed(0, rows=4))
    # WHEN they are summed up
    manifest = make_manifest(RUN, objects, "results")
    # THEN the parts are in order, with the ranges they hold
    assert [part["part"] for part in manifest.parts] == ["part-0", "part-10"]
    assert manifest.parts[0] == {
        **{"key": "in/a.csv", "etag": '"1"', "begin": 0, "end": 10, "line": 1},
        **{"part": "part-0", "rows": 4, "rejected": 0, "seconds": 1.25},
    }
    assert manifest.totals == Totals(
        rows=7, rejected=1, parts=2, failed_ranges=0, worker_seconds=2.5
    )


def test_a_failed_range_is_named_with_its_error(account: Account) -> None:
    objects = add_results(account, succeed(0, rows=4), failed=(fail(10),))
    manifest = make_manifest(RUN, objects, "results")
    (failed,) = manifest.failed
    assert failed["begin"] == 10
    assert (failed["error"], failed["cause"]) == ("Runtime.ExitError", "killed")
    assert manifest.totals.failed_ranges == 1


def test_a_range_without_a_result_is_an_error(account: Account) -> None:
    objects = add_results(account, succeed(0, rows=4))
    with pytest.raises(BulkError, match="1 of 2 ranges are neither scored nor failed"):
        make_manifest(RUN, objects, "results")


def test_a_run_whose_rows_were_all_rejected_is_an_error(account: Account) -> None:
    objects = add_results(account, succeed(0, rows=0, rejected=4), succeed(10, rows=0, rejected=3))
    with pytest.raises(BulkError, match="all 7 rows were rejected"):
        make_manifest(RUN, objects, "results")


def test_a_manifest_names_its_run_as_the_state_machine_does() -> None:
    totals = Totals(rows=0, rejected=0, parts=0, failed_ranges=0, worker_seconds=0)
    written = RunManifest(job=RUN, totals=totals, parts=[], failed=[]).to_json()
    assert written["job"]["run"] == "out/runs/abc"
