"""The whole system on this machine, on the model that ships with the repository or another.

    python -m inference.local demo     # answers the files in sample-requests/ and ends
    python -m inference.local serve    # stays up until Ctrl-C
    python -m inference.local serve --bundle build/mine/bundle
    python -m inference.local sam      # the same with template.yaml and its image, in Docker

A local S3 (moto) holds the published bundle; the Lambda handler runs in the real runtime in
a pool of emulators; an HTTP front door speaks API Gateway's payload format 2.0.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from inference.local.emulator import EmulatorError, emulator_binary, emulators
from inference.local.front_door import FrontDoorError, front_door
from inference.local.s3 import ROOT, SAMPLE_MODEL, PublishError, local_s3, publish, use_local_s3
from inference.local.sam import SamError, sam_local

SAMPLE_REQUESTS = ROOT / "sample-requests"
BUILD = ROOT / "build" / "local"
HANDLER = "inference.api.handler.handler"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.local",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("demo", "serve", "sam"))
    parser.add_argument(
        "--bundle", type=Path, default=SAMPLE_MODEL, help="the model; the shipped one if not given"
    )
    parser.add_argument("--port", type=int, default=0, help="of the API; a free one if not given")
    parser.add_argument("--environments", type=int, default=2, help="requests served at a time")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with (
            sam_local(options.bundle, options.port)
            if options.command == "sam"
            else running(options.bundle, options.port, options.environments)
        ) as url:
            if options.command == "demo":
                demo(url)
            else:
                print(f"Serving at {url} (Ctrl-C stops it); try\n  {curl(url)}", flush=True)
                signal.pause()
    except KeyboardInterrupt:
        print("\nstopped")
    except (EmulatorError, FrontDoorError, PublishError, SamError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def running(bundle: Path, port: int, environments: int) -> Iterator[str]:
    """The system, from S3 to HTTP, until the block ends; gives the URL."""
    BUILD.mkdir(parents=True, exist_ok=True)
    log = BUILD / "function.log"
    log.unlink(missing_ok=True)
    if emulator_binary() is None:
        print("No Lambda runtime emulator for this system: the handler runs in a plain process.")
    with local_s3() as endpoint, tempfile.TemporaryDirectory() as cache:
        use_local_s3(endpoint)
        os.environ["MODEL_CACHE"] = cache
        os.environ["MODEL_URI"] = publish(bundle)
        with emulators(HANDLER, environments, log) as pool, front_door(pool, port) as url:
            print(f"Model {os.environ['MODEL_URI']}, log in {log.relative_to(ROOT)}")
            yield url


def demo(url: str) -> None:
    """Send every sample request and show what comes back."""
    for file in sorted(SAMPLE_REQUESTS.glob("*.json")):
        body = file.read_bytes()
        request = urllib.request.Request(  # noqa: S310
            f"{url}/predict", body, {"Content-Type": "application/json"}
        )
        started = time.perf_counter()
        try:
            with urllib.request.urlopen(request) as response:  # noqa: S310
                status, answer = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, answer = error.code, error.read()
        milliseconds = 1000 * (time.perf_counter() - started)
        print(f"\nPOST /predict  {file.relative_to(ROOT)}\n{body.decode().strip()}")
        print(f"{status} in {milliseconds:.0f} ms")
        print(json.dumps(json.loads(answer), indent=2, ensure_ascii=False))


def curl(url: str) -> str:
    """A command to try."""
    text = '{"inputs": "Life in Mars might be a real possibility"}'
    return f"curl -X POST {url}/predict -H 'Content-Type: application/json' -d '{text}'"


if __name__ == "__main__":
    sys.exit(main())
