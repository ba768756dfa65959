"""Send X-Ray subsegments to the daemon that Lambda runs next to the function.

The AWS X-Ray SDK reaches its end of support in February 2027, and it adds 9 to 200 ms to every
cold start, depending on how much of it is used. A document in a single datagram is the daemon's
own interface:
https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-daemon
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

UNTRACED = nullcontext()
HEADER = '{"format": "json", "version": 1}\n'


def traced(name: str) -> AbstractContextManager[None]:
    """Add a block of code to the trace of the request, if Lambda samples it.

    There is no request during init, which Lambda traces itself as a whole.
    """
    is_sampled = "Sampled=1" in os.environ.get("_X_AMZN_TRACE_ID", "")
    return _traced(name) if is_sampled else UNTRACED


@contextmanager
def _traced(name: str) -> Iterator[None]:
    started, fault = time.time(), True
    try:
        yield
        fault = False
    finally:
        # A trace must never cost an answer, whether an address or an id has an unknown form or
        # the daemon is missing.
        with suppress(KeyError, OSError, ValueError):
            _send(name, started, fault)


def _send(name: str, started: float, fault: bool) -> None:
    trace = dict(
        field.split("=", 1) for field in os.environ.get("_X_AMZN_TRACE_ID", "").split(";") if field
    )
    if trace.get("Sampled") != "1":
        return
    import secrets  # not when imported, for requests that are not traced
    import socket

    document = {
        "type": "subsegment",
        "name": name,
        "id": secrets.token_hex(8),
        "trace_id": trace["Root"],
        "parent_id": trace["Parent"],
        "start_time": started,
        "end_time": time.time(),
        "fault": fault,
    }
    host, _, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.setblocking(False)
        daemon.sendto((HEADER + json.dumps(document)).encode(), (host, int(port)))
