"""`textclf bulk`."""

import signal
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import CycloptsError, Parameter, validators

from inference.s3_uri import SCHEME
from inference.tables.columns import InputColumns
from inference.tables.formats import FileFormat
from inference.tables.options import Quoting, ReadOptions
from textclf.model_uri import locate_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.bulk.distributed.manifest import Entry, Totals
    from inference.bulk.request import ScoringRequest
    from inference.tables.inputs import Input


# A lone hyphen is stdin or stdout.
INPUT = Parameter(name="INPUT", allow_leading_hyphen=True)
OUTPUT = Parameter(allow_leading_hyphen=True)
SHOWN = 3  # of the ranges that failed
MODEL = Parameter(group="The model (one is required)", show_default=False)


def bulk(
    source: Annotated[str, INPUT],
    /,
    *,
    output: Annotated[str, OUTPUT],
    model_uri: Annotated[str, MODEL] = "",
    stack: Annotated[str, MODEL] = "",
    text_column: str = "text",
    keep: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    file_format: Annotated[FileFormat | None, Parameter(name="--format")] = None,
    delimiter: str | None = None,
    quoting: Quoting | None = None,
    encoding: str | None = None,
    no_header: bool = False,
    workers: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
) -> None:
    r"""Classify every row of a file.

    The content of a file says what it is: CSV or TSV with any separator, JSON lines or Parquet,
    plain or compressed (gz, bz2, xz, zst, zip). In a CSV or TSV file without a header, columns are
    named by their positions from 0: `--no-header --text-column 1`. Stdout gets JSON lines.

    ```
    textclf bulk headlines.csv --output scored.csv --model-uri s3://models/news/VERSION
    textclf bulk s3://in/rows.parquet --output s3://out/rows.parquet --model-uri ... --keep id
    zcat rows.jsonl.gz | textclf bulk - --format jsonl --output - --model-uri ...
    ```

    The output has a row for each row that could be read: its line, the columns named by `--keep`,
    and the prediction. All other rows are in `OUTPUT.rejects.csv` with the reason (for a pipe, on
    stderr). The command says how it reads the file, and at its end that no row is missing.

    The output appears when it is complete. After Ctrl-C, a crash or a full disk, repeat the command
    to resume it.

    With `--stack`, the Lambda functions of a deployed stack share the work. The input is a file in
    the stack's bucket or, with a slash at its end, all files under a prefix; the output is a prefix
    in the same bucket, for parts and a manifest. If ranges of the input failed, the command says
    which and is an error; repeat it to score only these.

    ```
    textclf bulk s3://my-files/in/ --output s3://my-files/out --stack text-classifier-prod
    ```

    Args:
        source: A file, `s3://BUCKET/KEY`, a named pipe, or `-` for stdin.
        output: A file, `s3://BUCKET/KEY`, a named pipe, or `-` for stdout.
        model_uri: The model: a folder, `file:///FOLDER` or `s3://BUCKET/PREFIX/VERSION`.
        stack: Score on the Lambda functions of this stack, with the model that it serves unless
            `--model-uri` names another.
        text_column: The column with the texts.
        keep: A column to copy to the output. Repeat the option for more columns.
        file_format: The format of the input, whatever it looks like.
        delimiter: What separates the columns: a character, or its name, such as `tab`.
        quoting: How values are quoted: `standard` (`""` for a quote), `backslash` (`\"`), or
            `none`, if a quote is a character like any other.
        encoding: The encoding, such as `cp1252`. By default UTF-8, or UTF-16 if it is.
        no_header: The first row is no header; columns are positions from 0.
        workers: The number of processes on this machine. By default, one on each core.
    """
    from inference.bulk.request import ScoringRequest

    if not (model_uri or stack):
        raise CycloptsError(msg="give the model with --model-uri, or a --stack to score on")
    # `kill` and `docker stop` end the command as Ctrl-C does: it stops its worker processes, and
    # says how to go on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    columns = InputColumns(text_column, keep)
    options = ReadOptions(file_format, delimiter, quoting, encoding, no_header)
    if stack and model_uri and not model_uri.startswith(SCHEME):
        raise CycloptsError(msg="the functions of a --stack need a model in S3: give its URI")
    location = model_uri if stack else locate_model(model_uri)
    request = ScoringRequest(source, output, location, columns, options)
    if stack:
        _score_on_stack(request, stack)
    else:
        _score_here(request, workers)


def _score_here(request: "ScoringRequest", workers: int | None) -> None:
    from inference.bulk.rejects import REJECTS
    from inference.bulk.score_file import score_file
    from inference.bulk.streams import is_stream
    from inference.tables.describe import describe_bad_rows, describe_balance

    summary = score_file(request, workers, _show_reading)
    _say(describe_balance(summary.rows, "scored", summary.bad_rows))
    if summary.bad_rows.count and not is_stream(request.output):  # a stream has shown all of them
        _say(describe_bad_rows(summary.bad_rows, f"{request.output}{REJECTS}"))
    rate = f"{summary.rows_per_second:,.0f} a second"
    _say(f"{summary.rows:,} rows by model {summary.model_version}, {rate}")


def _show_reading(source: "Input") -> None:
    from inference.tables.describe import describe_reading

    _say(describe_reading(source.location, source.layout, source.note))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _score_on_stack(request: "ScoringRequest", stack_name: str) -> None:
    from dataclasses import replace

    import boto3

    from inference.aws import read_live_model
    from inference.bulk.distributed.client import BulkClient
    from inference.bulk.request import BulkError
    from operations.stack import Stack

    stack = Stack.find(boto3.client("cloudformation"), stack_name)
    problem = "cannot score files: deploy it with BulkBucket=BUCKET"
    state_machine = stack.require_output("BulkStateMachine", problem)
    bucket = stack.require_output("BulkBucket", problem)
    client = BulkClient(boto3.client("s3"), boto3.client("stepfunctions"), state_machine, bucket)
    model_uri = request.model_uri or read_live_model(boto3.client("lambda"), stack.function)
    started = client.start(replace(request, model_uri=model_uri))
    _say(f"{started.files} files, run {started.run.name}")
    totals, failed = client.follow(started)
    _say(f"{_describe(totals)}; see {started.manifest_uri}")
    if failed:
        raise BulkError(_describe_failed(failed, totals.parts + len(failed)))


def _describe(totals: "Totals") -> str:
    all_rows = totals.rows + totals.rejected
    text = f"{all_rows:,} rows = {totals.rows:,} scored + {totals.rejected:,} rejected"
    return f"{text}, in {totals.parts:,} parts"


def _describe_failed(failed: "Sequence[Entry]", ranges: int) -> str:
    """Say which of the ranges failed, and how to score them."""
    first = [f"{one['key']} from line {one['line']:,} ({one['error']})" for one in failed[:SHOWN]]
    first += ["..."] if len(failed) > SHOWN else []
    return (
        f"{len(failed):,} of {ranges:,} ranges failed, so rows are missing: {'; '.join(first)} "
        "(the manifest says why; repeat the command to score only what is missing)"
    )
