"""Take the steps of a bulk run: the Lambda function of the state machine in states.asl.json.

The steps are: plan each file (cut it into ranges), gather the plans, score each range, finish.
``run.BulkRun`` says which objects they read and write. A part is named by everything its bytes
depend on, so a part that exists is not scored again, whichever run wrote it.

CSV, TSV and JSON lines can be read, plain or compressed, but neither Parquet nor zstd: pyarrow is
not in the image.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec.structs import replace

from inference.aws import make_client
from inference.bulk.chunks import CHUNK_CHARACTERS, CHUNK_ROWS, group_rows
from inference.bulk.distributed.manifest import make_manifest
from inference.bulk.distributed.objects import Objects
from inference.bulk.distributed.run import BulkRun, Source
from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.rejects import encode_rejects
from inference.bulk.request import BulkError
from inference.bulk.scorer import Piece, Scorer
from inference.model.classifier import Classifier
from inference.model.store import StoreError, fetch
from inference.runtime.settings import MODEL_CACHE
from inference.runtime.telemetry import logger
from inference.tables.errors import TableError
from inference.tables.formats import FileType
from inference.tables.layout import Layout
from inference.tables.ranges import Range, cut_ranges, read_range
from inference.tables.reader import DAMAGE_ERRORS, RULES_VERSION
from inference.tables.recognize import recognize
from inference.tables.rows import Reject, Row

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MODEL_SECONDS = 60.0  # to download a bundle
PART_TYPE = FileType("csv", "gz")
CHANGED = ("PreconditionFailed", "412", "NoSuchKey", "404")  # S3's answers for another version

Event = Mapping[str, Any]
Result = dict[str, Any]


class TransientError(Exception):
    """S3 or the model store failed; the state machine tries again."""


def handler(event: Event, _: object) -> Result:
    """Take the step that the event names.

    Raises:
        TransientError: another attempt may succeed.
        BulkError: no attempt can succeed.
    """
    run = BulkRun.parse(event["job"])
    try:
        result = _take_step(run, event)
    except ClientError as error:
        if error.response["Error"]["Code"] in CHANGED:
            raise BulkError("the input was changed or deleted since the run began") from error
        raise TransientError(str(error)) from error
    except (BotoCoreError, StoreError) as error:
        raise TransientError(str(error)) from error
    except DAMAGE_ERRORS as error:
        raise BulkError(f"{event.get('source', {}).get('key')} is damaged: {error}") from error
    except TableError as error:  # whose message may show a text, which must not be logged
        key = event.get("source", {}).get("key", "")
        raise BulkError(error.in_file(key).without_content()) from None
    logger.info(event["step"], extra={"run": run.prefix, **result})
    return result


def _take_step(run: BulkRun, event: Event) -> Result:
    match event["step"]:
        case "plan":
            return plan(run, Source.parse(event["source"]))
        case "gather":
            return gather(run)
        case "score":
            source = Source.parse(event["source"])
            return score(run, source, msgspec.convert(event["range"], Range))
        case "finish":
            return finish(run, event["results"]["Key"])
        case unknown:
            raise BulkError(f"there is no step {unknown!r}")


def plan(run: BulkRun, source: Source) -> Result:
    """Find out how one object is to be read, cut it into ranges and write them down."""
    objects = Objects(_s3(), run.bucket)
    file, compression = objects.open_source(source)
    with file:
        layout = recognize(file, run.columns, run.options, name=source.key)
        file.seek(0)
        ranges = list(cut_ranges(file, layout))
    known = replace(source, compression=compression, layout=layout)
    shared = known.to_json()
    lines = (json.dumps({"source": shared, "range": asdict(part)}) + "\n" for part in ranges)
    name = hashlib.sha256(source.key.encode()).hexdigest()
    objects.put(f"{run.plans_prefix}{name}.jsonl", "".join(lines).encode())
    return {"ranges": len(ranges)}


def gather(run: BulkRun) -> Result:
    """Join the plans of all objects."""
    objects = Objects(_s3(), run.bucket)
    plans = b"".join(objects.get(key) for key in objects.list_keys(run.plans_prefix))
    if not plans:
        raise BulkError("there are no rows in the input")
    objects.put(run.plan_key, plans)
    return {"ranges": plans.count(b"\n")}


def score(run: BulkRun, source: Source, part: Range) -> Result:
    """Score one range into one part, unless the part exists."""
    started = time.monotonic()
    objects = Objects(_s3(), run.bucket)
    classifier = _load_classifier(run.model_uri)
    encoder = Encoder(OutputColumns.of(run.keep, classifier), PART_TYPE)
    name = _name_part(run, source, part, encoder.columns, classifier.version)
    name = f"{run.output}/parts/{name}"
    key = f"{name}.csv.gz"
    counts = objects.read_metadata(key)
    if counts is None:
        found = _read_range(run, source, part, objects)
        piece, rejects = _score_rows(found, classifier, encoder)
        if rejects:
            objects.put(f"{name}.rejects.csv", encode_rejects(rejects))
        counts = {"rows": piece.rows, "rejected": len(rejects)}
        objects.put(key, piece.data, counts)  # last: its presence says that all is done
    seconds = round(time.monotonic() - started, 3)
    return {"part": key, **counts, "seconds": seconds, "model_version": classifier.version}


def _read_range(
    run: BulkRun, source: Source, part: Range, objects: Objects
) -> Iterator[Row | Reject]:
    layout = source.layout or Layout("csv")  # a plan has it
    body = objects.read_span(source, layout, part.begin, part.end)
    return read_range(part, body, layout, run.columns)


def _score_rows(
    found: Iterator[Row | Reject], classifier: Classifier, encoder: Encoder
) -> tuple[Piece, list[Reject]]:
    scorer = Scorer(classifier, encoder)
    rejects: list[Reject] = []
    pieces = [scorer.score(chunk) for chunk in group_rows(found, rejects.append)]
    data = encoder.encode_header() + b"".join(piece.data for piece in pieces)
    return Piece(data, sum(piece.rows for piece in pieces)), rejects


def finish(run: BulkRun, results_key: str) -> Result:
    """Write the manifest of the run.

    Raises:
        BulkError: a row of the input is in no part and in no failed range.
    """
    objects = Objects(_s3(), run.bucket)
    manifest = make_manifest(run, objects, results_key)
    body = json.dumps(manifest.to_json(), indent=1)
    objects.put(run.manifest_key, body.encode())
    return {"manifest": run.manifest_key, **manifest.totals.to_json()}


def _name_part(
    run: BulkRun, source: Source, part: Range, columns: OutputColumns, version: str
) -> str:
    """Name a part by the file and line, for people, and by everything its bytes depend on."""
    content = (
        source.to_json(),
        asdict(part),
        run.text_column,
        run.keep,
        columns.names,  # which a later release may add to
        version,
        (CHUNK_ROWS, CHUNK_CHARACTERS, RULES_VERSION),
    )
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return f"{PurePosixPath(source.key).name[:64]}-{part.line:012d}-{digest}"


@lru_cache(1)
def _load_classifier(model_uri: str) -> Classifier:
    return Classifier.load(fetch(model_uri, MODEL_CACHE, MODEL_SECONDS))


@lru_cache(1)
def _s3() -> "S3Client":
    client: S3Client = make_client("s3", connect=2, read=20, attempts=5)
    return client
