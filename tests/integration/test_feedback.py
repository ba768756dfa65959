"""Feedback, through the real handler to a local DynamoDB that works or fails."""

import importlib
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from mypy_boto3_s3 import S3Client

from inference.model.bundle import MANIFEST, version_of
from inference.model.publish import publish
from inference.prediction_log import feedback as module
from inference.prediction_log.feedback import read_texts
from inference.prediction_log.prediction_id import PredictionId
from inference.runtime.context import Context
from tests.conftest import SAMPLE_MODEL
from tests.integration.conftest import Call, PredictionTable, metrics_in
from tests.integration.faulty_dynamodb import Fault, faulty_dynamodb

OTHERS = {
    "Business": "Science",
    "Science": "Health",
    "Entertainment": "Health",
    "Health": "Science",
}


@pytest.fixture
def uri(s3: S3Client, bucket: str) -> str:
    """The URI of the shipped model in the local S3."""
    return publish(s3, SAMPLE_MODEL, f"s3://{bucket}/news")


@pytest.fixture
def service(start: Callable[..., Call], uri: str, table: PredictionTable) -> Call:
    """A function with a prediction table, with time enough for a slow machine."""
    return start(uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS="5000")


def predict(call: Call, text: str = "zebra crossing") -> Any:
    status, _, answer = call("POST", "/predict", {"inputs": text})
    assert status == 200
    return answer


def correct(call: Call, prediction_id: str, label: Any) -> tuple[int, dict[str, str], Any]:
    return call("POST", "/feedback", {"prediction_id": prediction_id, "label": label})


def test_a_correction_is_stored_with_its_prediction(
    service: Call, table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a prediction
    answer = predict(service)
    (before,) = table.items().values()
    right = OTHERS[answer["predicted_label"]]
    capsys.readouterr()
    # WHEN a client sends another label
    status, _, stored = correct(service, answer["prediction_id"], right)
    # THEN the answer repeats what is stored
    assert status == 200
    assert stored == {
        "prediction_id": answer["prediction_id"],
        "label": right,
        "predicted_label": answer["predicted_label"],
    }
    # AND the item has it in addition, and expires when it did
    (item,) = table.items().values()
    moment = datetime.fromisoformat(item.pop("feedback_time"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert item == {**before, "feedback_label": right, "feedback_day": f"{moment:%Y-%m-%d}"}
    # AND it counts as one that does not agree
    metrics = metrics_in(capsys)
    assert (metrics["Feedback"], metrics["FeedbackAgreement"]) == ([1], [0])


def test_a_confirmation_counts_as_agreement(
    service: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = predict(service)
    assert correct(service, answer["prediction_id"], answer["predicted_label"])[0] == 200
    assert metrics_in(capsys)["FeedbackAgreement"] == [1]


def test_the_last_correction_counts_and_a_repeated_one_changes_nothing(
    service: Call, table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = predict(service)
    id_ = answer["prediction_id"]
    # GIVEN a correction WHEN it is sent again THEN it is counted once
    first = correct(service, id_, "Business")
    assert correct(service, id_, "Business") == first
    assert metrics_in(capsys)["Feedback"] == [1]
    # WHEN another label is sent THEN it takes the place of the first one
    assert correct(service, id_, "Health")[0] == 200
    (item,) = table.items().values()
    assert item["feedback_label"] == "Health"
    assert metrics_in(capsys)["Feedback"] == [1]


def test_each_text_of_a_list_has_an_id(service: Call, table: PredictionTable) -> None:
    # GIVEN a list with a wrong text in it
    body = {"inputs": ["one", "", "three"], "on_error": "item"}
    _, _, answer = service("POST", "/predict", body)
    first, wrong, third = answer["predictions"]
    assert "prediction_id" not in wrong
    # WHEN the last one is corrected
    assert correct(service, third["prediction_id"], OTHERS[third["predicted_label"]])[0] == 200
    # THEN its own item has the label
    items = table.items()
    assert "feedback_label" in items[PredictionId.parse(third["prediction_id"]).key]  # type: ignore[union-attr]
    assert "feedback_label" not in items[PredictionId.parse(first["prediction_id"]).key]  # type: ignore[union-attr]


def test_an_id_of_sagemakers_door_works_too(service: Call) -> None:
    _, _, answer = service("POST", "/invocations", {"instances": ["zebra"]})
    (one,) = answer["predictions"]
    assert correct(service, one["prediction_id"], one["predicted_label"])[0] == 200


def test_without_a_table_answers_have_no_id_and_feedback_is_refused_in_words(call: Call) -> None:
    assert "prediction_id" not in predict(call)
    status, _, problem = correct(call, "0123456789abcdef.the-request-id.0", "Health")
    assert status == 404
    assert problem["detail"] == "This service keeps no predictions, so it takes no feedback."
    assert "/feedback" not in call("GET", "/openapi.json")[2]["paths"]


def test_with_a_table_the_document_describes_feedback(service: Call) -> None:
    assert "/feedback" in service("GET", "/openapi.json")[2]["paths"]


def test_another_method_is_refused(service: Call) -> None:
    status, headers, _ = service("GET", "/feedback")
    assert (status, headers["allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize(
    "id_",
    [
        "{version}.another-request-id.0",
        "{version}.the-request-id.1",
        "fedcba9876543210.the-request-id.0",
        "{version}.the-request-id.00",
        "{version}.the-request-id",
        "the-request-id#0",
        "nonsense",
    ],
)
def test_an_unknown_prediction_is_a_404_and_leaves_no_item(
    service: Call, table: PredictionTable, id_: str
) -> None:
    version = predict(service)["model_version"]
    before = table.items()
    status, _, problem = correct(service, id_.format(version=version), "Health")
    assert (status, problem["status"]) == (404, 404)
    assert problem["detail"] == "There is no such prediction; it may have expired."
    assert table.items() == before


def test_a_prediction_that_has_expired_is_unknown_before_dynamodb_deletes_it(
    service: Call, table: PredictionTable
) -> None:
    # GIVEN an item that expired a second ago
    answer = predict(service)
    table.expire("the-request-id#0")
    # WHEN feedback on it comes THEN it is a 404
    assert correct(service, answer["prediction_id"], "Health")[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"label": "Health"}, "prediction_id"),
        ({"prediction_id": "ID"}, "label"),
        ({"prediction_id": "ID", "label": "Sport"}, "label"),
        ({"prediction_id": "ID", "label": "health"}, "label"),
        ({"prediction_id": "ID", "label": ["Health"]}, "label"),
        ({"prediction_id": "ID", "label": None}, "label"),
        ({"prediction_id": "ID", "label": "\ud800"}, "label"),
        ({"prediction_id": 7, "label": "Health"}, "prediction_id"),
        ({"prediction_id": "x" * 201, "label": "Health"}, "prediction_id"),
        ({"prediction_id": "\ud800", "label": "Health"}, "prediction_id"),
        ({"prediction_id": "ID", "label": "Health", "text": "zebra"}, "text"),
        ({"prediction_id": "ID", "label": "Health", "\ud800" * 999: 1}, "?" * 100),
        (["ID"], ""),
    ],
)
def test_invalid_feedback_is_refused_and_the_field_named(
    service: Call, table: PredictionTable, body: Any, field: str
) -> None:
    id_ = predict(service)["prediction_id"]
    sent = json.loads(json.dumps(body).replace('"ID"', f'"{id_}"'))
    status, _, problem = service("POST", "/feedback", sent)
    assert status == 422
    assert [error["field"] for error in problem["errors"]] == [field]
    assert "feedback_label" not in next(iter(table.items().values()))


def test_the_labels_that_are_accepted_are_listed(service: Call) -> None:
    _, _, problem = correct(service, predict(service)["prediction_id"], "Sport")
    (error,) = problem["errors"]
    assert error["message"].endswith("predicted: Business, Science, Entertainment, Health")


@pytest.mark.parametrize("body", [b"", b"{", b'{"label": "a", "label": "b"}'])
def test_a_body_that_is_not_json_is_refused(service: Call, body: bytes) -> None:
    assert service("POST", "/feedback", body)[0] == 400


def test_neither_label_nor_text_of_refused_feedback_is_logged(
    service: Call, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    id_ = predict(service)["prediction_id"]
    correct(service, id_, "zebra crossing")
    service("POST", "/feedback", {"prediction_id": id_, "label": "Health", "zebra crossing": 1})
    logged = caplog.text + str([record.__dict__ for record in caplog.records])
    assert "zebra" not in logged


# Labels of the version that predicted


OTHER_LABELS = ["Money", "Space", "Films", "Medicine"]


def publish_manifest(s3: S3Client, bucket: str, **changes: Any) -> str:
    """Put the manifest of another version into the store; returns the version."""
    manifest = json.loads((SAMPLE_MODEL / MANIFEST).read_text())
    data = json.dumps({**manifest, "labels": OTHER_LABELS, **changes}).encode()
    version = version_of(data)
    s3.put_object(Bucket=bucket, Key=f"news/{version}/manifest.json", Body=data)
    return version


@pytest.fixture
def other_version(s3: S3Client, bucket: str) -> str:
    """Another version in the same store, whose labels are others."""
    return publish_manifest(s3, bucket)


def test_the_label_is_one_of_the_version_that_predicted(
    service: Call, table: PredictionTable, other_version: str
) -> None:
    # GIVEN a prediction of another version, which served before or is the candidate
    predict(service)
    table.change("the-request-id#0", model_version=other_version, label="Space")
    # WHEN feedback comes to this one THEN the labels are those of the other
    id_ = f"{other_version}.the-request-id.0"
    assert correct(service, id_, "Health")[0] == 422
    status, _, stored = correct(service, id_, "Medicine")
    assert (status, stored["predicted_label"]) == (200, "Space")


def test_a_model_that_gives_several_labels_takes_several(
    service: Call, table: PredictionTable, s3: S3Client, bucket: str
) -> None:
    # GIVEN a prediction of a version that may give a text several labels
    values = dict.fromkeys(OTHER_LABELS, 1)
    several = {"separator": ";", "temperatures": values, "thresholds": values}
    version = publish_manifest(s3, bucket, schema_version=3, labelling=several)
    predict(service)
    table.change("the-request-id#0", model_version=version, label=["Space", "Money"])
    id_ = f"{version}.the-request-id.0"
    # WHEN feedback names several THEN they are stored, in the order of the model
    _, _, stored = correct(service, id_, ["Films", "Money"])
    assert stored["label"] == ["Money", "Films"]
    assert stored["predicted_label"] == ["Space", "Money"]
    assert table.items()["the-request-id#0"]["feedback_label"] == ["Money", "Films"]
    # AND one may be named alone, and none
    assert correct(service, id_, "Films")[2]["label"] == ["Films"]
    assert correct(service, id_, [])[2]["label"] == []


def test_a_store_that_is_out_of_reach_is_a_503(
    service: Call, other_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the id of another version's prediction, and an S3 that cannot be reached
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    # WHEN feedback comes THEN the client is asked to try again
    status, headers, _ = correct(service, f"{other_version}.the-request-id.0", "Medicine")
    assert (status, headers["retry-after"]) == (503, "5")


# Other doors


@pytest.mark.parametrize(
    "event",
    [
        {"httpMethod": "POST", "path": "/feedback", "requestContext": {"stage": "prod"}},
        {
            "httpMethod": "POST",
            "path": "/feedback",
            "requestContext": {"elb": {"targetGroupArn": "arn"}},
        },
        {
            "rawPath": "/feedback",
            "requestContext": {
                "http": {"method": "POST", "path": "/feedback"},
                "domainName": "x.lambda-url.us-east-1.on.aws",
            },
        },
        {
            "rawPath": "/news/feedback/",
            "routeKey": "POST /{page+}",
            "requestContext": {"http": {"method": "POST", "path": "/news/feedback/"}},
        },
    ],
    ids=["REST API", "load balancer", "function URL", "API mapping"],
)
def test_every_http_door_takes_feedback(service: Call, event: dict[str, Any]) -> None:
    answer = predict(service)
    body = {"prediction_id": answer["prediction_id"], "label": "Health"}
    headers = {"content-type": "application/json"}
    sent = {**event, "headers": headers, "body": json.dumps(body), "isBase64Encoded": False}
    result = invoke(sent)
    assert result["statusCode"] == 200
    assert json.loads(result["body"])["label"] == "Health"


def test_a_direct_invocation_takes_feedback(service: Call) -> None:
    answer = predict(service)
    body = {"prediction_id": answer["prediction_id"], "label": "Health"}
    assert invoke(body)["label"] == "Health"
    assert invoke({**body, "label": "Sport"})["status"] == 422


def invoke(event: dict[str, Any]) -> Any:
    return sys.modules["inference.api.handler"].handler(event, Context("id"))


def test_the_text_of_a_prediction_that_is_named_twice_is_read_once(
    service: Call, table: PredictionTable, s3_endpoint: str
) -> None:
    # GIVEN a key twice, as when its feedback was replaced while feedback was read
    predict(service)
    (key,) = table.items()
    client = boto3.client("dynamodb", endpoint_url=s3_endpoint)
    # WHEN texts are read THEN the call is not refused
    assert read_texts(client, table.name, [key, key], datetime.now(UTC)) == {key: None}


# Faults


@pytest.mark.parametrize("fault", ["silent", "drip", "reset", "500", "throttled"])
def test_a_table_that_fails_is_a_503_in_time_and_breaks_nothing_else(
    service: Call,
    s3_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Fault,
) -> None:
    # GIVEN a prediction, and a DynamoDB that then fails
    answer = predict(service)
    monkeypatch.setattr(module, "SECONDS", 1.5)
    with faulty_dynamodb(s3_endpoint, fault) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        capsys.readouterr()
        # WHEN feedback comes
        started = time.monotonic()
        status, headers, problem = correct(service, answer["prediction_id"], "Health")
        # THEN the client is asked to try again, soon, and the failure is counted
        assert (status, headers["retry-after"]) == (503, "5")
        assert problem["detail"] == "Feedback cannot be stored now."
        assert time.monotonic() - started < 4
        assert metrics_in(capsys)["FeedbackFailures"] == [1]
        # AND texts are still classified
        assert predict(service)["predicted_label"]


@pytest.mark.parametrize("fault", ["500 once", "throttled once"])
def test_a_passing_fault_loses_no_feedback(
    service: Call,
    table: PredictionTable,
    s3_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    answer = predict(service)
    with faulty_dynamodb(s3_endpoint, fault) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        assert correct(service, answer["prediction_id"], "Health")[0] == 200
    assert next(iter(table.items().values()))["feedback_label"] == "Health"


def test_a_missing_table_is_a_503(
    start: Callable[..., Call], uri: str, table: PredictionTable, caplog: pytest.LogCaptureFixture
) -> None:
    call = start(uri, PREDICTION_TABLE="nowhere", PREDICTION_TIMEOUT_MS="5000")
    answer = predict(call)
    # GIVEN predictions that could not be kept THEN answers have no id to send feedback with
    assert "prediction_id" not in answer
    id_ = f"{answer['model_version']}.the-request-id.0"
    assert correct(call, id_, "Health")[0] == 503
    (record,) = (one for one in caplog.records if one.message == "feedback not stored")
    assert "ResourceNotFoundException" in record.__dict__["cause"]


def test_a_message_that_comes_again_keeps_its_feedback(
    service: Call, table: PredictionTable, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a queue's message of three texts, and feedback on the second answer
    monkeypatch.setenv("RESULTS_URI", f"s3://{bucket}/results")
    monkeypatch.delitem(sys.modules, "inference.api.handler")
    handler = importlib.import_module("inference.api.handler").handler
    body = json.dumps({"inputs": ["zebra crossing", "zebra", "crossing"]})
    record = {"messageId": "the-message", "body": body, "eventSource": "aws:sqs"}
    message = {"Records": [record | {"eventSourceARN": "arn:aws:sqs:us-east-1:1:requests"}]}
    assert handler(message, Context("1")) == {"batchItemFailures": []}
    before = table.items()
    prediction = PredictionId.from_key("the-message#1", before["the-message#1"]["model_version"])
    right = OTHERS[before["the-message#1"]["label"]]
    assert correct(service, str(prediction), right)[0] == 200
    corrected = table.items()
    # WHEN SQS delivers it again THEN it is answered again, and the feedback stays
    assert handler(message, Context("2")) == {"batchItemFailures": []}
    after = table.items()
    assert after["the-message#1"] == corrected["the-message#1"]
    assert after["the-message#1"]["feedback_label"] == right
    # AND the others are written again, and complete
    assert after.keys() == before.keys()
    for key in ("the-message#0", "the-message#2"):
        assert after[key].keys() == before[key].keys()
        assert after[key]["time"] > before[key]["time"]


def test_an_event_that_lambda_delivers_again_keeps_its_feedback(
    service: Call, table: PredictionTable
) -> None:
    # GIVEN a direct invocation, and feedback on its answer
    handler = sys.modules["inference.api.handler"].handler
    event = {"inputs": "zebra crossing"}
    answer = handler(event, Context("1"))
    right = OTHERS[answer["predicted_label"]]
    assert correct(service, answer["prediction_id"], right)[0] == 200
    corrected = table.items()
    # WHEN the event comes again, under the same id THEN the feedback stays
    assert handler(event, Context("1")) == answer
    assert table.items() == corrected
