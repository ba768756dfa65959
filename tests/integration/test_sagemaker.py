"""A training job without an account: what is sent to SageMaker, run as SageMaker runs it.

The container's `train` command is the real one, of AWS's training toolkit, in the layout that the
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
from pathlib import Path
from typing import Any

import pytest
import torch
from mypy_boto3_s3 import S3Client
from safetensors.torch import load_file

from inference.model.publish import publish
from inference.model.store import fetch
from tests.conftest import HEADLINES, ROOT, TRAINING, TinyModel
from tests.integration.test_compare import altered
from training.data.examples import DataError
from training.evaluate.evaluation import open_run
from training.fit import train
from training.sagemaker import entry as sagemaker_entry
from training.sagemaker import job as sagemaker_job
from training.sagemaker import retraining
from training.sagemaker.request import METRICS
from training.sagemaker.verdict import judge

pytestmark = pytest.mark.timeout(900)  # whole jobs, one process after the other

TOOLKIT = "sagemaker-training==5.1.4"
ROLE = "arn:aws:iam::123456789012:role/training"


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a virtual environment with AWS's toolkit, and with all that tests have."""
    folder = tmp_path_factory.mktemp("toolkit")
    venv.create(folder, with_pip=True)
    where = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", vars=where))
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", TOOLKIT]
    pip += ["setuptools>=77.0.3"]  # torch asks for it, and a new environment has an older one
    try:
        done = subprocess.run(pip, capture_output=True, text=True, timeout=200, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"installing {TOOLKIT} takes too long: is the package index reachable?")
    if done.returncode:
        pytest.skip(f"{TOOLKIT} cannot be installed: {done.stderr[-300:]}")
    return folder / "bin"


def upload(s3: S3Client, bucket: str, base: Path) -> None:
    """The sample headlines and the model to start from."""
    s3.upload_file(str(HEADLINES), bucket, "sets/headlines.csv")
    for file in base.iterdir():
        s3.upload_file(str(file), bucket, f"base/{file.name}")


def asked_of_sagemaker(s3: S3Client, bucket: str, *options: str) -> dict[str, Any]:
    """The arguments of CreateTrainingJob for a job on the sample headlines."""
    arguments = ["--data", f"s3://{bucket}/sets/headlines.csv", "--output", f"s3://{bucket}/jobs"]
    arguments += ["--role", ROLE, "--base-model", f"s3://{bucket}/base", *TRAINING, *options]
    sent: list[dict[str, Any]] = []

    class SageMaker:
        def create_training_job(self, **asked: Any) -> None:
            sent.append(asked)

    parsed, others = sagemaker_job.option_parser().parse_known_args(arguments)
    job, settings = sagemaker_job.plan(parsed, others)
    sagemaker_job.start(SageMaker(), s3, job, settings)
    return sent[0]


def prepare(s3: S3Client, asked: dict[str, Any], root: Path) -> dict[str, str]:
    """Do what the platform does before it starts a container; gives the variables it sets.

    Of an instance before, only the checkpoints are there.
    """
    for name in ("input", "output", "model", "code"):
        shutil.rmtree(root / name, ignore_errors=True)
    config = root / "input" / "config"
    for folder in (config, root / "output", root / "model", root / "checkpoints"):
        folder.mkdir(parents=True, exist_ok=True)
    names = []
    for channel in asked["InputDataConfig"]:
        names.append(channel["ChannelName"])
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        folder = root / "input" / "data" / channel["ChannelName"]
        folder.mkdir(parents=True)
        for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
            s3.download_file(bucket, entry["Key"], str(folder / Path(entry["Key"]).name))
    here = json.dumps(asked["HyperParameters"]).replace("/opt/ml", str(root))
    (config / "hyperparameters.json").write_text(here)
    mode = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
    (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(names, mode)))
    hosts = {"current_host": "localhost", "hosts": ["localhost"], "network_interface_name": "lo"}
    (config / "resourceconfig.json").write_text(json.dumps(hosts))
    return {**os.environ, **asked["Environment"], "SAGEMAKER_BASE_DIR": str(root)}


def described(asked: dict[str, Any], bucket: str) -> dict[str, Any]:
    """What DescribeTrainingJob then says of a job that has completed."""
    uploaded = {"S3ModelArtifacts": f"s3://{bucket}/jobs/model.tar.gz"}
    return asked | {"TrainingJobStatus": "Completed", "ModelArtifacts": uploaded}


def artifact(root: Path) -> bytes:
    """The .tar.gz that the platform makes of the model folder."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(root / "model", arcname=".")
    return archive.getvalue()


def test_the_toolkit_runs_the_source_from_s3_to_a_published_bundle(
    toolkit: Path, tiny_base: Path, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    # GIVEN data, base model and the job's source in S3, and the container's layout
    upload(s3, bucket, tiny_base)
    asked = asked_of_sagemaker(s3, bucket)
    root = tmp_path / "ml"
    variables = prepare(s3, asked, root) | {"PIP_NO_INDEX": "1"}
    # WHEN the container is started
    done = subprocess.run(
        [toolkit / "train"], env=variables, capture_output=True, text=True, check=False
    )
    # THEN the requirements were there, and the job says what it made
    assert done.returncode == 0, done.stdout + done.stderr
    assert (root / "output" / "success").exists()
    assert "Installing dependencies from requirements.txt" in done.stderr + done.stdout
    assert all(re.search(pattern, done.stdout) for pattern in METRICS.values())
    uri = done.stdout.split("model URI ")[1].split()[0]
    # THEN it is what serving accepts, made by this very commit
    made = fetch(uri, tmp_path / "cache", 10).manifest.training
    assert made["commit"] == asked["Environment"]["SOURCE_COMMIT"]
    assert made["settings"]["epochs"] == 25
    # THEN whoever follows the job gets the same URI out of its artifact
    s3.put_object(Bucket=bucket, Key="jobs/model.tar.gz", Body=artifact(root))
    assert sagemaker_job.collect(s3, described(asked, bucket)) == uri


def test_the_toolkit_reports_the_reason_of_a_failure(
    toolkit: Path, tiny_base: Path, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    # GIVEN a job on data with a category that the task does not have
    upload(s3, bucket, tiny_base)
    wrong = HEADLINES.read_bytes() + b"1\tA title\tu\tp\tz\ts\th\t1\n"
    s3.put_object(Bucket=bucket, Key="sets/headlines.csv", Body=wrong)
    root = tmp_path / "ml"
    variables = prepare(s3, asked_of_sagemaker(s3, bucket), root) | {"PIP_NO_INDEX": "1"}
    # WHEN the container is started THEN it fails, with what SageMaker shows as the reason
    done = subprocess.run([toolkit / "train"], env=variables, capture_output=True, check=False)
    assert done.returncode != 0
    reason = (root / "output" / "failure").read_text()
    assert reason.startswith("DataError: ")
    assert not (root / "output" / "success").exists()


def enter(asked: dict[str, Any], variables: dict[str, str]) -> subprocess.Popen[str]:
    """Start the entry point as the toolkit does, without waiting for it."""
    given = {name: json.loads(value) for name, value in asked["HyperParameters"].items()}
    command = [sys.executable, "-m", "training.sagemaker.entry"]
    for name, value in given.items():
        if not name.startswith("sagemaker_"):
            command += [f"--{name}", str(value)]
    return subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True)


def interrupt(run: subprocess.Popen[str], when: Path, number: signal.Signals) -> None:
    """Send a signal as soon as a file is there, and wait for the end."""
    while not when.exists():
        assert run.poll() is None, run.communicate()[1]
        time.sleep(0.01)
    run.send_signal(number)
    run.communicate()


def test_a_job_that_was_taken_away_twice_ends_as_if_left_alone(
    tiny_base: Path, tiny_model: TinyModel, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    # GIVEN a job that is cut off from S3, and saves after every step
    upload(s3, bucket, tiny_base)
    options = ["--network-isolation", "--wheels", f"s3://{bucket}/base"]
    asked = asked_of_sagemaker(s3, bucket, *options, "--checkpoint-minutes", "0")
    cut_off = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    root = tmp_path / "ml"
    best = root / "checkpoints" / "model.safetensors"
    # GIVEN a spot instance that is taken away with notice, as it trains
    run = enter(asked, prepare(s3, asked, root) | cut_off)
    interrupt(run, best, signal.SIGTERM)
    assert run.returncode == train.INTERRUPTED
    assert not (root / "output" / "failure").exists()
    # GIVEN another that goes on, and is taken away without notice
    variables = prepare(s3, asked, root) | cut_off
    best.unlink()
    interrupt(enter(asked, variables), best, signal.SIGKILL)
    assert not (root / "checkpoints" / "training.json").exists()
    # WHEN a third goes on to the end
    run = enter(asked, prepare(s3, asked, root) | cut_off)
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    # THEN its weights and its int8 model are those of the same training left alone on this machine
    alone = load_file(tiny_model.folder / "model.safetensors")
    weights = load_file(best)
    assert all(torch.equal(alone[name], weights[name]) for name in alone)
    for name in ("model.onnx", "model.onnx.data"):
        int8 = root / "model" / "bundle" / name
        assert int8.read_bytes() == (tiny_model.bundle / name).read_bytes()


def test_the_bundle_of_an_isolated_job_is_published_by_who_follows(
    tiny_model: TinyModel, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    # GIVEN the artifact of a job that could not publish
    shutil.copytree(tiny_model.bundle, tmp_path / "model" / "bundle")
    s3.put_object(Bucket=bucket, Key="jobs/model.tar.gz", Body=artifact(tmp_path))
    store = {"store": json.dumps(f"s3://{bucket}/models")}
    asked = {"HyperParameters": store, "EnableNetworkIsolation": True}
    # WHEN its end is followed THEN its bundle is in the store
    uri = sagemaker_job.collect(s3, described(asked, bucket))
    assert fetch(uri, tmp_path / "cache", 10).manifest.task == "news"


# Retraining


# A model of seconds has ties, which int8 turns over: fewer after more of them.
LONGER = ["--epochs", "60", "--patience", "60"]


def retrain(
    s3: S3Client, bucket: str, root: Path, previous: str, *options: str
) -> tuple[dict[str, Any], str]:
    """Run the job that is prepared for the state machine; its verdict and what it printed."""
    arguments = ["--data", f"s3://{bucket}/sets/headlines.csv", "--output", f"s3://{bucket}/stack"]
    arguments += ["--role", ROLE, "--store", f"s3://{bucket}/models", *TRAINING, *options]
    arguments += ["--base-model", f"s3://{bucket}/base"]
    retraining.prepare(
        s3, *sagemaker_job.plan(*sagemaker_job.option_parser().parse_known_args(arguments))
    )
    body = s3.get_object(Bucket=bucket, Key="stack/retraining/request.json")["Body"].read()
    asked = json.loads(body)
    asked["HyperParameters"] |= {
        "previous": json.dumps(previous),
        "verdict": json.dumps(f"s3://{bucket}/stack/job/verdict.json"),
    }
    run = enter(asked, prepare(s3, asked, root))
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    body = s3.get_object(Bucket=bucket, Key="stack/job/verdict.json")["Body"].read()
    return json.loads(body), (root / "checkpoints" / "training.json").read_text()


def test_a_retraining_learns_new_rows_and_publishes_what_is_better(
    tiny_base: Path, tiny_model: TinyModel, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    # GIVEN a model that serves, and stories in words that it never saw, a tenth of them held out
    upload(s3, bucket, tiny_base)
    previous = publish(s3, tiny_model.bundle, f"s3://{bucket}/models")
    words = {"b": "qqq", "t": "zzz", "e": "xxx", "m": "jjj"}
    rows = [
        f"1\t{word} {word} {word}\tu\tp\t{category}\tnew-{category}-{i}\th\t1\n"
        for i in range(60)
        for category, word in ((c, f"{w} {i}") for c, w in words.items())
    ]
    s3.put_object(Bucket=bucket, Key="stack/new/good.csv", Body="".join(rows).encode())
    # GIVEN a file with a category that the task does not know
    wrong = b"1\tA title\tu\tp\tz\ts\th\t1\n"
    s3.put_object(Bucket=bucket, Key="stack/new/wrong.csv", Body=wrong)
    # WHEN the job runs
    verdict, record = retrain(s3, bucket, tmp_path / "ml", previous, *LONGER)
    # THEN the new model is to be deployed, and is in the store
    assert verdict["deploy"] is True
    uri = f"s3://{bucket}/models/{verdict['version']}"
    manifest = fetch(uri, tmp_path / "cache", 10).manifest
    # THEN it has learnt the new rows, and the verdict says which file was set aside and why
    assert manifest.training["new_rows"] == 240 == json.loads(record)["new_rows"]
    assert "240 new rows in 1 files joined" in verdict["summary"]
    assert "set aside: wrong.csv, line 1: unknown category 'z'" in verdict["summary"]
    # THEN it was tested on rows that the other one had held out too
    assert f"against {previous[-16:]}" in verdict["summary"]
    assert str(tmp_path) not in json.dumps([verdict, manifest.training])


def test_a_retrained_model_that_is_worse_is_not_published(
    tiny_base: Path, tiny_model: TinyModel, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    # GIVEN a good model that serves, and a job that hardly learns
    upload(s3, bucket, tiny_base)
    previous = publish(s3, tiny_model.bundle, f"s3://{bucket}/models")
    rows = b"1\tA new title\tu\tp\tt\tnew\th\t1\n"
    s3.put_object(Bucket=bucket, Key="stack/new/rows.csv", Body=rows)
    # WHEN it runs
    verdict, _ = retrain(s3, bucket, tmp_path / "ml", previous, "--epochs", "1")
    # THEN its model stays out of the store
    assert verdict["deploy"] is False
    assert "difference -" in verdict["summary"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"models/{verdict['version']}/")
    assert listed["KeyCount"] == 0


def test_a_model_that_held_out_other_stories_is_not_compared_with(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN a model that may have learnt the test rows
    other = altered(tiny_model.bundle, tmp_path / "other", training={"split": "random"})
    # WHEN it is judged by them THEN that is an error, which fails the job with its reason
    with pytest.raises(DataError, match="did not hold out the same stories: split"):
        judge(open_run(tiny_model.folder), tiny_model.bundle, other.as_uri())


def test_another_instance_goes_on_with_the_new_rows_of_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # GIVEN a job whose rows were kept, and that has a checkpoint
    channels, checkpoints = tmp_path / "data", tmp_path / "checkpoints"
    monkeypatch.setattr(sagemaker_entry, "CHANNELS", channels)
    monkeypatch.setattr(sagemaker_entry, "CHECKPOINTS", checkpoints)
    monkeypatch.setattr(sagemaker_entry, "NEW_ROWS", checkpoints / "new")
    (channels / "new").mkdir(parents=True)
    (channels / "new" / "first.csv").write_text("first")
    sagemaker_entry.keep_new_rows()
    (checkpoints / "checkpoint.safetensors").touch()
    # WHEN another instance starts, after more was dropped
    (channels / "new" / "second.csv").write_text("second")
    sagemaker_entry.keep_new_rows()
    # THEN it has the rows that the checkpoint was made with
    assert [path.name for path in (checkpoints / "new").iterdir()] == ["first.csv"]
    # ... but a job that has not begun takes all that is there
    (checkpoints / "checkpoint.safetensors").unlink()
    sagemaker_entry.keep_new_rows()
    assert {path.name for path in (checkpoints / "new").iterdir()} == {"first.csv", "second.csv"}
