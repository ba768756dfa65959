"""`textclf demo`, `serve` and `sam-local`: the service on this machine."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from inference.local.checkout import ROOT, SAMPLE_MODEL
from textclf.model_uri import require_bundle


def _name(path: Any) -> str:
    """Show a default path without the folder of the checkout."""
    return str(Path(path).relative_to(ROOT))


Bundle = Annotated[Path, Parameter(help="The folder of the model.", show_default=_name)]
Port = Annotated[
    int,
    Parameter(
        help="The port of the API; by default a free one.",
        validator=validators.Number(gte=0, lte=65535),
        show_default=False,
    ),
]
Environments = Annotated[
    int,
    Parameter(
        help="How many requests are handled at once, each in its own Lambda environment.",
        validator=validators.Number(gte=1),
    ),
]


def demo(*, bundle: Bundle = SAMPLE_MODEL, port: Port = 0, environments: Environments = 2) -> None:
    """Answer the sample requests as Lambda would.

    Starts the whole system on this machine, sends each file in `sample-requests/` and prints what
    comes back. The model is pulled from a local S3 and runs in the real Lambda runtime.

    ```
    textclf demo
    textclf demo --bundle build/mine/bundle
    ```
    """
    from inference.local.samples import send_samples

    with _interruptible(), _system(bundle, port, environments) as url:
        for exchange in send_samples(url):
            print(f"\nPOST /predict  {exchange.file.relative_to(ROOT)}\n{exchange.request}")
            print(f"{exchange.status} in {exchange.milliseconds:.0f} ms")
            print(json.dumps(exchange.answer, indent=2, ensure_ascii=False))


def serve(*, bundle: Bundle = SAMPLE_MODEL, port: Port = 0, environments: Environments = 2) -> None:
    """Serve a bundle as Lambda would, until Ctrl-C.

    The same system as in `textclf demo`, with the page, the documentation and the API on one port.
    Use it to try a bundle before you publish it. Several can run at the same time: each has its own
    port and its own log.

    ```
    textclf serve --port 8080
    textclf serve --bundle build/mine/bundle
    ```
    """
    with _interruptible(), _system(bundle, port, environments) as url:
        _wait(url)


def sam_local(*, bundle: Bundle = SAMPLE_MODEL, port: Port = 0) -> None:
    """Serve `template.yaml` and its image with Docker, until Ctrl-C.

    Builds the image with `sam build` and runs it with `sam local start-api`. It is slower than
    `textclf serve`, and closer to what is deployed: use it to check a change of the image or of
    the template. Docker must be running.

    ```
    textclf sam-local --port 3000
    ```
    """
    # Here, because Docker's client is slow to import.
    from inference.local import sam

    require_bundle(bundle, "--bundle")
    with _interruptible(), sam.sam_local(bundle, port) as url:
        _wait(url)


@contextmanager
def _system(bundle: Path, port: int, environments: int) -> Iterator[str]:
    """Run the local system, say what it is, and give its URL."""
    from inference.local.system import local_system

    require_bundle(bundle, "--bundle")
    with local_system(bundle, port, environments) as system:
        if not system.emulated:
            print("No Lambda emulator runs on this system: the handler runs in a plain process.")
        print(f"Model {system.model_uri}, log in {os.path.relpath(system.log)}")
        yield system.url


@contextmanager
def _interruptible() -> Iterator[None]:
    """End the block in good order on Ctrl-C, SIGTERM, or when the terminal is closed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print("\nstopped")


def _wait(url: str) -> None:
    print(f"Serving at {url} (Ctrl-C stops it); try\n  {_curl(url)}", flush=True)
    signal.pause()


def _curl(url: str) -> str:
    text = '{"inputs": "Life in Mars might be a real possibility"}'
    return f"curl -X POST {url}/predict -H 'Content-Type: application/json' -d '{text}'"
