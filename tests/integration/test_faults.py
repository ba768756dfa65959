"""The specification of fault handling: a table of faults and what each one leads to.

Whatever breaks, a client gets either the right answer or a 503 that says when to try again. It
never gets a wrong answer or the text of an exception. The log names the cause. Once the cause is
gone, the same execution environment answers again without intervention.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import onnx
import pytest
from mypy_boto3_s3 import S3Client

from inference.local.emulator import Emulator, emulator_binary
from inference.model.bundle import read_verified, version_of
from inference.runtime.payload import to_event
from tests.conftest import SAMPLE_MODEL, TinyModel
from tests.integration.conftest import Call
from tests.integration.faults import (
    Fault,
    Network,
    Store,
    changed,
    flip_a_bit,
    missing,
    network,
    refuse_connections,
    truncate,
)

FILES = ["manifest.json", "model.onnx", "model.onnx.data", "tokenizer.json"]
QUESTION = {"inputs": "Fed holds rates"}
UNAVAILABLE = {
    "type": "about:blank",
    "title": "Service Unavailable",
    "status": 503,
    "detail": "The model is not available yet.",
}

Answer = tuple[int, Any]


@pytest.fixture
def store(
    s3: S3Client, s3_endpoint: str, uri: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """A store with the tiny model, behind a network that can break."""
    network = Network(s3_endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", network.url)
    yield Store(s3, network, uri)
    network.stop()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def right(start: Callable[..., Call], tiny_model: TinyModel) -> Answer:
    """The answer of a function that reads the model from disk."""
    return ask(start(tiny_model.bundle.as_uri()))


def ask(call: Call) -> Answer:
    status, headers, answer = call("POST", "/predict", QUESTION)
    assert (status == 503) == ("retry-after" in headers)
    return status, answer


def list_causes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List the logged reasons why the model was not loaded."""
    lines = [vars(record) for record in caplog.records]
    return [line["cause"] for line in lines if line["msg"] == "model not loaded"]


def row(name: str, *columns: Any) -> Any:
    return pytest.param(*columns, id=name)


# ---- A passing fault of the store: clients do not notice it.


@pytest.mark.parametrize(
    "fault",
    [
        row("500 once", network("500 InternalError", once=True)),
        row("503 once", network("503 SlowDown", once=True)),
        row("closed midway once", network("cut", once=True)),
        row("reset midway once", network("reset", once=True)),
        row("slow", network("slow")),
    ],
)
def test_a_passing_fault_is_not_noticed(
    store: Store,
    start: Callable[..., Call],
    right: Answer,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
) -> None:
    with fault(store):
        assert ask(start(store.uri)) == right
    assert list_causes(caplog) == []  # not even at the start, after which a request would try again


# ---- A lasting fault of the store: 503 and a logged cause, until it is repaired.


@pytest.mark.parametrize(
    ("fault", "timeout", "cause"),
    [
        row("403", network("403 AccessDenied"), 8, r"manifest\.json: .*AccessDenied"),
        row("500", network("500 InternalError"), 8, r"manifest\.json: .*InternalError"),
        row("503", network("503 SlowDown"), 8, r"manifest\.json: .*SlowDown"),
        row("connection refused", refuse_connections, 8, r"Could not connect"),
        row("hangs", network("silent"), 1, r"did not arrive within 1 s"),
        row("drips", network("drip"), 1, r"did not arrive within 1 s"),
        row("closed midway", network("cut"), 8, r"manifest\.json: .*bytes expected"),
        row("reset midway", network("reset"), 8, r"manifest\.json: .*Connection reset"),
        row("bit flipped on the way", network("flip"), 8, r"manifest\.json"),
        *(
            row(f"404 {name}", missing(name), 8, rf"{re.escape(name)}: .*NoSuchKey")
            for name in FILES
        ),
        *(
            row(
                f"bit flipped in {name}",
                changed(name, flip_a_bit),
                8,
                f"{re.escape(name)} (is|has)",
            )
            for name in FILES
        ),
        *(
            row(f"truncated {name}", changed(name, truncate), 8, f"{re.escape(name)} (is|has)")
            for name in FILES
        ),
        row(
            "longer than its entry says",
            changed("model.onnx", lambda data: data * 2),
            8,
            r"model\.onnx has \d+ bytes, over \d+",
        ),
        row(
            "manifest of another version",
            changed("manifest.json", lambda _: (SAMPLE_MODEL / "manifest.json").read_bytes()),
            8,
            r"manifest\.json is of version \w+, not \w+",
        ),
    ],
)
def test_a_lasting_fault_is_a_503_until_it_is_repaired(
    store: Store,
    cache: Path,
    start: Callable[..., Call],
    right: Answer,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    timeout: int,
    cause: str,
) -> None:
    # GIVEN a fault that the function starts with
    with fault(store):
        call = start(store.uri, MODEL_TIMEOUT_SECONDS=str(timeout))
        # WHEN it is called
        asked = time.monotonic()
        answer = ask(call)
        # THEN it says in time to try again later, and nothing else
        assert answer == (503, UNAVAILABLE)
        assert time.monotonic() - asked < timeout + 2
    # AND the log names the cause, both for the start and for the request
    assert [bool(re.search(cause, logged)) for logged in list_causes(caplog)] == [True, True]
    # AND nothing unverified is kept
    assert list(cache.iterdir()) == []
    # WHEN the cause is gone THEN the same environment answers correctly
    assert ask(call) == right


def test_a_function_without_its_model_is_not_healthy(
    store: Store, start: Callable[..., Call]
) -> None:
    with store.network.broken("403 AccessDenied"):
        call = start(store.uri)
        assert call("GET", "/health")[::2] == (503, UNAVAILABLE)
    assert call("GET", "/health")[0] == 200


# ---- A verified bundle that is not a classifier: 503 until another one is deployed.


def edit_model(folder: Path, edit: Callable[[onnx.GraphProto], None]) -> None:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    edit(model.graph)
    onnx.save(model, folder / "model.onnx")


def edit_manifest(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def ask_for_token_types(graph: onnx.GraphProto) -> None:
    more = onnx.helper.make_tensor_value_info("token_type_ids", onnx.TensorProto.INT64, ["a", "b"])
    graph.input.append(more)


def move_weights(location: str) -> Callable[[Path], None]:
    """Make the model read its weights from outside the bundle."""

    def rename(graph: onnx.GraphProto) -> None:
        entries = [entry for tensor in graph.initializer for entry in tensor.external_data]
        for entry in entries:
            if entry.key == "location":
                entry.value = location

    def move(folder: Path) -> None:
        (folder / "model.onnx.data").rename(folder.parent / Path(location).name)
        edit_model(folder, rename)

    return move


def make_logits_nan(graph: onnx.GraphProto) -> None:
    graph.node[-1].output[0] = "finite"
    nan = onnx.helper.make_tensor("nan", onnx.TensorProto.FLOAT, [1], [float("nan")])
    graph.initializer.append(nan)
    graph.node.append(onnx.helper.make_node("Mul", ["finite", "nan"], ["logits"]))


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        row(
            "invalid ONNX",
            lambda folder: (folder / "model.onnx").write_bytes(b"no model"),
            r"cannot load the model: .*model\.onnx",
        ),
        row(
            "model with other inputs",
            lambda folder: edit_model(folder, ask_for_token_types),
            r"cannot load the model: .*token_type_ids",
        ),
        row(
            "model whose logits are NaN",
            lambda folder: edit_model(folder, make_logits_nan),
            r"the model's logits are not finite",
        ),
        row(
            "weights that are not listed",
            move_weights("more.data"),
            r"cannot load the model: .*does not exist",
        ),
        row(
            "weights outside the folder",  # where they exist, relative to the cache
            move_weights("../../model.onnx.data"),
            r"cannot load the model: .*escapes model directory",
        ),
        row(
            "more labels than outputs",
            lambda folder: edit_manifest(folder, labels=["a", "b", "c", "d", "e"]),
            r"the model has 4 outputs for 5 labels",
        ),
        row(
            "fewer labels than outputs",
            lambda folder: edit_manifest(folder, labels=["a", "b", "c"]),
            r"the model has 4 outputs for 3 labels",
        ),
        row(
            "invalid tokenizer",
            lambda folder: (folder / "tokenizer.json").write_text("{}"),
            r"cannot load the model: ",
        ),
        row(
            "tokenizer of a larger model",
            lambda folder: shutil.copy(SAMPLE_MODEL / "tokenizer.json", folder),
            r"cannot load the model: .*out of (range|data bounds)",
        ),
        row(
            "tokenizer missing",
            lambda folder: (folder / "tokenizer.json").unlink(),
            r"manifest\.json: .*files lack tokenizer\.json",
        ),
        row(
            "manifest of another schema",
            lambda folder: edit_manifest(folder, schema_version=4),
            r"manifest\.json is of schema 4",
        ),
    ],
)
def test_a_verified_bundle_that_is_not_a_classifier_is_refused(
    s3: S3Client,
    bucket: str,
    start: Callable[..., Call],
    tiny_model: TinyModel,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], None],
    cause: str,
) -> None:
    # GIVEN a bundle that was spoiled before its digests were taken
    folder = tmp_path / "spoiled"
    shutil.copytree(tiny_model.bundle, folder)
    spoil(folder)
    edit_manifest(folder, files=make_entries(folder))
    version = version_of((folder / "manifest.json").read_bytes())
    for file in folder.iterdir():
        s3.upload_file(str(file), bucket, f"{version}/{file.name}")
    # WHEN it is called THEN it says to try again later, and the log names the cause
    call = start(f"s3://{bucket}/{version}")
    assert ask(call) == (503, UNAVAILABLE)
    assert [bool(re.search(cause, logged)) for logged in list_causes(caplog)] == [True, True]


def make_entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Make the entries of a manifest for the files in a folder."""
    return {
        file.name: {"size": file.stat().st_size, "sha256": sha256(file.read_bytes()).hexdigest()}
        for file in folder.iterdir()
        if file.name != "manifest.json"
    }


# ---- The cache on disk: it is always verified, and a warm function does not need it.


@pytest.mark.parametrize(
    "damage",
    [
        row("bit flipped", lambda file: file.write_bytes(flip_a_bit(file.read_bytes()))),
        row("overwritten", lambda file: file.write_bytes(bytes(file.stat().st_size))),
        row("truncated", lambda file: file.write_bytes(truncate(file.read_bytes()))),
        row("deleted", lambda file: file.unlink()),
    ],
)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_cache_is_replaced(
    store: Store,
    cache: Path,
    start: Callable[..., Call],
    right: Answer,
    caplog: pytest.LogCaptureFixture,
    name: str,
    damage: Callable[[Path], None],
) -> None:
    # GIVEN a warm function whose cache was damaged afterwards
    warm = start(store.uri)
    [folder] = cache.iterdir()
    damage(folder / name)
    # WHEN it and a new one are called THEN both answer correctly
    assert ask(warm) == right
    assert ask(start(store.uri)) == right
    # AND the new one needed one attempt only, and the cache is complete again
    assert list_causes(caplog) == []
    assert read_verified(folder, folder.name)


def test_a_complete_cache_needs_no_store(
    store: Store, start: Callable[..., Call], right: Answer
) -> None:
    start(store.uri)
    with refuse_connections(store):
        assert ask(start(store.uri)) == right


def test_a_warm_function_needs_neither_store_nor_cache(
    store: Store, cache: Path, start: Callable[..., Call], right: Answer
) -> None:
    # GIVEN a warm function WHEN its model is deleted from the store and from the disk
    warm = start(store.uri)
    shutil.rmtree(cache)
    for name in FILES:
        store.delete(name)
    # THEN it still answers correctly
    assert ask(warm) == right


def test_the_unfinished_download_of_a_killed_process_is_removed(
    store: Store, cache: Path, start: Callable[..., Call], right: Answer
) -> None:
    # GIVEN a download that was abandoned long ago, and one that may be in progress
    old, fresh = cache / ".pull-old", cache / ".pull-fresh"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    fresh.mkdir()
    # WHEN a function starts THEN only the old one is removed
    assert ask(start(store.uri)) == right
    assert (old.exists(), fresh.exists()) == (False, True)


def test_a_cache_that_is_not_a_folder_is_a_503_until_it_is_one(
    store: Store,
    cache: Path,
    start: Callable[..., Call],
    right: Answer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache.write_text("a file where a folder should be")
    call = start(store.uri)
    assert ask(call) == (503, UNAVAILABLE)
    assert all(f"File exists ({cache})" in cause for cause in list_causes(caplog))
    cache.unlink()
    assert ask(call) == right


# ---- The disk and other processes: in the real Lambda runtime, with a process per environment.


@pytest.fixture
def environment(
    store: Store, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Emulator]]:
    """A way to start an execution environment, with its own disk if necessary."""
    binary = emulator_binary()
    if binary is None:
        pytest.skip("the Lambda runtime emulator runs on Linux only")
    cache.mkdir()
    with ExitStack() as stack:

        def new(mount: str = "") -> Emulator:
            monkeypatch.setenv("MODEL_URI", store.uri)
            monkeypatch.setenv("MODEL_CACHE", str(cache))
            program = on_own_disk(binary, cache, mount) if mount else binary
            emulator = Emulator(program, "inference.api.handler.handler", tmp_path / "log")
            stack.callback(emulator.stop)
            return emulator

        yield new


def on_own_disk(binary: Path, cache: Path, mount: str) -> Path:
    """Write a script that runs a program with its own file system in place of the cache."""
    own = ["unshare", "--map-root-user", "--mount"]
    try:
        subprocess.run([*own, "mount", "-t", "tmpfs", "tmpfs", cache], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this user may not mount a file system: {error}")
    script = cache.with_name("on-own-disk")
    command = f"mount -t tmpfs -o {mount} tmpfs {cache}; echo $$ > {script}.pid; exec {binary}"
    script.write_text(f'#!/bin/sh\nexec {" ".join(own)} sh -ec \'{command} "$@"\' - "$@"\n')
    script.chmod(0o755)
    return script


def ask_runtime(environment: Emulator) -> Answer:
    headers = [("content-type", "application/json")]
    event = to_event("POST", "/predict", headers, json.dumps(QUESTION).encode())
    answer = environment.invoke(event, timeout=30)
    return answer["statusCode"], json.loads(answer["body"])


def test_a_full_disk_is_a_503_until_there_is_room(
    environment: Callable[..., Emulator], cache: Path, right: Answer
) -> None:
    # GIVEN a function with 4 kB left on its disk
    function = environment("size=4M")
    pid = cache.with_name("on-own-disk.pid").read_text().strip()
    filler = Path(f"/proc/{pid}/root{cache}/filler")
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"0" * 4096)
    os.truncate(filler, filler.stat().st_size - 4096)
    # WHEN it is called THEN it says to try again later, and the log says why
    assert ask_runtime(function) == (503, UNAVAILABLE)
    assert "No space left on device" in (cache.with_name("log")).read_text()
    # WHEN there is space again THEN it answers correctly
    filler.unlink()
    assert ask_runtime(function) == right


def test_a_read_only_cache_is_a_503(environment: Callable[..., Emulator], cache: Path) -> None:
    function = environment("ro")
    assert ask_runtime(function) == (503, UNAVAILABLE)
    assert "Read-only file system" in (cache.with_name("log")).read_text()


@pytest.mark.parametrize("damaged", [False, True], ids=["empty cache", "damaged cache"])
def test_simultaneous_environments_share_one_cache(
    environment: Callable[..., Emulator], store: Store, cache: Path, right: Answer, damaged: bool
) -> None:
    # GIVEN two functions that start at the same time with one cache, empty or damaged
    version = store.uri.rpartition("/")[2]
    if damaged:
        (cache / version).mkdir()
        (cache / version / "manifest.json").write_bytes(b"damaged")
    functions = [environment(), environment()]
    # WHEN both are called, and neither gets an object before the other asks for one
    with store.network.broken("meet"), ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask_runtime, functions))
    # THEN both answer correctly at the first attempt, and the cache holds one complete model
    assert answers == [right, right]
    assert "model not loaded" not in cache.with_name("log").read_text()
    assert [path.name for path in cache.iterdir()] == [version]
    assert read_verified(cache / version, version)
