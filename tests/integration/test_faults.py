"""The fault matrix: what the function does when something breaks, one row a fault.

Whatever breaks, a client gets the right answer or a 503 that says when to come back: never a
wrong answer, never an exception's text. A line of the log names the cause. As soon as the cause
is gone the same execution environment answers, with nobody's help.
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
from inference.local.front_door import to_event
from inference.model.bundle import read_verified, version_of
from tests.conftest import SAMPLE_MODEL, TinyModel
from tests.integration.conftest import Call
from tests.integration.faults import (
    Fault,
    Network,
    Store,
    changed,
    flipped,
    missing,
    network,
    nobody_listens,
    truncated,
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
    """A store with the tiny model, which the function reaches over a network that can break."""
    network = Network(s3_endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", network.url)
    yield Store(s3, network, uri)
    network.stop()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def right(start: Callable[..., Call], tiny_model: TinyModel) -> Answer:
    """The answer that a function gets from the model's own files."""
    return ask(start(tiny_model.bundle.as_uri()))


def ask(call: Call) -> Answer:
    status, headers, answer = call("POST", "/predict", QUESTION)
    assert (status == 503) == ("retry-after" in headers)
    return status, answer


def causes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why the model was not loaded, by the log."""
    found = [vars(record) for record in caplog.records]
    return [line["cause"] for line in found if line["msg"] == "model not loaded"]


def row(name: str, *columns: Any) -> Any:
    return pytest.param(*columns, id=name)


# ---- The store is broken for a moment: nobody notices.


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
def test_a_fault_that_passes_is_not_noticed(
    store: Store,
    start: Callable[..., Call],
    right: Answer,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
) -> None:
    with fault(store):
        assert ask(start(store.uri)) == right
    assert causes(caplog) == []  # not even by the start, for which a request would make up


# ---- The store stays broken: 503, the cause in the log, and no redeploying once it is mended.


@pytest.mark.parametrize(
    ("fault", "timeout", "cause"),
    [
        row("403", network("403 AccessDenied"), 8, r"manifest\.json: .*AccessDenied"),
        row("500", network("500 InternalError"), 8, r"manifest\.json: .*InternalError"),
        row("503", network("503 SlowDown"), 8, r"manifest\.json: .*SlowDown"),
        row("nobody listens", nobody_listens, 8, r"Could not connect"),
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
            row(f"bit flipped in {name}", changed(name, flipped), 8, f"{re.escape(name)} (is|has)")
            for name in FILES
        ),
        *(
            row(f"truncated {name}", changed(name, truncated), 8, f"{re.escape(name)} (is|has)")
            for name in FILES
        ),
        row(
            "longer than it says",
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
def test_a_store_that_stays_broken_is_a_503_until_it_is_mended(
    store: Store,
    cache: Path,
    start: Callable[..., Call],
    right: Answer,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    timeout: int,
    cause: str,
) -> None:
    # GIVEN a fault that is there when the function starts
    with fault(store):
        call = start(store.uri, MODEL_TIMEOUT_SECONDS=str(timeout))
        # WHEN it is asked
        asked = time.monotonic()
        answer = ask(call)
        # THEN it says within its time to come back, and nothing else
        assert answer == (503, UNAVAILABLE)
        assert time.monotonic() - asked < timeout + 2
    # AND the log names the cause, for the start and for the request
    assert [bool(re.search(cause, found)) for found in causes(caplog)] == [True, True]
    # AND nothing that was not verified is kept
    assert list(cache.iterdir()) == []
    # WHEN the cause is gone THEN the same environment gives the right answer
    assert ask(call) == right


def test_without_a_model_the_function_says_that_it_is_not_healthy(
    store: Store, start: Callable[..., Call]
) -> None:
    with store.network.broken("403 AccessDenied"):
        call = start(store.uri)
        assert call("GET", "/health")[::2] == (503, UNAVAILABLE)
    assert call("GET", "/health")[0] == 200


# ---- The bundle is genuine and yet no classifier: 503 until another is deployed.


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
    """Have the model read its weights from a place that is not in the bundle."""

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
            "model of other inputs",
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
            "weights outside the folder",  # they are there, seen from the cache
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
            lambda folder: edit_manifest(folder, schema_version=2),
            r"manifest\.json: schema_version",
        ),
    ],
)
def test_a_genuine_bundle_that_is_no_classifier_is_refused(
    s3: S3Client,
    bucket: str,
    start: Callable[..., Call],
    tiny_model: TinyModel,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], None],
    cause: str,
) -> None:
    # GIVEN a bundle that somebody spoiled before its digests were taken
    folder = tmp_path / "spoiled"
    shutil.copytree(tiny_model.bundle, folder)
    spoil(folder)
    edit_manifest(folder, files=entries(folder))
    version = version_of((folder / "manifest.json").read_bytes())
    for file in folder.iterdir():
        s3.upload_file(str(file), bucket, f"{version}/{file.name}")
    # WHEN it is asked THEN it says to come back, and the log names the cause
    call = start(f"s3://{bucket}/{version}")
    assert ask(call) == (503, UNAVAILABLE)
    assert [bool(re.search(cause, found)) for found in causes(caplog)] == [True, True]


def entries(folder: Path) -> dict[str, dict[str, Any]]:
    """What a manifest says of the files of a folder."""
    return {
        file.name: {"size": file.stat().st_size, "sha256": sha256(file.read_bytes()).hexdigest()}
        for file in folder.iterdir()
        if file.name != "manifest.json"
    }


# ---- The cache on disk: it is never believed, and a warm function does not need it.


@pytest.mark.parametrize(
    "damage",
    [
        row("bit flipped", lambda file: file.write_bytes(flipped(file.read_bytes()))),
        row("overwritten", lambda file: file.write_bytes(bytes(file.stat().st_size))),
        row("truncated", lambda file: file.write_bytes(truncated(file.read_bytes()))),
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
    # GIVEN a warm function, and damage to its cache since
    warm = start(store.uri)
    [folder] = cache.iterdir()
    damage(folder / name)
    # WHEN it and a new one are asked THEN both are right
    assert ask(warm) == right
    assert ask(start(store.uri)) == right
    # AND the new one had no need of a second try, and the cache is whole again
    assert causes(caplog) == []
    assert read_verified(folder, folder.name)


def test_a_whole_cache_needs_no_store(
    store: Store, start: Callable[..., Call], right: Answer
) -> None:
    start(store.uri)
    with nobody_listens(store):
        assert ask(start(store.uri)) == right


def test_a_warm_function_outlives_its_model(
    store: Store, cache: Path, start: Callable[..., Call], right: Answer
) -> None:
    # GIVEN a warm function WHEN its model is gone from the store and from disk
    warm = start(store.uri)
    shutil.rmtree(cache)
    for name in FILES:
        store.delete(name)
    # THEN it is right all the same
    assert ask(warm) == right


def test_what_a_killed_process_left_half_pulled_is_cleared(
    store: Store, cache: Path, start: Callable[..., Call], right: Answer
) -> None:
    # GIVEN a pull that was given up long ago, and one that may still go on
    old, fresh = cache / ".pull-old", cache / ".pull-fresh"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    fresh.mkdir()
    # WHEN a function starts THEN only the old one makes room
    assert ask(start(store.uri)) == right
    assert (old.exists(), fresh.exists()) == (False, True)


def test_a_cache_that_is_no_folder_is_a_503_until_it_is_one(
    store: Store,
    cache: Path,
    start: Callable[..., Call],
    right: Answer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache.write_text("a file where a folder should be")
    call = start(store.uri)
    assert ask(call) == (503, UNAVAILABLE)
    assert all(f"File exists ({cache})" in cause for cause in causes(caplog))
    cache.unlink()
    assert ask(call) == right


# ---- The disk, and neighbours: in the real Lambda runtime, each environment its own process.


@pytest.fixture
def environment(
    store: Store, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Emulator]]:
    """A function that starts an execution environment, on a disk of its own if need be."""
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
    """A program that runs another where the cache is a file system that no one else sees."""
    own = ["unshare", "--map-root-user", "--mount"]
    try:
        subprocess.run([*own, "mount", "-t", "tmpfs", "tmpfs", cache], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this user may not mount a file system of its own: {error}")
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
    # GIVEN a function whose disk is full but for 4 kB
    function = environment("size=4M")
    pid = cache.with_name("on-own-disk.pid").read_text().strip()
    filler = Path(f"/proc/{pid}/root{cache}/filler")
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"0" * 4096)
    os.truncate(filler, filler.stat().st_size - 4096)
    # WHEN it is asked THEN it says to come back, and the log why
    assert ask_runtime(function) == (503, UNAVAILABLE)
    assert "No space left on device" in (cache.with_name("log")).read_text()
    # WHEN there is room again THEN it gives the right answer
    filler.unlink()
    assert ask_runtime(function) == right


def test_a_read_only_cache_is_a_503(environment: Callable[..., Emulator], cache: Path) -> None:
    function = environment("ro")
    assert ask_runtime(function) == (503, UNAVAILABLE)
    assert "Read-only file system" in (cache.with_name("log")).read_text()


@pytest.mark.parametrize("damaged", [False, True], ids=["empty cache", "damaged cache"])
def test_environments_that_race_share_one_cache(
    environment: Callable[..., Emulator], store: Store, cache: Path, right: Answer, damaged: bool
) -> None:
    # GIVEN two functions that start at the same time over one cache, empty or damaged
    version = store.uri.rpartition("/")[2]
    if damaged:
        (cache / version).mkdir()
        (cache / version / "manifest.json").write_bytes(b"damaged")
    functions = [environment(), environment()]
    # WHEN both are asked, and neither gets an object before the other asks for one
    with store.network.broken("meet"), ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask_runtime, functions))
    # THEN both are right, neither had to try twice, and the cache holds one whole model
    assert answers == [right, right]
    assert "model not loaded" not in cache.with_name("log").read_text()
    assert [path.name for path in cache.iterdir()] == [version]
    assert read_verified(cache / version, version)
