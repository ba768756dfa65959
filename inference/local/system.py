"""The whole system on this machine, from the model store to HTTP."""

import fcntl
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inference.local.checkout import BUILD
from inference.local.emulator import emulator_binary, emulators
from inference.local.front_door import front_door
from inference.local.s3 import environment, local_s3, publish_locally

HANDLER = "inference.api.handler.handler"


@dataclass(frozen=True)
class LocalSystem:
    """A running system."""

    url: str
    model_uri: str
    log: Path  # of the function
    emulated: bool  # whether the handler runs in the real Lambda runtime


@contextmanager
def local_system(bundle: Path, port: int, environments: int) -> Iterator[LocalSystem]:
    """Serve a bundle until the end of the block.

    A local S3 holds the bundle, the handler runs in a pool of emulators, and an HTTP server takes
    the place of API Gateway.

    Args:
        bundle: The folder of the model.
        port: Of the HTTP server; 0 for a free one.
        environments: How many requests are handled at once.

    Raises:
        BundleError: The folder holds no whole bundle.
        EmulatorError: An execution environment did not start.
        FrontDoorError: The port cannot be used.
    """
    with (
        reserve_log(BUILD) as log,
        local_s3() as endpoint,
        tempfile.TemporaryDirectory() as cache,
        environment(endpoint),
    ):
        uri = publish_locally(bundle)
        with (
            environment(endpoint, MODEL_URI=uri, MODEL_CACHE=cache),
            emulators(HANDLER, environments, log) as pool,
            front_door(pool, port) as url,
        ):
            yield LocalSystem(url, uri, log, emulator_binary() is not None)


@contextmanager
def reserve_log(folder: Path) -> Iterator[Path]:
    """Reserve an empty log that no other running system writes to, until the end of the block.

    The first one is ``function.log``, and the next ``function-2.log``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = folder / ("function.log" if number == 1 else f"function-{number}.log")
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            file.truncate(0)
            yield path
            return
