"""`textclf labels export`: from the page's corrections to the rows that retraining reads."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from mypy_boto3_s3 import S3Client

from inference.model.publish import publish
from tests.conftest import SAMPLE_MODEL
from tests.integration.conftest import Call, PredictionTable
from textclf import operate
from textclf.app import main
from training import tasks
from training.data.read import read

STACK = "text-classifier-test"
TEXTS = ["Fed holds rates, again", 'A "film" about a festival', "New vaccine halves stays"]


@pytest.fixture
def uri(s3: S3Client, bucket: str) -> str:
    """The URI of the shipped model in the local S3."""
    return publish(s3, SAMPLE_MODEL, f"s3://{bucket}/news")


@pytest.fixture
def deploy(
    s3_endpoint: str, uri: str, table: PredictionTable, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """A way to make a stack in the account that the endpoint of S3 simulates, moto's."""
    cloudformation = boto3.client("cloudformation", endpoint_url=s3_endpoint)
    lambda_ = boto3.client("lambda", endpoint_url=s3_endpoint)
    iam = boto3.client("iam", endpoint_url=s3_endpoint)
    monkeypatch.setattr(operate, "connect", lambda: (cloudformation, lambda_))

    def make(log_text: str = "true", *, has_table: bool = True) -> None:
        role = iam.create_role(RoleName=STACK, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/x@sha256:" + "0" * 64
        lambda_.create_function(
            FunctionName=STACK,
            PackageType="Image",
            Code={"ImageUri": image},
            Role=role,
            Environment={"Variables": {"MODEL_URI": uri}},
        )
        version = lambda_.publish_version(FunctionName=STACK)["Version"]
        lambda_.create_alias(FunctionName=STACK, Name="live", FunctionVersion=version)
        outputs = {"Function": {"Value": STACK}}
        if has_table:
            outputs["PredictionTable"] = {"Value": table.name}
        template = {
            "Parameters": {"LogText": {"Type": "String"}},
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": outputs,
        }
        cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": "LogText", "ParameterValue": log_text}],
        )

    yield make
    cloudformation.delete_stack(StackName=STACK)
    lambda_.delete_function(FunctionName=STACK)
    iam.delete_role(RoleName=STACK)


@pytest.fixture
def service(start: Callable[..., Call], uri: str, table: PredictionTable) -> Call:
    """A function that keeps the texts of its predictions."""
    return start(uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS="5000", LOG_TEXT="true")


def predict(call: Call, texts: list[str] = TEXTS) -> list[Any]:
    predictions: list[Any] = call("POST", "/predict", {"inputs": texts})[2]["predictions"]
    return predictions


def say(call: Call, prediction: Any, label: str) -> None:
    body = {"prediction_id": prediction["prediction_id"], "label": label}
    assert call("POST", "/feedback", body)[0] == 200


def export(output: Path, *more: str) -> int:
    return main(["labels", "export", "--stack", STACK, "--output", str(output), *more])


def test_corrected_texts_are_written_as_new_rows(
    service: Call,
    deploy: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a stack on which people corrected two labels, one of them twice, and confirmed one
    deploy()
    first, second, third = predict(service)
    say(service, first, "Health")
    say(service, first, "Science")
    say(service, second, "Business")
    say(service, third, third["predicted_label"])
    capsys.readouterr()
    # WHEN the corrections are exported
    output = tmp_path / "new" / "corrections.csv"
    assert export(output) == 0
    # THEN training reads them with the right labels
    examples = read(str(output), tasks.NEWS).examples
    labels = {one.text: tasks.NEWS.labels[one.label] for one in examples}
    assert labels == {TEXTS[0]: "Science", TEXTS[1]: "Business"}
    # AND the command says what became of all feedback
    assert capsys.readouterr().out == (
        f"{output}: 3 predictions with feedback = 2 rows + 1 that the model got right "
        "+ 0 repeated + 0 rejected\n"
    )


def test_confirmed_labels_are_written_too_if_they_are_wanted(
    service: Call, deploy: Callable[..., None], tmp_path: Path
) -> None:
    deploy()
    (prediction,) = predict(service, TEXTS[:1])
    say(service, prediction, prediction["predicted_label"])
    assert export(tmp_path / "new.csv", "--confirmed") == 0
    assert len(read(str(tmp_path / "new.csv"), tasks.NEWS).examples) == 1


def test_predictions_that_expired_are_left_out_and_named(
    service: Call,
    deploy: Callable[..., None],
    table: PredictionTable,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deploy()
    first, second, _ = predict(service)
    say(service, first, "Science")
    say(service, second, "Science")
    table.expire("the-request-id#1")
    assert export(tmp_path / "new.csv") == 0
    out, error = capsys.readouterr()
    assert "= 1 rows + 0 that the model got right + 0 repeated + 1 rejected" in out
    assert error == f"{second['prediction_id']}: the prediction has expired\n"


def test_a_stack_without_texts_is_a_clear_error(
    start: Callable[..., Call],
    uri: str,
    table: PredictionTable,
    deploy: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a stack with LogText=false
    deploy("false")
    call = start(uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS="5000")
    (prediction,) = predict(call, TEXTS[:1])
    say(call, prediction, "Science")
    # WHEN corrections are exported THEN nothing is written, and the error says what to do
    assert export(tmp_path / "new.csv") == 1
    assert "deploy it with LogText=true" in capsys.readouterr().err
    assert not (tmp_path / "new.csv").exists()


def test_a_stack_without_a_table_is_a_clear_error(
    deploy: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(has_table=False)
    assert export(tmp_path / "new.csv") == 1
    assert "PredictionLog=on LogText=true" in capsys.readouterr().err


def test_without_feedback_an_earlier_file_stays(
    deploy: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy()
    (tmp_path / "new.csv").write_text("earlier")
    assert export(tmp_path / "new.csv") == 1
    assert "nobody has sent feedback" in capsys.readouterr().err
    assert (tmp_path / "new.csv").read_text() == "earlier"
