"""Read the metrics that a function printed, as CloudWatch would."""

import json
from typing import Any

import pytest


def read_log(capsys: pytest.CaptureFixture[str], message: str) -> list[dict[str, Any]]:
    """Return the log lines with a message that were printed since the last call."""
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [line for line in lines if line.get("message") == message]


def emitted(capsys: pytest.CaptureFixture[str]) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Return the dimensions and metrics of each set that CloudWatch would read from the log."""
    blobs = []
    for line in capsys.readouterr().out.splitlines():
        blob = json.loads(line)
        if "_aws" not in blob:
            continue
        for directive in blob["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == "Tests"
            (names,) = directive["Dimensions"]
            units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
            blobs.append(
                (
                    {name: blob[name] for name in names},
                    {name: (blob[name], units[name]) for name in units},
                )
            )
    return blobs
