"""The stack of template.yaml on this machine: the image in Docker, a model in S3."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException

from inference.local.emulator import HOST, free_ports
from inference.local.s3 import ROOT, local_s3, publish, use_local_s3

IMAGE = "classifier:latest"  # as `sam build` names it
SAM = (sys.executable, "-m", "samcli")
START_SECONDS = 60


class SamError(Exception):
    """The stack does not run here; the message says why."""


@contextmanager
def sam_local(bundle: Path, port: int) -> Iterator[str]:
    """``sam build`` and ``sam local start-api`` until the block ends; gives the URL.

    Args:
        bundle: what is served.
        port: 0 for a free one.

    Raises:
        SamError: there is no Docker, or a step failed; what sam itself said is on the terminal.
    """
    port = port or free_ports(1)[0]
    build()
    with model_store(bundle) as parameters:
        command = [*SAM, "local", "start-api", "--port", str(port)]
        command += ["--parameter-overrides", parameters]
        # In a session of its own: a Ctrl-C in the terminal reaches only this process.
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        try:
            _await(process, port)
            yield f"http://{HOST}:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def build() -> None:
    """Build the image.

    Raises:
        SamError: it cannot be built.
    """
    os.environ["SAM_CLI_TELEMETRY"] = "0"
    if subprocess.run([*SAM, "build"], cwd=ROOT, check=False).returncode:
        raise SamError("sam build failed: see above")


@contextmanager
def model_store(bundle: Path, address: str | None = None) -> Iterator[str]:
    """An S3 with a bundle that containers reach; gives the stack's parameters.

    Args:
        bundle: the folder of the model.
        address: at which containers reach this machine, if it is known.
    """
    address = address or _host_address()
    with local_s3(_listening_address(address)) as endpoint:
        use_local_s3(endpoint)
        port = endpoint.rpartition(":")[2]
        store, _, version = publish(bundle).rpartition("/")
        yield (f"ModelStore={store} ModelVersion={version} S3EndpointUrl=http://{address}:{port}")


def _host_address() -> str:
    """The IP address at which containers reach this machine."""
    look_up = "import socket; print(socket.gethostbyname('host.docker.internal'))"
    try:
        answer: bytes = docker.from_env().containers.run(
            IMAGE,
            ["-c", look_up],
            entrypoint="python",
            extra_hosts={"host.docker.internal": "host-gateway"},
            remove=True,
        )
    except DockerException as error:
        raise SamError(f"Docker does not run the image: {error}") from error
    return answer.decode().strip()


def _listening_address(address: str) -> str:
    """Where to listen for containers that go to an address.

    That very one; or the loopback, to which Docker passes them on where it runs in a virtual
    machine and the address is that machine's.
    """
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return HOST
    return address


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise SamError("sam local start-api did not start: see above")
