"""Load the service with as many requests as it can take, single texts and lists mixed.

    make load                                # the local system, in the real Lambda runtime
    make load URL=https://ID.execute-api.REGION.amazonaws.com
    python -m benchmarks.load --seconds 10

Prints the requests a second and the response times (p50, p95, p99) by kind of request. There is no
peer: the test is that no request fails and that the memory of the function's processes does not
grow. The exit code is 1 otherwise.

The load generator shares the machine with the local system, so leave the machine alone. Throughput
and response times vary with everything else that uses its cores; errors and memory do not.
"""

import json
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import cyclopts
import locust  # patches the waiting functions of the standard library
import psutil
from cyclopts import Parameter
from cyclopts.validators import Number
from locust import constant, task
from locust.env import Environment
from locust.stats import RequestStats

from inference.local.checkout import ROOT, SAMPLE_REQUESTS

TEXTS = [
    text
    for file in ("headline.json", "many.json")
    for inputs in json.loads((SAMPLE_REQUESTS / file).read_text()).values()
    for text in ([inputs] if isinstance(inputs, str) else inputs)
]
LISTS = (2, 8, 32, 128)  # texts in one request
USERS_PER_ENVIRONMENT = 2  # so that a request is always waiting
PERCENTILES = (0.5, 0.95, 0.99)
MAX_GROWTH = 1.05  # of memory, from the first quarter of the samples to the last
SAMPLE_SECONDS = 0.5
WARM_UP_SECONDS = 10  # not counted, until every size of request has occurred


class Client(locust.HttpUser):
    """A user who sends the next request as soon as the last one is answered."""

    wait_time = constant(0)

    @task(4)
    def send_text(self) -> None:
        """Send a single text."""
        self._send("one text", random.choice(TEXTS), "predicted_label")  # noqa: S311

    @task(1)
    def send_list(self) -> None:
        """Send a list."""
        size = random.choice(LISTS)  # noqa: S311
        self._send(f"list of {size}", random.choices(TEXTS, k=size), "predictions")  # noqa: S311

    def _send(self, name: str, inputs: str | list[str], field: str) -> None:
        body = {"inputs": inputs}
        with self.client.post("/predict", json=body, name=name, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
                return
            answer = response.json()
            if field not in answer or len(answer.get("predictions", inputs)) != len(inputs):
                response.failure("not an answer to this request")


def main(
    *,
    url: str = "",
    seconds: Annotated[float, Parameter(validator=Number(gt=0))] = 120,
    environments: Annotated[int, Parameter(validator=Number(gte=1))] = 2,
) -> int:
    """Load the service and print a table; return the exit code.

    Args:
        url: A deployed API. By default, the local system is started.
        seconds: How long to send requests, after warming up.
        environments: The execution environments of the service that work at the same time.
    """
    users = environments * USERS_PER_ENVIRONMENT
    if url:
        stats, memory = load(url, users, seconds, None)
    else:
        with serve(environments) as (local_url, server):
            stats, memory = load(local_url, users, seconds, psutil.Process(server.pid))
    print_table(stats)
    is_flat = bool(url) or check_memory(memory)
    return 0 if stats.total.num_requests and not stats.total.num_failures and is_flat else 1


@contextmanager
def serve(environments: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the local system; yield its URL and its process."""
    # In another process, because what locust patches would change the server, too.
    command = [sys.executable, "-m", "textclf", "serve", "--environments", str(environments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            matches = (re.search(r"Serving at (http://\S+)", line) for line in process.stdout)
            match = next((match for match in matches if match), None)
            if match is None:
                raise SystemExit("the service did not start: see above")
            yield match[1], process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def load(
    url: str, users: int, seconds: float, server: psutil.Process | None
) -> tuple[RequestStats, list[list[int]]]:
    """Send requests, and sample the memory of the function's processes, in bytes."""
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
            memory.append(sample_memory(server))
    runner.quit()
    runner.greenlet.join()
    return environment.stats, memory


def sample_memory(server: psutil.Process) -> list[int]:
    """Return the resident bytes of each process that runs the handler."""
    runtimes = [p for p in server.children(recursive=True) if p.name().startswith("python")]
    return [process.memory_info().rss for process in runtimes]


def check_memory(memory: list[list[int]]) -> bool:
    """Print how the memory of all function processes changed; return whether it did not grow."""
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


def print_table(stats: RequestStats) -> None:
    """Print a row for each kind of request, with times in milliseconds."""
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
    cyclopts.run(main)
