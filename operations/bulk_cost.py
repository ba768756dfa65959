"""What the state machine takes for so many rows: time and USD, as a Markdown table.

    python -m operations.bulk_cost
    python -m operations.bulk_cost --rows-per-second 1000 --row-bytes 1300    # of one worker

The manifest of a run has the rows and worker seconds to replace the default with: 640 headlines
a second, which one core of a 2-core cloud machine does with a DistilBERT of 6 x 768 in
benchmarks.bulk (with the shipped 6 x 384, 1,500). It is a model: no run has been billed yet.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

from inference.tables.ranges import RANGE_BYTES, RANGE_ROWS
from operations import prices

ROWS = [10**exponent for exponent in range(4, 10)]
CONCURRENCY = (100, 1000)  # BulkConcurrency; an account has 1,000 until it asks for more
MAX_CHILDREN = 10_000  # that a map runs at once, a limit of Step Functions
GIGABYTES = 1769 / 1024  # of a worker, which has one processor then
FILE_BYTES = 1 << 30  # of each file: a billion rows are many files
PLAN_BYTES_PER_SECOND = 20e6  # of one file; 22 MB of CSV were measured
START_SECONDS = 5.0  # of an environment, with the model
OVERHEAD_SECONDS = 30.0  # for the steps between the maps, and for the children to start
TRANSITIONS = 2  # of a child: its start and its task
GETS, PUTS = 3, 1  # of a range: head, body, is it there; the part


@dataclass(frozen=True)
class Estimate:
    """What a run takes."""

    ranges: int
    seconds: float
    usd: float


def estimate(rows: int, concurrency: int, rate: float, row_bytes: float) -> Estimate:
    """Time and cost of a run.

    Args:
        rows: to score.
        concurrency: the stack's BulkConcurrency.
        rate: rows a second of one worker.
        row_bytes: of a row in the file.
    """
    workers = min(concurrency - 1, MAX_CHILDREN)
    files = math.ceil(rows * row_bytes / FILE_BYTES)
    planning = rows * row_bytes / PLAN_BYTES_PER_SECOND
    in_range = min(RANGE_ROWS, RANGE_BYTES / row_bytes)
    ranges = max(files, math.ceil(rows / in_range))
    scoring = rows / rate
    started = min(workers, ranges)
    seconds = OVERHEAD_SECONDS + START_SECONDS
    seconds += math.ceil(files / workers) * planning / files
    seconds += math.ceil(ranges / workers) * scoring / ranges
    work = planning + scoring + started * START_SECONDS
    usd = work * GIGABYTES * prices.LAMBDA_GB_SECOND["x86_64"]
    usd += (files + ranges) * prices.LAMBDA_REQUEST
    usd += (files + ranges) * TRANSITIONS * prices.STEP_FUNCTIONS_STANDARD_TRANSITION
    usd += ranges * (GETS * prices.S3_GET + PUTS * prices.S3_PUT)
    return Estimate(ranges, seconds, usd)


def table(rate: float, row_bytes: float) -> str:
    """Estimates for ten thousand to a billion rows."""
    names = " | ".join(f"{limit:,} at once" for limit in CONCURRENCY)
    lines = [f"| rows | ranges | {names} | USD |", "|---:" * (3 + len(CONCURRENCY)) + "|"]
    for rows in ROWS:
        found = [estimate(rows, limit, rate, row_bytes) for limit in CONCURRENCY]
        times = " | ".join(_duration(one.seconds) for one in found)
        usd = max(one.usd for one in found)
        lines.append(f"| {rows:,} | {found[0].ranges:,} | {times} | {usd:,.2f} |")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.bulk_cost",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows-per-second", type=float, default=640, help="of one worker: 640")
    parser.add_argument("--row-bytes", type=float, default=60, help="of a row in its file: 60")
    options = parser.parse_args(arguments)
    if not (options.rows_per_second > 0 and options.row_bytes > 0):
        parser.error("both must be more than 0")
    print(table(options.rows_per_second, options.row_bytes))


if __name__ == "__main__":
    main()
