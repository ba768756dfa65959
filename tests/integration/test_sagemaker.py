"""A training job without an account: what is sent to SageMaker, run as SageMaker runs it.

The container's `train` command is the real one, from AWS's training toolkit, in the layout that the
platform prepares: channels, hyperparameters as JSON strings, resource configuration.
"""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import venv
from itertools import chain
from pathlib import Path
from typing import Any

import boto3
import pytest
import torch
from botocore.stub import Stubber
from mypy_boto3_s3 import S3Client
from safetensors.torch import load_file

from inference.model.bundle import read_verified
from inference.model.publish import publish
from inference.model.store import fetch
from operations.stack import Stack
from tests.bundles import altered
from tests.conftest import HEADLINES, ROOT, TRAINING, TinyModel
from tests.sagemaker import ROLE
from textclf.app import main
from training.data.examples import DataError
from training.fit.trained_model import open_trained_model
from training.sagemaker.follow import collect
from training.sagemaker.request import METRICS
from training.sagemaker.verdict import judge

pytestmark = pytest.mark.timeout(900)  # whole jobs, one process after the other

TOOLKIT = "sagemaker-training==5.1.4"
INTERRUPTED = 130


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a virtual environment with AWS's toolkit and all packages of the tests."""
    folder = tmp_path_factory.mktemp("toolkit")
    venv.create(folder, with_pip=True)
    where = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", vars=where))
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", TOOLKIT]
    pip += ["setuptools>=77.0.3"]  # torch requires it, and a new environment has an older one
    try:
        done = subprocess.run(pip, capture_output=True, text=True, timeout=200, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"installing {TOOLKIT} takes too long: is the package index reachable?")
    if done.returncode:
        pytest.skip(f"{TOOLKIT} cannot be installed: {done.stderr[-300:]}")
    return folder / "bin"


def upload(s3: S3Client, bucket: str, base: Path) -> None:
    """Upload the sample headlines and the base model."""
    s3.upload_file(str(HEADLINES), bucket, "sets/headlines.csv")
    for file in base.iterdir():
        s3.upload_file(str(file), bucket, f"base/{file.name}")


class SageMaker:
    """Keeps the request of a job; then the user presses Ctrl-C."""

    request: dict[str, Any]

    def create_training_job(self, **request: Any) -> None:
        self.request = request

    def describe_training_job(self, **_: Any) -> None:
        raise KeyboardInterrupt


def start_job(
    monkeypatch: pytest.MonkeyPatch, s3: S3Client, bucket: str, *options: str
) -> dict[str, Any]:
    """Start a job on the sample headlines; return the arguments of CreateTrainingJob."""
    sagemaker = SageMaker()
    clients = {"sagemaker": sagemaker, "s3": s3, "logs": None}
    monkeypatch.setattr("textclf.sagemaker._client", clients.get)
    monkeypatch.setattr("textclf.sagemaker.require_quota", lambda *_: None)
    command = ["sagemaker", "train", "--data", f"s3://{bucket}/sets/headlines.csv"]
    command += ["--output", f"s3://{bucket}/jobs", "--role", ROLE]
    command += ["--base-model", f"s3://{bucket}/base", *TRAINING, *options]
    assert main(command) == INTERRUPTED
    return sagemaker.request


def prepare_container(s3: S3Client, request: dict[str, Any], root: Path) -> dict[str, str]:
    """Do what the platform does before it starts a container; return the environment.

    Of an earlier instance, only the checkpoints are kept.
    """
    for name in ("input", "output", "model", "code"):
        shutil.rmtree(root / name, ignore_errors=True)
    config = root / "input" / "config"
    for folder in (config, root / "output", root / "model", root / "checkpoints"):
        folder.mkdir(parents=True, exist_ok=True)
    names = []
    for channel in request["InputDataConfig"]:
        names.append(channel["ChannelName"])
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        folder = root / "input" / "data" / channel["ChannelName"]
        folder.mkdir(parents=True)
        for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
            s3.download_file(bucket, entry["Key"], str(folder / Path(entry["Key"]).name))
    hyperparameters = json.dumps(request["HyperParameters"]).replace("/opt/ml", str(root))
    (config / "hyperparameters.json").write_text(hyperparameters)
    mode = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
    (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(names, mode)))
    hosts = {"current_host": "localhost", "hosts": ["localhost"], "network_interface_name": "lo"}
    (config / "resourceconfig.json").write_text(json.dumps(hosts))
    return {**os.environ, **request["Environment"], "SAGEMAKER_BASE_DIR": str(root)}


def describe(request: dict[str, Any], bucket: str) -> dict[str, Any]:
    """Describe the completed job as DescribeTrainingJob does."""
    uploaded = {"S3ModelArtifacts": f"s3://{bucket}/jobs/model.tar.gz"}
    return request | {"TrainingJobStatus": "Completed", "ModelArtifacts": uploaded}


def pack_artifact(root: Path) -> bytes:
    """Pack the model folder into a .tar.gz as the platform does."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(root / "model", arcname=".")
    return archive.getvalue()


def test_the_toolkit_runs_the_source_from_s3_to_a_published_bundle(
    toolkit: Path,
    tiny_base: Path,
    s3: S3Client,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN data, base model and the job's source in S3, and the container's layout
    upload(s3, bucket, tiny_base)
    request = start_job(monkeypatch, s3, bucket)
    root = tmp_path / "ml"
    environment = prepare_container(s3, request, root) | {"PIP_NO_INDEX": "1"}
    # WHEN the container is started
    done = subprocess.run(
        [toolkit / "train"], env=environment, capture_output=True, text=True, check=False
    )
    # THEN the requirements were met, and the job printed its metrics
    assert done.returncode == 0, done.stdout + done.stderr
    assert (root / "output" / "success").exists()
    assert "Installing dependencies from requirements.txt" in done.stderr + done.stdout
    assert all(re.search(pattern, done.stdout) for pattern in METRICS.values())
    # THEN serving accepts its bundle, which was made by this very commit
    uri = done.stdout.split("model URI ")[1].split()[0]
    made = fetch(uri, tmp_path / "cache", 10).manifest.training
    assert made["commit"] == request["Environment"]["SOURCE_COMMIT"]
    assert made["settings"]["epochs"] == 25
    # THEN following the job gives the same URI
    s3.put_object(Bucket=bucket, Key="jobs/model.tar.gz", Body=pack_artifact(root))
    assert collect(s3, describe(request, bucket)) == uri


def test_the_toolkit_reports_the_reason_of_a_failure(
    toolkit: Path,
    tiny_base: Path,
    s3: S3Client,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a job on data with a category that the task does not have
    upload(s3, bucket, tiny_base)
    wrong = HEADLINES.read_bytes() + b"1\tA title\tu\tp\tz\ts\th\t1\n"
    s3.put_object(Bucket=bucket, Key="sets/headlines.csv", Body=wrong)
    root = tmp_path / "ml"
    request = start_job(monkeypatch, s3, bucket)
    environment = prepare_container(s3, request, root) | {"PIP_NO_INDEX": "1"}
    # WHEN the container is started
    done = subprocess.run([toolkit / "train"], env=environment, capture_output=True, check=False)
    # THEN it fails and leaves the reason that SageMaker shows
    assert done.returncode != 0
    reason = (root / "output" / "failure").read_text()
    assert reason.startswith("DataError: ")
    assert not (root / "output" / "success").exists()


def start_program(request: dict[str, Any], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start the job's program as the toolkit does, without waiting for it."""
    given = {
        name: json.loads(value)
        for name, value in request["HyperParameters"].items()
        if not name.startswith("sagemaker_")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "training.sagemaker.entry"],
        cwd=ROOT,
        env=environment | {"SM_HPS": json.dumps(given)},
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt(
    program: subprocess.Popen[str], file: Path, after: int, number: signal.Signals
) -> None:
    """Send a signal as soon as a file is newer than a time, and wait for the end."""
    while not file.exists() or file.stat().st_mtime_ns <= after:
        assert program.poll() is None, program.communicate()[1]
        time.sleep(0.01)
    program.send_signal(number)
    program.communicate()


def test_a_job_that_was_interrupted_twice_ends_as_if_it_had_not_been(
    tiny_base: Path,
    tiny_model: TinyModel,
    s3: S3Client,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a job that is isolated from the network, and saves after every step
    upload(s3, bucket, tiny_base)
    options = ["--network-isolation", "--wheels", f"s3://{bucket}/base"]
    request = start_job(monkeypatch, s3, bucket, *options, "--checkpoint-minutes", "0")
    isolated = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    root = tmp_path / "ml"
    saved = root / "checkpoints" / "checkpoint.safetensors"
    # GIVEN a spot instance that is interrupted with notice while it trains
    program = start_program(request, prepare_container(s3, request, root) | isolated)
    interrupt(program, saved, 0, signal.SIGTERM)
    assert program.returncode == INTERRUPTED
    assert not (root / "output" / "failure").exists()
    # GIVEN another one that continues, and is interrupted without notice
    environment = prepare_container(s3, request, root) | isolated
    before = saved.stat().st_mtime_ns
    interrupt(start_program(request, environment), saved, before, signal.SIGKILL)
    assert not (root / "checkpoints" / "training.json").exists()
    # WHEN a third one continues to the end
    program = start_program(request, prepare_container(s3, request, root) | isolated)
    _, errors = program.communicate()
    assert program.returncode == 0, errors
    # THEN weights and int8 model equal those of the same training on this machine
    alone = load_file(tiny_model.folder / "model.safetensors")
    weights = load_file(root / "checkpoints" / "model.safetensors")
    assert all(torch.equal(alone[name], weights[name]) for name in alone)
    for name in ("model.onnx", "model.onnx.data"):
        int8 = root / "model" / "bundle" / name
        assert int8.read_bytes() == (tiny_model.bundle / name).read_bytes()


def test_an_instance_that_finds_a_trained_model_does_not_train_again(
    tiny_base: Path,
    tiny_model: TinyModel,
    s3: S3Client,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a job that was interrupted after its training
    upload(s3, bucket, tiny_base)
    request = start_job(monkeypatch, s3, bucket)
    root = tmp_path / "ml"
    environment = prepare_container(s3, request, root)
    trained = ("training.json", "rows.npz", "model.safetensors", "config.json", "tokenizer.json")
    for name in trained:
        shutil.copy(tiny_model.folder / name, root / "checkpoints")
    # WHEN the next instance starts
    program = start_program(request, environment)
    _, errors = program.communicate()
    assert program.returncode == 0, errors
    # THEN it exports and publishes the model that it found
    for name in trained:
        found = root / "checkpoints" / name
        assert found.read_bytes() == (tiny_model.folder / name).read_bytes()
    version = read_verified(root / "model" / "bundle").version
    assert fetch(f"s3://{bucket}/jobs/models/{version}", tmp_path / "cache", 10)


def test_following_an_isolated_job_publishes_its_bundle(
    tiny_model: TinyModel, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    # GIVEN the artifact of a job that could not publish
    shutil.copytree(tiny_model.bundle, tmp_path / "model" / "bundle")
    s3.put_object(Bucket=bucket, Key="jobs/model.tar.gz", Body=pack_artifact(tmp_path))
    store = {"store": json.dumps(f"s3://{bucket}/models")}
    request = {"HyperParameters": store, "EnableNetworkIsolation": True}
    # WHEN its end is followed THEN its bundle is in the store
    uri = collect(s3, describe(request, bucket))
    assert fetch(uri, tmp_path / "cache", 10).manifest.task == "news"


# Retraining


# A model that was trained for seconds has ties, which int8 can turn over: fewer after more epochs.
LONGER = {"--epochs": "60", "--patience": "60"}


def make_quotas() -> Any:
    """Make a client of Service Quotas for an account with the default quotas."""
    client = boto3.client("service-quotas", region_name="us-east-1")
    stub = Stubber(client)
    stub.add_response("list_service_quotas", {"Quotas": []})
    stub.activate()
    return client


def retrain(
    monkeypatch: pytest.MonkeyPatch,
    s3: S3Client,
    bucket: str,
    root: Path,
    previous: str,
    options: dict[str, str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the job that is prepared for the state machine; return its verdict and record."""
    parameters = {"RetrainingBucket": bucket, "RetrainingRole": ROLE}
    parameters |= {"ModelStore": f"s3://{bucket}/models"}
    stack = Stack("stack", "CREATE_COMPLETE", parameters, {})
    monkeypatch.setattr(Stack, "find", lambda *_: stack)
    clients = {"s3": s3, "service-quotas": make_quotas(), "cloudformation": None}
    monkeypatch.setattr("textclf.sagemaker._client", clients.__getitem__)
    command = ["sagemaker", "prepare", "stack", "--data", f"s3://{bucket}/sets/headlines.csv"]
    command += ["--base-model", f"s3://{bucket}/base"]
    options = dict(zip(TRAINING[::2], TRAINING[1::2], strict=True)) | options
    assert main([*command, *chain.from_iterable(options.items())]) == 0
    body = s3.get_object(Bucket=bucket, Key="stack/retraining/request.json")["Body"].read()
    request = json.loads(body)
    request["HyperParameters"] |= {
        "previous": json.dumps(previous),
        "verdict": json.dumps(f"s3://{bucket}/stack/job/verdict.json"),
    }
    program = start_program(request, prepare_container(s3, request, root))
    _, errors = program.communicate()
    assert program.returncode == 0, errors
    body = s3.get_object(Bucket=bucket, Key="stack/job/verdict.json")["Body"].read()
    return json.loads(body), json.loads((root / "checkpoints" / "training.json").read_text())


@pytest.fixture
def serving(tiny_base: Path, tiny_model: TinyModel, s3: S3Client, bucket: str) -> str:
    """The URI of a published model that serves; its data and base model are in S3, too."""
    upload(s3, bucket, tiny_base)
    return publish(s3, tiny_model.bundle, f"s3://{bucket}/models")


def test_a_retraining_learns_new_rows_and_publishes_a_better_model(
    serving: str, s3: S3Client, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN stories in words that the serving model never saw, a tenth of them held out
    words = {"b": "qqq", "t": "zzz", "e": "xxx", "m": "jjj"}
    rows = [
        f"1\t{word} {word} {word}\tu\tp\t{category}\tnew-{category}-{i}\th\t1\n"
        for i in range(60)
        for category, word in ((c, f"{w} {i}") for c, w in words.items())
    ]
    s3.put_object(Bucket=bucket, Key="stack/new/good.csv", Body="".join(rows).encode())
    # GIVEN a file with a category that the task does not have
    wrong = b"1\tA title\tu\tp\tz\ts\th\t1\n"
    s3.put_object(Bucket=bucket, Key="stack/new/wrong.csv", Body=wrong)
    # WHEN the job runs
    verdict, record = retrain(monkeypatch, s3, bucket, tmp_path / "ml", serving, LONGER)
    # THEN the new model is to be deployed, and is in the store
    assert verdict["deploy"] is True
    uri = f"s3://{bucket}/models/{verdict['version']}"
    manifest = fetch(uri, tmp_path / "cache", 10).manifest
    # THEN it has learnt the new rows, and the verdict says which file was set aside and why
    assert manifest.training["new_rows"] == 240 == record["new_rows"]
    assert "240 new rows in 1 files joined" in verdict["summary"]
    assert "set aside: wrong.csv, line 1: unknown label 'z'" in verdict["summary"]
    # THEN it was compared with the model that serves
    assert f"against {serving[-16:]}" in verdict["summary"]
    # THEN nothing that is published names a folder of this machine
    assert str(tmp_path) not in json.dumps([verdict, manifest.training])


def test_a_retrained_model_that_is_worse_is_not_published(
    serving: str, s3: S3Client, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a job that hardly learns
    rows = b"1\tA new title\tu\tp\tt\tnew\th\t1\n"
    s3.put_object(Bucket=bucket, Key="stack/new/rows.csv", Body=rows)
    # WHEN it runs
    verdict, _ = retrain(monkeypatch, s3, bucket, tmp_path / "ml", serving, {"--epochs": "1"})
    # THEN its model stays out of the store
    assert verdict["deploy"] is False
    assert "difference -" in verdict["summary"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"models/{verdict['version']}/")
    assert listed["KeyCount"] == 0


def test_a_model_that_held_out_other_stories_is_no_yardstick(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN a model that may have learnt the test rows
    other = altered(tiny_model.bundle, tmp_path / "other", training={"split": "random"})
    bundle = read_verified(tiny_model.bundle)
    # WHEN it is compared on them THEN that is an error, which fails the job with its reason
    with pytest.raises(DataError, match="did not hold out the same stories: split"):
        judge(open_trained_model(tiny_model.folder), bundle, other.as_uri())
