"""Sum up the maps of a bulk run: which parts there are, and what is missing."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from inference.bulk.distributed.objects import Objects
from inference.bulk.distributed.run import BulkRun, Message
from inference.bulk.request import BulkError
from inference.tables.layout import Layout

Entry = dict[str, Any]  # of the manifest: the range that a child execution had, and its outcome


class Totals(Message, frozen=True, kw_only=True):
    """What a run did."""

    rows: int
    rejected: int
    parts: int
    failed_ranges: int
    worker_seconds: float  # that the Lambda functions took to score


class RunManifest(Message, frozen=True, kw_only=True):
    """The record of a finished run."""

    job: BulkRun
    totals: Totals
    parts: list[Entry]  # by key and position in the object
    failed: list[Entry]


def make_manifest(run: BulkRun, objects: Objects, results_key: str) -> RunManifest:
    """Read the results that Step Functions wrote, and sum them up.

    Raises:
        BulkError: a planned range is neither scored nor failed, or every row was rejected.
    """
    results = json.loads(objects.get(results_key))["ResultFiles"]
    parts = [
        {**_describe_range(child), **json.loads(child["Output"])}
        for child in _read_children(objects, results["SUCCEEDED"])
    ]
    failed = [
        {**_describe_range(child), "error": child.get("Error"), "cause": child.get("Cause")}
        for child in _read_children(objects, results["FAILED"])
    ]
    _require_all_ranges(objects.get(run.plan_key), [*parts, *failed])
    parts.sort(key=lambda part: (part["key"], part["begin"]))
    return RunManifest(job=run, totals=_sum_up(parts, failed), parts=parts, failed=failed)


def _read_children(objects: Objects, files: Sequence[Entry]) -> Iterator[Entry]:
    """Read what Step Functions wrote about each child execution of a map."""
    for file in files:
        yield from json.loads(objects.get(file["Key"]))


def _describe_range(child: Entry) -> Entry:
    given = json.loads(child["Input"])
    source = {name: given["source"][name] for name in ("key", "etag")}
    if layout := given["source"].get("layout"):
        source["read_as"] = msgspec.convert(layout, Layout, str_keys=True).describe()
    return {**source, **{name: given["range"][name] for name in ("begin", "end", "line")}}


def _require_all_ranges(plan: bytes, entries: Sequence[Entry]) -> None:
    lines = [json.loads(line) for line in plan.splitlines()]
    planned = {(line["source"]["key"], line["range"]["begin"]) for line in lines}
    missing = planned - {(entry["key"], entry["begin"]) for entry in entries}
    if missing:
        raise BulkError(f"{len(missing)} of {len(planned)} ranges are neither scored nor failed")


def _sum_up(parts: Sequence[Entry], failed: Sequence[Entry]) -> Totals:
    totals = Totals(
        rows=sum(part["rows"] for part in parts),
        rejected=sum(part["rejected"] for part in parts),
        parts=len(parts),
        failed_ranges=len(failed),
        worker_seconds=round(sum(part["seconds"] for part in parts), 1),
    )
    if totals.rejected and not totals.rows:
        raise BulkError(f"all {totals.rejected} rows were rejected: is it the right column?")
    return totals
