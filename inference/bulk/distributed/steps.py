"""The Lambda of the state machine in states.asl.json: one step of a run each time.

A run has its files under ``job.run``: ``inputs.jsonl`` (what to score, written by whoever starts
it), ``plan/`` and ``plan.jsonl`` (its ranges), ``planned/`` and ``scored/`` (what Step Functions
says of the two maps) and at last ``manifest.json``. The parts are under ``job.output``, named by
all that their bytes depend on: what is there is not scored again, by whichever run.

CSV, TSV and JSON lines, plain or compressed, but neither Parquet nor zstd: pyarrow is not in the
image.
"""

import csv
import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from inference.bulk.scorer import Layout, Scorer, header
from inference.model.store import StoreError, fetch
from inference.runtime.telemetry import logger
from inference.tables.formats import BulkError, Format, Table
from inference.tables.inputs import decompressed
from inference.tables.ranges import Range, cut, read_range
from inference.tables.rows import (
    CHUNK_CHARACTERS,
    CHUNK_ROWS,
    DAMAGE,
    Columns,
    Reject,
    chunks,
    read_rows,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MODEL_CACHE = Path("/tmp/models")  # noqa: S108 - every bundle in it is verified before it is used
MODEL_SECONDS = 60.0  # to pull a bundle
PART = Format("csv", "gz")
CHANGED = ("PreconditionFailed", "412", "NoSuchKey", "404")  # what S3 answers for another version


class TransientError(Exception):
    """S3 or the model store failed; the state machine tries again."""


@dataclass(frozen=True)
class Job:
    """What all steps of a run are told."""

    bucket: str
    run: str  # a prefix without a slash at its end, as is the next
    output: str
    model_uri: str
    text_column: str
    keep: tuple[str, ...]

    @property
    def columns(self) -> Columns:
        """The columns that are read."""
        return Columns(self.text_column, tuple(self.keep))


@dataclass(frozen=True)
class Source:
    """One version of an object that is to be scored."""

    key: str
    etag: str
    size: int  # bytes, as it is stored
    table: Table
    compression: str


Event = Mapping[str, Any]


def handler(event: Event, _: object) -> dict[str, Any]:
    """Take the step that the event names.

    Raises:
        TransientError: it is worth trying again.
        BulkError: it is not.
    """
    job = Job(**event["job"])
    try:
        done = _STEPS[event["step"]](job, event)
    except ClientError as error:
        if error.response["Error"]["Code"] in CHANGED:
            raise BulkError("the input was changed or deleted since the run began") from error
        raise TransientError(f"{error}") from error
    except (BotoCoreError, StoreError) as error:
        raise TransientError(f"{error}") from error
    except DAMAGE as error:
        raise BulkError(f"{event.get('source', {}).get('key')} is damaged: {error}") from error
    logger.info(event["step"], extra={"run": job.run, **done})
    return done


def plan(job: Job, event: Event) -> dict[str, Any]:
    """Cut one object into ranges and note them."""
    source = Source(**event["source"])
    with _opened(job, source) as file:
        ranges = list(cut(file, source.table))
    if ranges:
        _check_columns(job, source, ranges[0].head)
    lines = (json.dumps({"source": asdict(source), "range": asdict(one)}) for one in ranges)
    name = hashlib.sha256(source.key.encode()).hexdigest()
    _put(job, f"{job.run}/plan/{name}.jsonl", "".join(f"{line}\n" for line in lines).encode())
    return {"ranges": len(ranges)}


def _check_columns(job: Job, source: Source, head: int) -> None:
    """See that the first row names the columns, or has as many."""
    (first,) = _read(job, source, (0, head))
    try:
        list(read_rows(io.BytesIO(first), source.table, job.columns))
    except BulkError:  # its message shows the row, which may be a text: not for logs
        wanted = ", ".join((job.text_column, *job.keep))
        raise BulkError(f"{source.key}: the first row lacks a column of {wanted}") from None


def gather(job: Job, _: Event) -> dict[str, Any]:
    """Put the plans of all objects into one file."""
    keys = _keys(job, f"{job.run}/plan/")
    plans = b"".join(_get(job, key) for key in keys)
    if not plans:
        raise BulkError("there are no rows in the input")
    _put(job, f"{job.run}/plan.jsonl", plans)
    return {"ranges": plans.count(b"\n")}


def score(job: Job, event: Event) -> dict[str, Any]:
    """Score one range into one part, if that is not there yet."""
    source, part = Source(**event["source"]), Range(**event["range"])
    started = time.monotonic()
    scorer, layout, version = _scorer(job.model_uri, tuple(job.keep))
    key = f"{job.output}/parts/{_name(job, source, part, version)}"
    counts = _counts(job, f"{key}.csv.gz")
    if not counts:
        head, body = _read(job, source, (0, part.head), (part.begin, part.end))
        rejects: list[Reject] = []
        rows, pieces = 0, [header(layout)]
        found = read_range(part, head, body, source.table, job.columns)
        for chunk in chunks(found, rejects.append):
            pieces.append(scorer(chunk))
            rows += len(chunk)
        if rejects:
            _put(job, f"{key}.rejects.csv", _rejects(rejects))
        counts = {"rows": rows, "rejected": len(rejects)}
        _put(job, f"{key}.csv.gz", b"".join(pieces), counts)  # last: it says that all is done
    seconds = round(time.monotonic() - started, 3)
    return {"part": f"{key}.csv.gz", **counts, "seconds": seconds, "model_version": version}


def finish(job: Job, event: Event) -> dict[str, Any]:
    """Write the manifest of the run.

    Raises:
        BulkError: a row of the input is in no part and in no failed range.
    """
    results = json.loads(_get(job, event["results"]["Key"]))["ResultFiles"]
    parts = [
        {**_item(child), **json.loads(child["Output"])}
        for child in _children(job, results["SUCCEEDED"])
    ]
    failed = [
        {**_item(child), "error": child.get("Error"), "cause": child.get("Cause")}
        for child in _children(job, results["FAILED"])
    ]
    planned = [json.loads(line) for line in _get(job, f"{job.run}/plan.jsonl").splitlines()]
    wanted = {(one["source"]["key"], one["range"]["begin"]) for one in planned}
    missing = wanted - {(one["key"], one["begin"]) for one in (*parts, *failed)}
    if missing:
        raise BulkError(f"{len(missing)} of {len(planned)} ranges are neither scored nor failed")
    totals = {
        "rows": sum(part["rows"] for part in parts),
        "rejected": sum(part["rejected"] for part in parts),
        "parts": len(parts),
        "failed_ranges": len(failed),
        "worker_seconds": round(sum(part["seconds"] for part in parts), 1),
    }
    if totals["rejected"] and not totals["rows"]:
        raise BulkError(f"all {totals['rejected']} rows were rejected: is it the right column?")
    order = sorted(parts, key=lambda part: (part["key"], part["begin"]))
    manifest = {"job": asdict(job), "totals": totals, "parts": order, "failed": failed}
    key = f"{job.run}/manifest.json"
    _put(job, key, json.dumps(manifest, indent=1).encode())
    return {"manifest": key, **totals}


_STEPS: dict[str, Callable[[Job, Event], dict[str, Any]]] = {
    "plan": plan,
    "gather": gather,
    "score": score,
    "finish": finish,
}


def _name(job: Job, source: Source, part: Range, version: str) -> str:
    """The name of a part: for people the file and line, and all that its bytes depend on."""
    chunk = (CHUNK_ROWS, CHUNK_CHARACTERS)
    what = (asdict(source), asdict(part), job.text_column, job.keep, version, chunk)
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
    return f"{PurePosixPath(source.key).name[:64]}-{part.line:012d}-{digest}"


@lru_cache(1)
def _scorer(model_uri: str, keep: tuple[str, ...]) -> tuple[Scorer, Layout, str]:
    bundle = fetch(model_uri, MODEL_CACHE, MODEL_SECONDS)
    layout = Layout(keep, bundle.manifest.labels, PART)
    layout.check()
    return Scorer(bundle, layout), layout, bundle.version


def _rejects(rejects: list[Reject]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("line", "reason"))
    writer.writerows((reject.line, reject.reason) for reject in rejects)
    return file.getvalue().encode()


def _item(child: Mapping[str, Any]) -> dict[str, Any]:
    """Which range a child execution was for."""
    given = json.loads(child["Input"])
    source = {name: given["source"][name] for name in ("key", "etag")}
    return {**source, **{name: given["range"][name] for name in ("begin", "end", "line")}}


def _children(job: Job, files: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for file in files:
        yield from json.loads(_get(job, file["Key"]))


# S3


@lru_cache(1)
def _s3() -> "S3Client":
    config = Config(
        connect_timeout=2,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": 5},
    )
    return boto3.client("s3", config=config)


def _opened(job: Job, source: Source) -> BinaryIO:
    """The decompressed content of an object; of one that is not compressed, as a stream."""
    answer = _s3().get_object(Bucket=job.bucket, Key=source.key, IfMatch=source.etag)
    if not source.compression:
        return cast(BinaryIO, io.BufferedReader(cast(Any, answer["Body"]), 1 << 20))
    return decompressed(io.BytesIO(answer["Body"].read()), source.compression)


def _read(job: Job, source: Source, *spans: tuple[int, int]) -> list[bytes]:
    """Parts of the decompressed content, each from a byte to the one before another."""
    if source.compression:
        with _opened(job, source) as file:
            return [file.read(end - file.seek(begin)) for begin, end in spans]
    return [
        _get(job, source.key, IfMatch=source.etag, Range=f"bytes={begin}-{end - 1}")
        if end > begin
        else b""
        for begin, end in spans
    ]


def _get(job: Job, key: str, **options: str) -> bytes:
    return _s3().get_object(Bucket=job.bucket, Key=key, **cast(Any, options))["Body"].read()


def _put(job: Job, key: str, body: bytes, counts: Mapping[str, int] | None = None) -> None:
    metadata = {name: str(count) for name, count in (counts or {}).items()}
    _s3().put_object(Bucket=job.bucket, Key=key, Body=body, Metadata=metadata)


def _counts(job: Job, key: str) -> dict[str, int]:
    """The rows and rejects of a part that is there; empty where it is not."""
    try:
        metadata = _s3().head_object(Bucket=job.bucket, Key=key)["Metadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "404":
            return {}
        raise
    return {name: int(metadata[name]) for name in ("rows", "rejected")}


def _keys(job: Job, prefix: str) -> list[str]:
    pages = _s3().get_paginator("list_objects_v2").paginate(Bucket=job.bucket, Prefix=prefix)
    return [one["Key"] for page in pages for one in page.get("Contents", [])]
