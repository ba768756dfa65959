"""Measure what the first answer of a container takes, and how much of the image it uses.

    make build                                                   # or: sam build
    python -m benchmarks.image_start                             # classifier:latest
    python -m benchmarks.image_start classifier:latest classifier:before --runs 5

Each image answers one ``POST /predict`` in the real runtime, with the shipped model in a local S3.
The images take turns, and the figures are medians:

- ``seconds``: from ``docker run`` until the answer is there;
- ``touched``: the bytes of the image's files that it used, and how many files they are in. Lambda
  loads an image in parts when they are used (Brooker et al. 2023, https://arxiv.org/abs/2305.13162),
  so a cold start may wait for these bytes. Of libraries, only the pages that processes have mapped
  count, which the kernel does for 16 at a time; how far it reads ahead does not matter. Other files
  are read from beginning to end. The emulator of the runtime is left out: Lambda does not run it.

Before each start, the page cache forgets the image's files. That takes root and Docker's storage
driver overlay2. Leave other containers of these images stopped.
"""

import ctypes
import json
import mmap
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import cyclopts
import docker
from cyclopts import Parameter
from cyclopts.validators import Number

from benchmarks.speed.requests import make_event
from inference.local.checkout import ROOT, SAMPLE_MODEL
from inference.local.emulator import HOST, free_ports
from inference.local.sam import IMAGE, docker_engine, model_store

TEXT = "Life in Mars might be a real possibility"
INVOKE = "2015-03-31/functions/function/invocations"
PORT = 8080  # of the runtime interface emulator, which the base image has
EMULATOR = "/usr/local/bin/aws-lambda-rie"
PATIENCE = 300  # seconds
SHOWN = 16  # folders
PACKAGES = "site-packages"
LIBC = ctypes.CDLL(None, use_errno=True)

Count = Annotated[int, Parameter(validator=Number(gte=1))]


@dataclass(frozen=True)
class Start:
    """What the first answer of a container took."""

    seconds: float
    touched: Counter[str]  # bytes by file


def main(images: Annotated[list[str] | None, Parameter()] = None, /, *, runs: Count = 5) -> None:
    """Measure the first answer of containers.

    Args:
        images: The images, by default the one that ``sam build`` made.
        runs: How often each image starts.
    """
    names = images or [IMAGE]
    starts: dict[str, list[Start]] = {name: [] for name in names}
    with docker_engine() as engine, model_store(SAMPLE_MODEL) as parameters:
        for _ in range(runs):
            for name in names:
                starts[name].append(start(engine, name, parameters))
    print(f"{'':32}{'seconds':>10}{'MB touched':>12}{'files':>8}")
    for name, several in starts.items():
        seconds = statistics.median(one.seconds for one in several)
        size = statistics.median(one.touched.total() for one in several) / 1e6
        files = statistics.median(len(one.touched) for one in several)
        print(f"{name:32}{seconds:10.2f}{size:12.1f}{files:8.0f}")
    for name, several in starts.items():
        print(f"\n{name}, MB touched by folder")
        for folder, size in by_folder(several[-1].touched).most_common(SHOWN):
            print(f"  {folder:48}{size / 1e6:8.1f}")


def start(engine: docker.DockerClient, image: str, parameters: str) -> Start:
    """Start a container of an image, and wait for its first answer."""
    layers = list(find_layers(engine, image))
    files = [file for layer in layers for file in list_files(layer)]
    for file in files:
        forget(file)
    (port,) = free_ports(1)
    started = time.perf_counter()
    container: Any = engine.containers.run(
        image,
        environment=to_environment(parameters),
        ports={PORT: (HOST, port)},
        detach=True,
    )
    try:
        answer = ask(port, make_event(TEXT))
        seconds = time.perf_counter() - started
        assert answer["statusCode"] == 200, answer
        mapped = read_mapped(container)
        cached = {strip(file, layers): count_cached(file) for file in files}
    finally:
        container.remove(force=True)
    touched = {name: mapped.get(name, size) for name, size in cached.items() if size}
    touched.pop(EMULATOR, None)
    return Start(seconds, Counter(touched))


def read_mapped(container: Any) -> dict[str, int]:
    """Return the bytes of each file that the processes of a container have mapped and used."""
    titles, processes = (container.top()[name] for name in ("Titles", "Processes"))
    sizes: dict[str, int] = {}
    for process in processes:
        of_process: Counter[str] = Counter()
        name = ""
        for line in Path("/proc", process[titles.index("PID")], "smaps").read_text().splitlines():
            first, *rest = line.split()
            if not first.endswith(":"):  # the range of a mapping, then four fields, then its file
                name = rest[4] if len(rest) > 4 else ""
            elif first == "Rss:" and name.startswith("/"):
                of_process[name] += 1024 * int(rest[0])
        sizes = {one: max(sizes.get(one, 0), of_process[one]) for one in {*sizes, *of_process}}
    return sizes


def to_environment(parameters: str) -> dict[str, str]:
    """Return the variables of a function of the stack with these parameters."""
    values = dict(pair.split("=", 1) for pair in parameters.split())
    return {
        "MODEL_URI": f"{values['ModelStore']}/{values['ModelVersion']}",
        "AWS_ENDPOINT_URL_S3": values["S3EndpointUrl"],
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "classifier",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "MODEL_TIMEOUT_SECONDS": str(PATIENCE),  # what is slow here should be slow, not fail
    }


def ask(port: int, event: dict[str, Any]) -> Any:
    """Send the event until the emulator listens, and return the answer."""
    request = Request(f"http://{HOST}:{port}/{INVOKE}", json.dumps(event).encode())
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urlopen(request, timeout=PATIENCE) as response:
                return json.load(response)
        except (URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def find_layers(engine: docker.DockerClient, image: str) -> Iterator[Path]:
    """Yield the folders of an image's layers on this machine."""
    driver = engine.images.get(image).attrs["GraphDriver"]
    folders = driver["Data"]
    for name in ("UpperDir", "LowerDir"):
        for folder in folders.get(name, "").split(":"):
            if folder:
                yield Path(folder)


def list_files(folder: Path) -> Iterator[Path]:
    """Yield the regular files in a folder that have content."""
    for parent, _, names in os.walk(folder):
        for name in names:
            file = Path(parent, name)
            if file.is_file() and not file.is_symlink() and file.stat().st_size:
                yield file


def forget(file: Path) -> None:
    """Drop a file from the page cache."""
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def count_cached(file: Path) -> int:
    """Count the bytes of a file that are in the page cache, in whole pages."""
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        with mmap.mmap(opened.fileno(), size, flags=mmap.MAP_PRIVATE) as mapped:
            pages = -(-size // mmap.PAGESIZE)
            resident = (ctypes.c_ubyte * pages)()
            place = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
            if LIBC.mincore(ctypes.c_void_p(place), ctypes.c_size_t(size), resident):
                raise OSError(ctypes.get_errno(), "mincore", str(file))
            return mmap.PAGESIZE * sum(page & 1 for page in resident)


def strip(file: Path, layers: list[Path]) -> str:
    """Return the path of a file in the image."""
    for layer in layers:
        if file.is_relative_to(layer):
            return f"/{file.relative_to(layer)}"
    return str(file)


def by_folder(touched: Counter[str]) -> Counter[str]:
    """Sum the bytes by folder: of a package, or else of the system."""
    sums: Counter[str] = Counter()
    for name, size in touched.items():
        parts = Path(name).parts
        depth = 4 if parts[:3] == ("/", "var", "task") else 5
        if PACKAGES in parts:
            depth = parts.index(PACKAGES) + 2
        sums["/".join(("", *parts[1 : min(depth, len(parts) - 1)]))] += size
    return sums


if __name__ == "__main__":
    os.chdir(ROOT)
    cyclopts.run(main)
