"""Print how far the predictions of the last hours are from those on the held-out texts.

python -m inference.drift --table TABLE --model-uri s3://BUCKET/PREFIX/VERSION
python -m inference.drift --table TABLE --model-uri ... --hours 168 --plot drift.png
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from inference.drift import report
from inference.drift.stability import MAX_TEXTS, MIN_TEXTS, features
from inference.model.store import StoreError, fetch_manifest
from inference.predictions.sample import client, sample


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.drift",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--table", required=True, help="the prediction log")
    parser.add_argument("--model-uri", required=True, help="whose predictions are measured")
    parser.add_argument("--hours", type=int, default=24, help="the window (default: 24)")
    parser.add_argument("--plot", type=Path, help="also write a picture, such as drift.png")
    options = parser.parse_args(arguments)
    if options.hours < 1:
        parser.error("--hours must be 1 or more")
    if options.plot and not importlib.util.find_spec("matplotlib"):
        parser.error("--plot needs matplotlib: pip install matplotlib (make setup has it)")
    try:
        manifest, version = fetch_manifest(options.model_uri)
        window = sample(
            client(), options.table, version, options.hours, datetime.now(UTC), MAX_TEXTS
        )
    except (StoreError, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    requests = len({prediction.request_id for prediction in window})
    print(
        f"{len(window):,} predictions of {version} in {requests:,} requests, "
        f"from the last {options.hours} hours\n"
    )
    if len(window) < MIN_TEXTS:
        print(f"error: drift is measured on {MIN_TEXTS:,} or more", file=sys.stderr)
        return 1
    found = features(manifest.reference, window)
    print(report.table(found))
    if options.plot:
        from inference.drift.plot import plot

        plot(found, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
