"""The image and the template in Docker, as `sam local` and a locked-down Lambda run them."""

import gc
import json
import os
import platform
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from inference.local import sam
from inference.local.emulator import free_ports
from inference.model.bundle import read_verified
from operations.image import find_base
from tests.conftest import ROOT, SAMPLE_MODEL
from tests.e2e.conftest import ask

# The stack on this machine has no queue, and so no place for the answers to its messages.
EVENTS = [
    file
    for file in sorted((ROOT / "sample-requests" / "events").glob("*.json"))
    if file.stem != "queue"
]
STATUS = {"blank": 422}  # all others: 200
VERSION = read_verified(SAMPLE_MODEL).version
LIMIT_BYTES = 180_000_000  # on top of the base image
BASE = find_base(ROOT)
START_SECONDS = 200  # of sam and of a container, on a machine that is doing other work


def test_without_docker_one_sentence_says_so_and_no_socket_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a machine on which Docker does not run
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    # WHEN it is needed THEN the error says what to do
    message = "Docker does not answer, start it first"
    with pytest.raises(sam.SamError, match=message), sam.docker_engine():
        pass
    # AND no socket is left for the garbage collector, whose warning would fail this test
    gc.collect()


@pytest.fixture(scope="module")
def engine(outside: None) -> Iterator[Any]:
    with ExitStack() as stack:
        try:
            client = stack.enter_context(sam.docker_engine())
        except sam.SamError:
            pytest.skip("Docker does not run on this machine")
        yield client


@pytest.fixture(scope="module")
def image(engine: Any) -> Any:
    sam.build()
    return engine.images.get(sam.IMAGE)


@pytest.fixture(scope="module")
def parameters(image: Any) -> Iterator[str]:
    """The parameters of the stack for a local S3 with the shipped model."""
    with sam.model_store(SAMPLE_MODEL) as parameters:
        yield parameters


def run(engine: Any, code: str) -> str:
    """Run Python code in the image and return what it prints."""
    command = ["-c", code]
    output: bytes = engine.containers.run(sam.IMAGE, command, entrypoint="python", remove=True)
    return output.decode()


def test_the_image_is_small(engine: Any, image: Any) -> None:
    assert image.attrs["Size"] - engine.images.get(BASE).attrs["Size"] <= LIMIT_BYTES


def test_the_image_holds_what_serves_and_nothing_else(engine: Any, image: Any) -> None:
    code = (
        "import os; print(*(n for f in ('.', 'inference', 'inference/api') for n in os.listdir(f)))"
    )
    names = set(run(engine, code).split())
    assert {"inference", "handler.py", "web", "onnxruntime", "tokenizers"} <= names
    unwanted = {"torch", "transformers", "boto3", "botocore", "huggingface_hub", "pip"}
    assert not names & (unwanted | {"local", "training", "tests", "data", "sample-requests"})


def test_every_file_is_readable_by_all_users_and_compiled(engine: Any, image: Any) -> None:
    code = """
from importlib.util import cache_from_source
from pathlib import Path
files = list(Path("/var/task").rglob("*"))
print(len(files), *(f for f in files if not f.stat().st_mode & 0o4))
print(*(f for f in files if f.suffix == ".py" and not Path(cache_from_source(f)).exists()))
"""
    unreadable, uncompiled = run(engine, code).splitlines()
    assert int(unreadable) > 1000
    assert uncompiled == ""


def test_a_cold_start_compiles_nothing(engine: Any, image: Any) -> None:
    # GIVEN the image
    # WHEN a container imports what the functions run, from the base image and from ours
    code = """
import os, sys
from pathlib import Path
sys.path.append("/var/runtime")
sys.dont_write_bytecode = True
os.environ |= {"MODEL_URI": "file:///none", "AWS_DEFAULT_REGION": "us-east-1"}
import awslambdaric.bootstrap, boto3, inference.api.handler
boto3.client("s3")
files = {module.__cached__ for module in [*sys.modules.values()] if hasattr(module, "__cached__")}
print(len(files), *(file for file in files if file and not Path(file).exists()))
"""
    count, *uncompiled = run(engine, code).splitlines()[-1].split()
    # THEN the bytecode of every module is there
    assert int(count) > 500
    assert uncompiled == []


def test_sam_local_invoke_answers(parameters: str) -> None:
    event = ROOT / "sample-requests" / "events" / "one.json"
    command = [*sam.SAM, "local", "invoke", "Classifier", "--event", str(event)]
    command += ["--parameter-overrides", parameters]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["model_version"] == VERSION


@pytest.fixture(scope="module")
def lambda_address(parameters: str) -> Iterator[str]:
    """Where sam invokes the function in one container, which takes ten seconds to start."""
    (port,) = free_ports(1)
    command = [*sam.SAM, "local", "start-lambda", "--port", str(port)]
    command += ["--warm-containers", "LAZY", "--parameter-overrides", parameters]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stem)
def test_the_function_answers_each_event(lambda_address: str, event: Path) -> None:
    answer = invoke(lambda_address, "Classifier", json.loads(event.read_bytes()))
    if event.stem == "warmer":
        assert answer == {"status": "ok"}
    elif event.stem == "direct":
        assert answer["model_version"] == VERSION
    else:
        assert answer["statusCode"] == STATUS.get(event.stem, 200)
        if answer["statusCode"] == 200:
            assert json.loads(answer["body"])["model_version"] == VERSION


def test_the_image_is_a_container_of_sagemaker(engine: Any, image: Any) -> None:
    # GIVEN the image, started as SageMaker does, with a model where SageMaker puts it
    volumes = {str(SAMPLE_MODEL): {"bind": "/opt/ml/model", "mode": "ro"}}
    container = engine.containers.run(
        sam.IMAGE, ["serve"], detach=True, volumes=volumes, read_only=True, tmpfs={"/tmp": ""}
    )
    try:
        # WHEN it is asked
        code = """
import json, time, urllib.request
for _ in range(200):
    try:
        urllib.request.urlopen("http://127.0.0.1:8080/ping")
        break
    except OSError:
        time.sleep(0.1)
headers = {"Content-Type": "application/json"}
body = json.dumps({"instances": ["Life in Mars might be a real possibility"]}).encode()
request = urllib.request.Request("http://127.0.0.1:8080/invocations", body, headers)
print(urllib.request.urlopen(request).read().decode())
"""
        answer = json.loads(container.exec_run(["python", "-c", code]).output)
        container.stop(timeout=10)
        ended = container.wait()
    finally:
        container.remove(force=True)
    # THEN it answers, and ends when it is told to
    assert answer["model_version"] == VERSION
    assert answer["predictions"][0]["predicted_label"] == "Science"
    assert ended["StatusCode"] == 0


def test_sam_local_answers_over_http(image: Any) -> None:
    with sam.sam_local(SAMPLE_MODEL, port=0) as url:
        answer = ask(url, {"inputs": "Life in Mars might be a real possibility"})
        with urllib.request.urlopen(f"{url}/docs") as page:
            assert page.headers["content-type"].startswith("text/html")
    assert answer["model_version"] == VERSION
    assert answer["predicted_label"] == "Science"


@pytest.mark.skipif(
    platform.system() != "Linux", reason="only on Linux is this machine in the network"
)
def test_a_locked_down_container_that_reaches_only_s3_answers(engine: Any, image: Any) -> None:
    # GIVEN a network without a way out, in which only the S3 of this machine can be reached
    with (
        closed_network(engine) as (network, gateway),
        sam.model_store(SAMPLE_MODEL, gateway) as parameters,
    ):
        given = dict(part.split("=", 1) for part in parameters.split())
        # WHEN the image runs there with no more rights than in Lambda
        container = engine.containers.run(
            sam.IMAGE,
            detach=True,
            network=network,
            read_only=True,
            tmpfs={"/tmp": ""},
            user="993:990",
            mem_limit="1024m",
            cap_drop=["ALL"],
            environment={
                "MODEL_URI": f"{given['ModelStore']}/{given['ModelVersion']}",
                "AWS_ENDPOINT_URL_S3": given["S3EndpointUrl"],
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_DEFAULT_REGION": "us-east-1",
            },
        )
        try:
            container.reload()
            address = container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]
            event = ROOT / "sample-requests" / "events" / "one.json"
            answer = invoke(f"{address}:8080", "function", json.loads(event.read_bytes()))
            code = "import socket; socket.create_connection(('1.1.1.1', 53), 3)"
            outside = container.exec_run(["python", "-c", code])
        finally:
            container.remove(force=True)
    # THEN it answers, and reaches no other address
    assert json.loads(answer["body"])["model_version"] == VERSION
    assert outside.exit_code == 1
    # Depending on its version, Docker drops packets that leave such a network, or has no route.
    assert b"timed out" in outside.output or b"unreachable" in outside.output


@contextmanager
def closed_network(engine: Any) -> Iterator[tuple[str, str]]:
    """Create a network; gives its name and the address of this machine in it."""
    network = engine.networks.create(f"closed-{os.getpid()}", internal=True)
    try:
        network.reload()
        yield network.name, network.attrs["IPAM"]["Config"][0]["Gateway"]
    finally:
        network.remove()


def invoke(address: str, function: str, event: Any) -> Any:
    """Wait for an emulator of Lambda's API, and return the function's answer."""
    url = f"http://{address}/2015-03-31/functions/{function}/invocations"
    request = urllib.request.Request(url, json.dumps(event).encode())
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS) as response:
                return json.load(response)
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
