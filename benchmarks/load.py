"""The service under as many requests as it can take, single texts and lists mixed.

    make load                                # the Lambda runtime in a pool of emulators, here
    make load URL=https://ID.execute-api.REGION.amazonaws.com
    python -m benchmarks.load --seconds 10

Exits with 1 on any error, or where the memory of the function's processes grew.
"""

import argparse
import json
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import locust  # makes the standard library's waiting cooperative
import psutil
from locust import constant, task
from locust.env import Environment
from locust.stats import RequestStats

ROOT = Path(__file__).parents[1]
TEXTS = [
    text
    for file in ("headline.json", "many.json")
    for found in json.loads((ROOT / "sample-requests" / file).read_text()).values()
    for text in ([found] if isinstance(found, str) else found)
]
LISTS = (2, 8, 32, 128)  # texts in one request
USERS_PER_ENVIRONMENT = 2  # so that a request always waits
PERCENTILES = (0.5, 0.95, 0.99)
MAX_GROWTH = 1.05  # of memory, from the first quarter of the time to the last
SAMPLE_SECONDS = 0.5
WARM_UP_SECONDS = 10  # not counted: every size of request must have come by


class Client(locust.HttpUser):
    """Somebody who asks again as soon as there is an answer."""

    wait_time = constant(0)

    @task(4)
    def one(self) -> None:
        """A single text."""
        self._ask("one text", random.choice(TEXTS), "predicted_label")  # noqa: S311

    @task(1)
    def many(self) -> None:
        """A list."""
        size = random.choice(LISTS)  # noqa: S311
        self._ask(f"list of {size}", random.choices(TEXTS, k=size), "predictions")  # noqa: S311

    def _ask(self, name: str, inputs: str | list[str], field: str) -> None:
        body = {"inputs": inputs}
        with self.client.post("/predict", json=body, name=name, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
                return
            answer = response.json()
            if field not in answer or len(answer.get("predictions", inputs)) != len(inputs):
                response.failure("not an answer to this request")


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the service, print a table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", help="of a deployed API (default: one is started here)")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--environments", type=int, default=2, help="that serve at a time")
    options = parser.parse_args(arguments)
    users = options.environments * USERS_PER_ENVIRONMENT
    if options.url:
        stats, memory = load(options.url, users, options.seconds, None)
    else:
        with serving(options.environments) as (url, server):
            stats, memory = load(url, users, options.seconds, psutil.Process(server.pid))
    show(stats)
    flat = options.url is not None or memory_is_flat(memory)
    return 0 if stats.total.num_requests and not stats.total.num_failures and flat else 1


@contextmanager
def serving(environments: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The whole system on this machine: its URL and its process."""
    command = [sys.executable, "-m", "inference.local", "serve"]
    command += ["--environments", str(environments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            found = (re.search(r"Serving at (http://\S+)", line) for line in process.stdout)
            url = next((url[1] for url in found if url), None)
            if url is None:
                raise SystemExit("the service did not start: see above")
            yield url, process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def load(
    url: str, users: int, seconds: float, server: psutil.Process | None
) -> tuple[RequestStats, list[list[int]]]:
    """Ask for so many seconds: the statistics, and samples of bytes of memory by process."""
    environment = Environment(user_classes=[Client], host=url.rstrip("/"), stop_timeout=30)
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=users)
    time.sleep(WARM_UP_SECONDS)
    environment.stats.reset_all()
    memory: list[list[int]] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(SAMPLE_SECONDS)
        if server:
            memory.append(function_memory(server))
    runner.quit()
    runner.greenlet.join()
    return environment.stats, memory


def function_memory(server: psutil.Process) -> list[int]:
    """Resident bytes of each process that runs the handler."""
    runtimes = [p for p in server.children(recursive=True) if p.name().startswith("python")]
    return [process.memory_info().rss for process in runtimes]


def memory_is_flat(memory: list[list[int]]) -> bool:
    """Print how the memory of all function processes went; whether it did not grow."""
    totals = [sum(sample) for sample in memory]
    quarter = len(totals) // 4
    if not quarter or not all(totals):
        print("memory: too few samples")
        return False
    first, last = statistics.mean(totals[:quarter]), statistics.mean(totals[-quarter:])
    print(
        f"\nmemory of {len(memory[-1])} function processes, first to last quarter: "
        f"{first / 1e6:.1f} to {last / 1e6:.1f} MB, x {last / first:.3f} (at most {MAX_GROWTH})"
    )
    return last <= MAX_GROWTH * first


def show(stats: RequestStats) -> None:
    """Print a row for each kind of request, in milliseconds."""
    heads = "".join(f"{f'p{100 * p:.0f} ms':>9}" for p in PERCENTILES)
    print(f"\n{'':14}{'requests':>10}{'a second':>10}{'errors':>8}{heads}")
    for entry in [*sorted(stats.entries.values(), key=lambda e: e.name), stats.total]:
        times = "".join(f"{entry.get_response_time_percentile(p):9.0f}" for p in PERCENTILES)
        print(
            f"{entry.name:14}{entry.num_requests:10}{entry.total_rps:10.1f}"
            f"{entry.num_failures:8}{times}"
        )
    for error in stats.errors.values():
        print(f"{error.occurrences} x {error.name}: {error.error}")


if __name__ == "__main__":
    sys.exit(main())
