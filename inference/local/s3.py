"""A local S3: moto's server, which speaks the real protocol."""

import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from inference.local.emulator import HOST
from inference.model.publish import publish

BUCKET = "models"
STORE = f"s3://{BUCKET}/local"


@contextmanager
def local_s3(address: str = HOST) -> Iterator[str]:
    """Run an empty S3 until the end of the block; gives its endpoint URL."""
    # moto takes half a second to import, and its server logs every request.
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def environment(endpoint: str, **variables: str) -> Iterator[None]:
    """Point this process and its children at a local S3 until the end of the block.

    The user's own AWS settings are hidden meanwhile, so that nothing reaches a real account.

    Args:
        endpoint: The URL of the local S3.
        variables: Further environment variables to set.
    """
    before = dict(os.environ)
    host = urlsplit(endpoint).hostname or HOST
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": host,
        "no_proxy": host,
        **variables,
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def publish_locally(bundle: Path) -> str:
    """Publish a bundle to the S3 that the environment names, and return its model URI.

    Raises:
        BundleError: The folder holds no whole bundle.
    """
    import boto3

    with closing(boto3.client("s3")) as s3:
        s3.create_bucket(Bucket=BUCKET)
        return publish(s3, bundle, STORE)
