"""A local S3: moto's server, which speaks the real protocol."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moto.server import ThreadedMotoServer

from inference.local.emulator import HOST

ROOT = Path(__file__).parents[2]
SAMPLE_MODEL = ROOT / "data" / "sample-model"


class PublishError(Exception):
    """The model did not get into the local S3."""


@contextmanager
def local_s3(address: str = HOST) -> Iterator[str]:
    """An empty S3 until the block ends; gives the endpoint URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def use_local_s3(endpoint: str) -> None:
    """Make it this process's and its children's S3."""
    # None of the user's own AWS or proxy settings may reach the local store or hide it.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    address = endpoint.removeprefix("http://").partition(":")[0]
    os.environ |= {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": address,
        "no_proxy": address,
    }


def publish(bundle: Path) -> str:
    """Put a bundle into it with the command its users run; gives the model URI.

    Raises:
        PublishError: it did not get there.
    """
    command = [sys.executable, "-m", "inference.model.publish", str(bundle.resolve())]
    command += ["--to", "s3://models/local", "--create-bucket"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PublishError(f"cannot publish {bundle}: {done.stderr.strip()}")
    return done.stdout.split()[-1]
