"""The stack of template.yaml on this machine: the image in Docker, the model in a local S3."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import docker
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.utils import kwargs_from_env, parse_host

from inference.errors import TextClassifierError
from inference.local.checkout import ROOT
from inference.local.emulator import HOST, free_ports
from inference.local.s3 import environment, local_s3, publish_locally

IMAGE = "classifier:latest"  # as `sam build` names it
SAM = (sys.executable, "-m", "samcli")
START_SECONDS = 60


class SamError(TextClassifierError):
    """The stack does not run on this machine."""


@contextmanager
def sam_local(bundle: Path, port: int) -> Iterator[str]:
    """Run ``sam build`` and ``sam local start-api`` until the end of the block; gives the URL.

    Args:
        bundle: The folder of the model.
        port: 0 for a free one.

    Raises:
        SamError: Docker does not answer or a step failed; sam itself prints the details.
    """
    port = port or free_ports(1)[0]
    build()
    with model_store(bundle) as parameters:
        command = [*SAM, "local", "start-api", "--port", str(port)]
        command += ["--parameter-overrides", parameters]
        # In its own session, Ctrl-C in the terminal does not reach sam; this process stops it.
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"SAM_CLI_TELEMETRY": "0"}, start_new_session=True
        )
        try:
            _await_port(process, port)
            yield f"http://{HOST}:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def build() -> None:
    """Build the image.

    Raises:
        SamError: The build failed.
    """
    variables = os.environ | {"SAM_CLI_TELEMETRY": "0"}
    if subprocess.run([*SAM, "build"], cwd=ROOT, env=variables, check=False).returncode:
        raise SamError("sam build failed: see its output above")


@contextmanager
def model_store(bundle: Path, address: str | None = None) -> Iterator[str]:
    """Run an S3 with a bundle for containers to reach; gives the stack's parameters.

    Args:
        bundle: The folder of the model.
        address: At which containers reach this machine; Docker is asked by default.
    """
    address = address or _host_address()
    with local_s3(_listening_address(address)) as endpoint, environment(endpoint):
        port = urlsplit(endpoint).port
        store, _, version = publish_locally(bundle).rpartition("/")
        yield f"Access=public ModelStore={store} ModelVersion={version} S3EndpointUrl=http://{address}:{port}"


@contextmanager
def docker_engine() -> Iterator[docker.DockerClient]:
    """Connect to Docker, and disconnect at the end of the block.

    Raises:
        SamError: Docker does not answer.
    """
    try:
        _require_docker_socket()
        engine = docker.from_env()
    except (DockerException, OSError) as error:
        raise SamError(f"Docker does not answer, start it first: {error}") from error
    with closing(engine):
        yield engine


def _require_docker_socket() -> None:
    """Raise OSError when nothing listens on Docker's Unix socket.

    Where Docker does not run, its client never closes the socket that it tried to connect.
    """
    address = {**ContextAPI.kwargs_from_context(), **kwargs_from_env()}.get("base_url")
    url = urlsplit(parse_host(address))
    if url.scheme == "http+unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(url.path)


def _host_address() -> str:
    """Find the IP address at which containers reach this machine."""
    look_up = "import socket; print(socket.gethostbyname('host.docker.internal'))"
    with docker_engine() as engine:
        try:
            output: bytes = engine.containers.run(
                IMAGE,
                ["-c", look_up],
                entrypoint="python",
                extra_hosts={"host.docker.internal": "host-gateway"},
                remove=True,
            )
        except DockerException as error:
            raise SamError(f"Docker does not run the image: {error}") from error
    return output.decode().strip()


def _listening_address(address: str) -> str:
    """Find where to listen for containers that connect to an address.

    Usually at that address itself. Where Docker runs in a virtual machine, the address is that
    machine's, and Docker passes the connections on to the loopback interface.
    """
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return HOST
    return address


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise SamError("sam local start-api did not start: see its output above")
