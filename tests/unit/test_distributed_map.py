"""What stands in for the parts of a distributed map that LocalStack lacks."""

import json
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.step_functions.distributed_map import MapRun, adapt
from tests.step_functions.interpreter import FunctionError

DEFINITION = ROOT / "inference" / "bulk" / "distributed" / "states.asl.json"


class Bucket:
    """Keeps the objects that are put into it."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: ARG002, N803
        self.objects[Key] = json.loads(Body)


def differences(one: Any, other: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Return what differs between two JSON values, by its path."""
    if isinstance(one, dict) and isinstance(other, dict) and set(one) == set(other):
        found: dict[str, tuple[Any, Any]] = {}
        for name in one:
            found |= differences(one[name], other[name], f"{path}.{name}")
        return found
    return {} if json.dumps(one) == json.dumps(other) else {path: (one, other)}


def test_a_definition_is_adapted_in_these_places_and_no_others() -> None:
    # GIVEN the definition that is deployed WHEN it is adapted
    text = DEFINITION.read_text()
    changed = differences(json.loads(text), json.loads(adapt(text)))
    # THEN these fields differ
    plan, score = ".States.PlanFiles", ".States.ScoreRanges"
    run = "States.Format('{{}}/{}', {}.run)"
    assert changed == {
        f"{score}.ToleratedFailurePercentage": (5, 5.0),
        **{f"{one}.ItemReader.ReaderConfig.InputType": ("JSONL", "JSON") for one in (plan, score)},
        **{
            f"{one}.ResultWriter.Parameters.Bucket.$": (
                "$.job.bucket",
                "$$.Execution.Input.bucket",
            )
            for one in (plan, score)
        },
        **{
            f"{one}.ResultWriter.Parameters.Prefix.$": (
                run.format(folder, "$.job"),
                run.format(folder, "$$.Execution.Input"),
            )
            for one, folder in ((plan, "planned"), (score, "scored"))
        },
    }


@pytest.mark.parametrize(("failures", "fails"), [(0, False), (1, False), (2, True)])
def test_more_failures_than_are_tolerated_fail_the_map(failures: int, fails: bool) -> None:
    # GIVEN a map that tolerates 5 % of failures, with 20 children
    run = MapRun(5)
    for number in range(20):
        outcome = {"Error": "E", "Cause": ""} if number < failures else {"Output": "{}"}
        run.record({"number": number}, **outcome)
    # WHEN it ends THEN one failure is tolerated and two are not
    if not fails:
        run.require_tolerated()
        return
    with pytest.raises(FunctionError, match=r"States\.ExceedToleratedFailureThreshold"):
        run.require_tolerated()


def test_the_last_attempt_of_a_child_counts() -> None:
    run = MapRun()
    run.record({"number": 1}, Error="E", Cause="")
    run.record({"number": 1}, Output="{}")
    run.require_tolerated()


def test_results_are_written_by_status_with_a_manifest() -> None:
    # GIVEN a map with a child that succeeded and one that failed
    run, bucket = MapRun(100), Bucket()
    run.record({"number": 1}, Output='{"rows": 3}')
    run.record({"number": 2}, Error="E", Cause="why")
    # WHEN its results are written THEN they are where the manifest says
    run.write_results(bucket, "files", "scored/1/manifest.json")  # type: ignore[arg-type]
    files = bucket.objects["scored/1/manifest.json"]["ResultFiles"]
    assert {status: [one["Key"] for one in listed] for status, listed in files.items()} == {
        "FAILED": ["scored/1/FAILED_0.json"],
        "PENDING": [],
        "SUCCEEDED": ["scored/1/SUCCEEDED_0.json"],
    }
    (failed,) = bucket.objects["scored/1/FAILED_0.json"]
    assert (json.loads(failed["Input"]), failed["Error"]) == ({"number": 2}, "E")
    (succeeded,) = bucket.objects["scored/1/SUCCEEDED_0.json"]
    assert json.loads(succeeded["Output"]) == {"rows": 3}
