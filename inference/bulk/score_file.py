"""Classify every row of a file on all cores of this machine.

    python -m inference.bulk headlines.csv --output scored.csv --model-uri s3://models/news/VERSION
    python -m inference.bulk s3://in/rows.parquet --output s3://out/rows.parquet --model-uri ...
    zcat rows.jsonl.gz | python -m inference.bulk - --format jsonl --output - --model-uri ...
    python -m inference.bulk --distributed s3://b/in/ --output s3://b/out --stack NAME

The file's name says what it is: .csv, .tsv, .jsonl or .parquet, the first three also with .gz,
.bz2, .xz or .zst; --format says it where the name does not. TSV has no quoting. A CSV or TSV
file without a header has its columns named by position from 0: --text-column 1.

The output has a row for each row that could be read: its line, the columns named by --keep, as
text, then the prediction. Rows that could not be read are in OUTPUT.rejects.csv with the
reason (on stderr for a pipe). A run that was stopped or killed goes on when the same command
is given again; until it is whole, the output is not there. Stdout gets JSON lines.

With --distributed the Lambda functions of a stack do it: the input is a file or, with a slash at
its end, all files under a prefix; the output is a prefix that gets parts and a manifest.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from inference.bulk.outputs import REJECTS, open_output
from inference.bulk.pool import usable_cores, workers
from inference.bulk.scorer import Layout
from inference.model.bundle import BundleError
from inference.model.store import StoreError, fetch
from inference.tables.formats import PIPE, TABLES, BulkError, Format, format_of
from inference.tables.inputs import identity, open_input
from inference.tables.rows import CHUNK_CHARACTERS, CHUNK_ROWS, Columns, Reader

MODEL_CACHE = "/tmp/models"  # noqa: S108 - every bundle in it is verified before it is used
MODEL_SECONDS = 300.0  # to pull a bundle
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(_distributed(options) if options.distributed else run(options), file=sys.stderr)
    except KeyboardInterrupt:
        goes_on = PIPE not in (options.input, options.output) and not options.distributed
        print("stopped" + "; the same command goes on" * goes_on, file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the pipe has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (BulkError, StoreError, BundleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m inference.bulk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", help="file, s3://BUCKET/KEY or - for stdin")
    parser.add_argument("--output", required=True, help="file, s3://BUCKET/KEY or - for stdout")
    parser.add_argument("--model-uri", help="what inference.model.publish printed")
    parser.add_argument("--text-column", default="text", help="default: text")
    parser.add_argument(
        "--keep", action="append", default=[], help="a column to copy to the output; repeatable"
    )
    parser.add_argument("--format", choices=TABLES, help="of the input, whatever its name says")
    parser.add_argument("--workers", type=int, default=usable_cores(), help="default: one a core")
    parser.add_argument("--distributed", action="store_true", help="on the Lambdas of --stack")
    parser.add_argument("--stack", help="whose BulkBucket has the input; its model is the default")
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    if options.distributed != bool(options.stack):
        parser.error("--distributed and --stack belong together")
    if not (options.distributed or options.model_uri):
        parser.error("--model-uri is missing")
    return options


def run(options: argparse.Namespace) -> str:
    """Score a file and return what was done, in words.

    Raises:
        BulkError: it cannot go on; what was scored is kept for the next start.
        StoreError: the model cannot be had.
    """
    kind = format_of(options.input, options.format)
    written = Format("jsonl") if options.output == PIPE else format_of(options.output)
    content = identity(options.input)
    if content and content["location"] in (options.output, str(Path(options.output).resolve())):
        raise BulkError("the output would take the place of the input")
    cache = Path(os.environ.get("MODEL_CACHE", MODEL_CACHE))
    bundle = fetch(options.model_uri, cache, MODEL_SECONDS)
    columns = Columns(options.text_column, tuple(options.keep))
    layout = Layout(columns.keep, bundle.manifest.labels, written)
    layout.check()
    settings = {
        "input": content,
        "format": kind.table,
        "text_column": columns.text,
        "keep": list(columns.keep),
        "model_version": bundle.version,
        "chunk": [CHUNK_ROWS, CHUNK_CHARACTERS],
    }
    started = time.monotonic()
    with (
        open_output(options.output, layout, settings, resumable=content is not None) as output,
        open_input(options.input, kind, content, output.folder) as source,
        workers(bundle, layout, options.workers) as score,
        tqdm(unit=" rows", unit_scale=True, initial=output.rows, mininterval=1) as bar,
    ):
        before = output.rows
        reader = Reader(source, kind.table, columns, output.reject)
        for rows, data in score(islice(reader.chunks(), output.chunks, None)):
            output.write(data, rows)
            bar.total = reader.expected_rows()
            bar.update(rows)
        source.check_unchanged()
        if output.rejected and not output.rows:
            raise BulkError(f"all {output.rejected} rows were rejected: is it the right column?")
        output.finish()
        bar.total = output.rows
    rate = (output.rows - before) / (time.monotonic() - started)
    done = f"{output.rows} rows by model {bundle.version}, {rate:.0f} a second"
    if output.rejected:
        done += f"; {output.rejected} rejected"
        done += "" if options.output == PIPE else f": see {options.output}{REJECTS}"
    return done


def _distributed(options: argparse.Namespace) -> str:
    from inference.bulk.distributed import client as distributed  # boto3 is only for S3

    return distributed.run(options)


if __name__ == "__main__":
    sys.exit(main())
