"""What LocalStack lacks of a distributed map, kept as small as it is.

- ``adapt`` writes a definition as LocalStack's parser accepts it.
- ``MapRun`` counts the failures that a map tolerates, and writes the results of its children. The
  states after the map see what they would see in AWS, except that AWS stops a map at once when too
  many children failed, and LocalStack lets the others end.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

import json
from dataclasses import dataclass, field
from typing import Any

from mypy_boto3_s3 import S3Client

from tests.step_functions.interpreter import FunctionError, Input


def adapt(definition: str) -> str:
    """Make LocalStack 2026.3 accept a definition; its meaning stays the same.

    - The parser demands a decimal point in ToleratedFailurePercentage.
    - An ItemReader reads no JSON lines; ``read_lines`` gives it the same items as a JSON array.
    - A ResultWriter takes its paths from the result of the map, and AWS from the state's input;
      that holds the input of the execution as ``job``.
    """
    machine = json.loads(definition)
    for state in machine["States"].values():
        if "ToleratedFailurePercentage" in state:
            state["ToleratedFailurePercentage"] = float(state["ToleratedFailurePercentage"])
        if state.get("ItemReader", {}).get("ReaderConfig") == {"InputType": "JSONL"}:
            state["ItemReader"]["ReaderConfig"] = {"InputType": "JSON"}
        for name, path in state.get("ResultWriter", {}).get("Parameters", {}).items():
            own = path.replace("$.job.", "$$.Execution.Input.")
            state["ResultWriter"]["Parameters"][name] = own
    return json.dumps(machine)


def read_lines(s3: S3Client, bucket: str, key: str) -> Input:
    """Answer GetObject of JSON lines with a JSON array."""
    lines = s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()
    return {"Body": json.dumps([json.loads(line) for line in lines])}


@dataclass
class MapRun:
    """The child executions of a map, each of which is one task."""

    tolerated_percentage: float = 0
    _children: dict[str, dict[str, Any]] = field(default_factory=dict)  # by input

    def record(self, given: Input, **outcome: str) -> None:
        """Record an attempt of a child; its last one counts.

        Args:
            given: The child's input.
            outcome: Either its Output or its Error and Cause.
        """
        text = json.dumps(given)
        status = "SUCCEEDED" if "Output" in outcome else "FAILED"
        self._children[text] = {"Input": text, "Status": status, **outcome}

    def require_tolerated(self) -> None:
        """Fail the execution if more children failed than the map tolerates."""
        failed = sum(child["Status"] == "FAILED" for child in self._children.values())
        if 100 * failed > self.tolerated_percentage * len(self._children):
            raise FunctionError("States.ExceedToleratedFailureThreshold")

    def write_results(self, s3: S3Client, bucket: str, manifest_key: str) -> None:
        """Write the children by status, and name the files in the manifest."""
        files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        for status, listed in files.items():
            children = [one for one in self._children.values() if one["Status"] == status]
            if children:
                key = f"{manifest_key.removesuffix('manifest.json')}{status}_0.json"
                body = json.dumps(children).encode()
                s3.put_object(Bucket=bucket, Key=key, Body=body)
                listed.append({"Key": key, "Size": len(body)})
        manifest = {"DestinationBucket": bucket, "ResultFiles": files}
        s3.put_object(Bucket=bucket, Key=manifest_key, Body=json.dumps(manifest).encode())
