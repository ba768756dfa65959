"""Start an execution of the state machine, follow it, and find out why it failed."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from inference.bulk.distributed.run import BulkRun
from inference.bulk.request import BulkError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

POLL_SECONDS = 5.0
UNITS = {"Plan": " files", "Score": " ranges"}  # of the maps, by their labels


def start(
    stepfunctions: "SFNClient",
    state_machine: str,
    run: BulkRun,
    is_complete: Callable[[], bool],
) -> str:
    """Start, resume or find the execution of a run; return its ARN.

    An execution that succeeded cannot be resumed. If ranges are missing nevertheless, another one
    scores them; it finds the parts of the others.

    Args:
        stepfunctions: the client.
        state_machine: its ARN.
        run: the run.
        is_complete: says, of a run with an execution that succeeded, whether no range is missing.

    Raises:
        BulkError: it failed too long ago to be resumed.
    """
    name, attempt = run.name, 1
    while True:
        try:
            # Step Functions returns a running execution with the same name and input as it is.
            started = stepfunctions.start_execution(
                stateMachineArn=state_machine, name=name, input=json.dumps(run.to_json())
            )
            return started["executionArn"]
        except stepfunctions.exceptions.ExecutionAlreadyExists:
            execution = f"{state_machine.replace(':stateMachine:', ':execution:')}:{name}"
        if stepfunctions.describe_execution(executionArn=execution)["status"] != "SUCCEEDED":
            _redrive(stepfunctions, execution)
            return execution
        if is_complete():
            return execution
        attempt += 1
        name = f"{run.name}-{attempt}"


def _redrive(stepfunctions: "SFNClient", execution: str) -> None:
    """Continue a failed execution where it failed."""
    try:
        stepfunctions.redrive_execution(executionArn=execution)
    except stepfunctions.exceptions.ExecutionNotRedrivable as error:
        raise BulkError(
            "the run failed too long ago to be resumed: choose another --output"
        ) from error


def follow(stepfunctions: "SFNClient", execution: str, pause: float = POLL_SECONDS) -> None:
    """Show the progress of an execution until it ends.

    Raises:
        BulkError: it failed; the message says why.
    """
    bars = ProgressBars(stepfunctions)
    try:
        while True:
            found = stepfunctions.describe_execution(executionArn=execution)
            listed = stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]
            map_runs = [one["mapRunArn"] for one in listed]
            bars.update(map_runs)
            if found["status"] != "RUNNING":
                break
            time.sleep(pause)
    finally:
        bars.close()
    if found["status"] != "SUCCEEDED":
        causes = [_find_cause(stepfunctions, map_run) for map_run in map_runs]
        cause = "; ".join(filter(None, causes)) or _extract_message(found.get("cause", ""))
        error = found.get("error", found["status"])
        raise BulkError(f"{error}: {cause} (repeat the command to try the rest again)")


class ProgressBars:
    """Progress bars of an execution, one for each of its maps."""

    def __init__(self, stepfunctions: "SFNClient") -> None:
        self._stepfunctions = stepfunctions
        self._bars: dict[str, tqdm[Any]] = {}

    def update(self, map_runs: list[str]) -> None:
        """Show how far the maps with these ARNs are."""
        for map_run in sorted(map_runs):
            counts = self._stepfunctions.describe_map_run(mapRunArn=map_run)["itemCounts"]
            if map_run not in self._bars:
                self._bars[map_run] = _make_bar(map_run)
            bar = self._bars[map_run]
            bar.total = counts["total"]
            bar.update(counts["succeeded"] + counts["failed"] + counts["timedOut"] - bar.n)

    def close(self) -> None:
        """Leave the bars on the terminal as they are."""
        for bar in self._bars.values():
            bar.close()


def _make_bar(map_run: str) -> "tqdm[Any]":
    label = map_run.rpartition("/")[2].partition(":")[0]
    return tqdm(desc=label, unit=UNITS.get(label, ""))


def _find_cause(stepfunctions: "SFNClient", map_run: str) -> str:
    """Say why the latest failed child of a map failed; empty if none did."""
    failed = stepfunctions.list_executions(mapRunArn=map_run, statusFilter="FAILED", maxResults=1)
    for one in failed["executions"]:
        found = stepfunctions.describe_execution(executionArn=one["executionArn"])
        return _extract_message(found.get("cause", "")) or found.get("error", "")
    return ""


def _extract_message(cause: str) -> str:
    """Return the error message in the cause that a Lambda function left."""
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause
