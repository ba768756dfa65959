"""A local S3: moto's server, which speaks the real protocol."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

from inference.local.emulator import HOST


@contextmanager
def local_s3() -> Iterator[str]:
    """An empty S3 until the block ends; gives the endpoint URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
