"""The handler behind each door: AWS's events, and the clients of others."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from mypy_boto3_s3 import S3Client

from inference.local.emulator import InProcess, Pool
from inference.local.front_door import front_door
from inference.runtime.context import Context
from tests.conftest import ROOT, TinyModel
from tests.integration.conftest import Call

EVENTS = ROOT / "sample-requests" / "events"
TEXT = "Life in Mars might be a real possibility"
HTTP_EVENTS = [
    "function-url",
    "http-api-payload-1",
    "load-balancer",
    "load-balancer-multi-value",
    "one",
    "rest-api",
]

Event = dict[str, Any]


@pytest.fixture
def invoke(call: Call) -> Callable[[Any], Any]:
    """Call the handler as Lambda does, from JSON to JSON."""
    del call  # which started the function
    handler = sys.modules["inference.api.handler"].handler
    return lambda event: json.loads(json.dumps(handler(event, Context("the-request-id"))))


@pytest.fixture
def url(call: Call) -> Iterator[str]:
    """The URL of the front door of the function."""
    del call
    with front_door(Pool([InProcess("inference.api.handler.handler")])) as url:
        yield url


def event_of(name: str, **changes: Any) -> Event:
    event: Event = json.loads((EVENTS / f"{name}.json").read_text())
    return event | changes


def header_of(answer: Event, name: str) -> Any:
    headers = answer.get("headers") or answer["multiValueHeaders"]
    return {key.lower(): value for key, value in headers.items()}[name]


# API Gateway, function URLs and load balancers


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_the_same_request_gets_the_same_answer_at_each_door(
    call: Call, invoke: Callable[[Any], Any], name: str
) -> None:
    _, _, expected = call("POST", "/predict", {"inputs": TEXT})
    answer = invoke(event_of(name))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == expected


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_an_explanation_can_be_asked_for_at_each_door(
    invoke: Callable[[Any], Any], name: str
) -> None:
    body = json.dumps({"inputs": TEXT, "explain": True})
    answer = invoke(event_of(name, body=body, isBase64Encoded=False))
    assert answer["statusCode"] == 200
    explanation = json.loads(answer["body"])["explanation"]
    assert [word for word, _ in explanation] == TEXT.split()


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_a_body_may_be_base64_at_each_door(invoke: Callable[[Any], Any], name: str) -> None:
    body = base64.b64encode(json.dumps({"inputs": TEXT}).encode()).decode()
    assert invoke(event_of(name, body=body, isBase64Encoded=True))["statusCode"] == 200


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_a_wrong_request_is_a_problem_at_each_door(invoke: Callable[[Any], Any], name: str) -> None:
    answer = invoke(event_of(name, body='{"inputs": ""}', isBase64Encoded=False))
    assert answer["statusCode"] == 422
    media_type = header_of(answer, "content-type")
    assert "application/problem+json" in media_type
    assert json.loads(answer["body"])["errors"][0]["field"] == "inputs"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("load-balancer", "text/plain"),
        ("load-balancer-multi-value", ["text/plain"]),
        ("rest-api", "text/plain"),
    ],
)
def test_the_content_type_is_read_at_each_door(
    invoke: Callable[[Any], Any], name: str, header: Any
) -> None:
    event = event_of(name)
    headers = {
        "multiValueHeaders" if isinstance(header, list) else "headers": {"Content-Type": header}
    }
    assert invoke(event | headers)["statusCode"] == 415


def test_a_load_balancer_gets_headers_in_the_form_that_it_sends(
    invoke: Callable[[Any], Any],
) -> None:
    single = invoke(event_of("load-balancer"))
    assert single["headers"] == {"Content-Type": "application/json"}
    assert "multiValueHeaders" not in single
    several = invoke(event_of("load-balancer-multi-value"))
    assert several["multiValueHeaders"] == {"Content-Type": ["application/json"]}
    assert "headers" not in several
    assert single["statusDescription"] == several["statusDescription"] == "200 OK"


def test_a_load_balancer_learns_whether_the_function_is_healthy(
    invoke: Callable[[Any], Any], start: Callable[..., Call], tmp_path: Path
) -> None:
    assert invoke(event_of("load-balancer-health-check"))["statusCode"] == 200
    start((tmp_path / "nothing").as_uri())
    handler = sys.modules["inference.api.handler"].handler
    answer = handler(event_of("load-balancer-health-check"), Context("id"))
    assert (answer["statusCode"], answer["statusDescription"]) == (503, "503 Service Unavailable")


def test_the_document_of_a_rest_api_names_its_stage(invoke: Callable[[Any], Any]) -> None:
    event = event_of("rest-api", path="/openapi.json", httpMethod="GET", body=None)
    event["requestContext"] |= {"path": "/prod/openapi.json"}
    event["pathParameters"] = {"proxy": "openapi.json"}
    assert json.loads(invoke(event)["body"])["servers"] == [{"url": "/prod"}]


def test_a_rest_api_refuses_what_the_others_refuse(invoke: Callable[[Any], Any]) -> None:
    answer = invoke(event_of("rest-api", httpMethod="DELETE"))
    assert answer["statusCode"] == 405
    assert header_of(answer, "allow") == ["POST, OPTIONS"]


def test_a_test_event_of_the_console_without_headers_is_answered(
    invoke: Callable[[Any], Any],
) -> None:
    event = event_of("rest-api", headers=None, multiValueHeaders=None)
    assert invoke(event)["statusCode"] == 200


@pytest.mark.parametrize("path", ["/predict/", "/hf/", "/invocations/"])
def test_a_slash_at_the_end_does_not_matter(call: Call, path: str) -> None:
    assert call("POST", path, {"inputs": TEXT})[0] == 200


def test_a_check_of_the_deployment_is_not_counted(
    invoke: Callable[[Any], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    event = event_of("one")
    event["requestContext"]["stage"] = "check"
    capsys.readouterr()
    assert invoke(event)["statusCode"] == 200
    assert '"Predictions"' not in capsys.readouterr().out


# Lists


def test_the_items_of_a_list_may_be_answered_by_themselves(call: Call) -> None:
    # GIVEN a list with a text that is wrong and one that is too long
    texts = [TEXT, "", "inflation " * 1001]
    # WHEN it asks for errors by item, the beginnings of long texts and two labels
    options = {"on_error": "item", "truncate": True, "top_k": 2}
    status, _, answer = call("POST", "/predict", {"inputs": texts, **options})
    # THEN each item has an answer in its place
    assert status == 200
    first, second, third = answer["predictions"]
    assert second == {
        "error": {"field": "inputs.1", "message": "String should have at least 1 character"}
    }
    assert third["truncated"] is True
    assert [len(one["probabilities"]) for one in (first, third)] == [2, 2]
    # AND the others answer as they do alone
    _, _, alone = call("POST", "/predict", {"inputs": TEXT})
    assert first["predicted_label"] == alone["predicted_label"]


# Direct invocations


def test_a_client_of_aws_invokes_the_function_directly(url: str) -> None:
    # GIVEN boto3, pointed at this machine
    config = Config(retries={"total_max_attempts": 1})
    with closing(boto3.client("lambda", endpoint_url=url, config=config)) as client:
        # WHEN it invokes the function with more texts than the API takes
        payload = json.dumps({"inputs": [TEXT] * 500, "top_k": 1}).encode()
        response = client.invoke(FunctionName="classifier", Payload=payload)
        # THEN it gets an answer for each
        answer = json.load(response["Payload"])
        assert "FunctionError" not in response
        assert len(answer["predictions"]) == 500
        # AND a problem for an event that is wrong
        wrong = client.invoke(FunctionName="classifier", Payload=b'{"input": "a"}')
        assert json.load(wrong["Payload"])["status"] == 422
        # AND the state of the model for a warmer
        warm = client.invoke(FunctionName="classifier", Payload=b'{"warmer": true}')
        assert json.load(warm["Payload"]) == {"status": "ok"}
        # AND an error for an event that nobody would answer
        other = client.invoke(FunctionName="classifier", Payload=b'{"Records": []}')
        assert other["FunctionError"] == "Unhandled"
        assert json.load(other["Payload"])["errorType"] == "UnknownEventError"


# Hugging Face


# In a process of its own, because here the hub's library is offline.
PYTHON = """
import json, sys
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
client = InferenceClient(model=sys.argv[1] + "/hf", token="unused")
options = [{}, {"top_k": 2, "function_to_apply": "softmax"}]
answers = [client.text_classification(sys.argv[2], **each) for each in options]
try:
    error = client.text_classification("")
except HfHubHTTPError as raised:
    error = str(raised)
print(json.dumps({"answers": answers, "error": error}))
"""


def test_the_python_client_of_hugging_face_gets_its_answers(call: Call, url: str) -> None:
    # GIVEN the client of the hub, pointed at the API WHEN it classifies a text
    command = [sys.executable, "-c", PYTHON, url, TEXT]
    variables = os.environ | {"HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    (every, two), error = json.loads(done.stdout).values()
    # THEN it gets the labels with the best one first, or only some of them
    _, _, expected = call("POST", "/predict", {"inputs": TEXT})
    assert {one["label"]: one["score"] for one in every} == expected["probabilities"]
    scores = [one["score"] for one in every]
    assert scores == sorted(scores, reverse=True)
    assert two == every[:2]
    # AND it shows what is wrong
    assert "should have at least 1 character" in error


JAVASCRIPT = """
import { InferenceClient } from "@huggingface/inference";
const client = new InferenceClient();
const ask = (inputs, parameters) =>
  client.textClassification({ endpointUrl: process.argv[2] + "/hf", inputs, parameters });
const answers = [await ask(process.argv[3]), await ask(process.argv[3], { top_k: 2 })];
const error = await ask("").catch((error) => error.message);
console.log(JSON.stringify({ answers, error }));
"""


@pytest.mark.usefixtures("outside")
def test_the_javascript_client_of_hugging_face_gets_its_answers(
    call: Call, url: str, tmp_path: Path
) -> None:
    # GIVEN the client of the hub for JavaScript
    modules = os.environ.get("HF_JAVASCRIPT", "")
    node = shutil.which("node")
    if node is None or not Path(modules, "@huggingface", "inference").is_dir():
        pytest.skip("HF_JAVASCRIPT is not set to the node_modules of @huggingface/inference")
    (tmp_path / "node_modules").symlink_to(modules)
    script = tmp_path / "ask.mjs"
    script.write_text(JAVASCRIPT)
    # WHEN it classifies a text
    done = subprocess.run([node, script, url, TEXT], capture_output=True, text=True, check=True)
    (every, two), error = json.loads(done.stdout).values()
    # THEN it gets the labels with the best one first, or only some of them
    _, _, expected = call("POST", "/predict", {"inputs": TEXT})
    assert {one["label"]: one["score"] for one in every} == expected["probabilities"]
    assert every[0]["label"] == expected["predicted_label"]
    assert two == every[:2]
    # AND it notices an error
    assert error


# SageMaker


def test_sagemaker_s_own_paths_answer(call: Call) -> None:
    assert call("GET", "/ping")[0] == 200
    _, _, expected = call("POST", "/predict", {"inputs": [TEXT]})
    assert call("POST", "/invocations", {"instances": [TEXT]})[2] == expected
    assert call("POST", "/invocations", {"inputs": [TEXT]})[2] == expected
    status, headers, table = call("POST", "/invocations", f'"{TEXT}"\n'.encode(), "text/csv")
    assert (status, headers["content-type"]) == (200, "text/csv")
    assert table.split(",")[0] == expected["predictions"][0]["predicted_label"]


@pytest.mark.parametrize("path", ["/hf", "/invocations"])
def test_the_errors_of_other_clients_are_one_string(call: Call, path: str) -> None:
    for body, status in ((b"{", 400), (b'{"inputs": ""}', 422)):
        actual, headers, answer = call("POST", path, body)
        assert (actual, headers["content-type"]) == (status, "application/json")
        assert list(answer) == ["error"]
    status, headers, answer = call("GET", path)
    assert (status, headers["allow"], list(answer)) == (405, "POST, OPTIONS", ["error"])


def test_ping_fails_without_a_model(start: Callable[..., Call], tmp_path: Path) -> None:
    call = start((tmp_path / "nothing").as_uri())
    status, headers, answer = call("GET", "/ping")
    assert (status, headers["retry-after"]) == (503, "5")
    assert answer == {"error": "The model is not available yet."}


# SQS


@pytest.fixture
def results(s3_endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty queue for answers; moto serves SQS at the endpoint of its S3."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", s3_endpoint)
    with closing(boto3.resource("sqs").meta.client):
        yield boto3.resource("sqs").create_queue(QueueName=f"results-{bucket}")


def test_messages_are_answered_in_another_queue(
    start: Callable[..., Call], uri: str, results: Any, tiny_model: TinyModel
) -> None:
    # GIVEN a function whose answers go to a queue
    del tiny_model
    start(uri, RESULTS_QUEUE_URL=results.url)
    handler = sys.modules["inference.api.handler"].handler
    # WHEN SQS delivers a good message and a wrong one
    batch = handler(event_of("queue"), Context("id"))
    # THEN only the wrong one is to be delivered again
    good, wrong = (one["messageId"] for one in event_of("queue")["Records"])
    assert batch == {"batchItemFailures": [{"itemIdentifier": wrong}]}
    # AND the answer to the other is in the queue, under its id
    (message,) = results.receive_messages(MaxNumberOfMessages=10)
    answer = json.loads(message.body)
    assert answer["message_id"] == good
    assert answer["predicted_label"]


def test_messages_are_answered_in_a_bucket(
    start: Callable[..., Call], uri: str, s3: S3Client, bucket: str
) -> None:
    start(uri, RESULTS_URI=f"s3://{bucket}/answers")
    handler = sys.modules["inference.api.handler"].handler
    handler(event_of("queue"), Context("id"))
    good, _ = (one["messageId"] for one in event_of("queue")["Records"])
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="answers/")["Contents"]
    assert [one["Key"] for one in listed] == [f"answers/{good}.json"]
    answer = json.load(s3.get_object(Bucket=bucket, Key=f"answers/{good}.json")["Body"])
    assert answer["message_id"] == good


def test_without_a_model_every_message_is_delivered_again(
    start: Callable[..., Call], results: Any, tmp_path: Path
) -> None:
    start((tmp_path / "nothing").as_uri(), RESULTS_QUEUE_URL=results.url)
    handler = sys.modules["inference.api.handler"].handler
    assert len(handler(event_of("queue"), Context("id"))["batchItemFailures"]) == 2
