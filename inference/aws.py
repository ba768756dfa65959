"""Create clients of AWS services."""

from typing import Any


def make_client(service: str, *, connect: float, read: float, attempts: int) -> Any:
    """Create a client that gives up in time.

    Args:
        service: Such as ``s3``.
        connect: Seconds to connect.
        read: Seconds without receiving a byte.
        attempts: The most attempts of a call; the pauses between them grow.
    """
    import boto3  # takes 0.1 s, which functions that call no service need not wait for
    from botocore.config import Config

    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    create: Any = boto3.client  # whose overloads want literal names
    return create(service, config=config)
