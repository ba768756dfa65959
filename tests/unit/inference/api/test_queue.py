import json
from typing import Any

import pytest

from inference.api.predictor import Predictor
from inference.api.queue import QueueWorker, ResultsError, find_results
from inference.api.requests import RequestParser
from inference.runtime.settings import Settings


class Sent:
    """A place for answers in memory; it takes none for the message "full"."""

    def __init__(self) -> None:
        self.bodies: dict[str, Any] = {}

    def send(self, message_id: str, body: str) -> None:
        if message_id == "full":
            raise OSError("no space left")
        self.bodies[message_id] = json.loads(body)


@pytest.fixture
def results() -> Sent:
    return Sent()


@pytest.fixture
def worker(parser: RequestParser, predictor: Predictor, results: Sent) -> QueueWorker:
    return QueueWorker(parser, predictor, results, max_texts=3)


def message(name: str, body: Any, queue: str = "requests") -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    arn = f"arn:aws:sqs:us-east-1:123456789012:{queue}"
    return {"messageId": name, "body": text, "eventSource": "aws:sqs", "eventSourceARN": arn}


def failed(answer: dict[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def test_each_message_is_answered_under_its_id(worker: QueueWorker, results: Sent) -> None:
    records = [message("1", {"inputs": "Fed holds rates"}), message("2", {"inputs": ["a", "b"]})]
    assert worker.answer_batch(records) == {"batchItemFailures": []}
    assert results.bodies["1"]["message_id"] == "1"
    assert results.bodies["1"]["predicted_label"]
    assert len(results.bodies["2"]["predictions"]) == 2


@pytest.mark.parametrize("body", ["{", "", {"inputs": ""}, {"inputs": ["a"] * 4}, "\ud800"])
def test_only_the_message_that_is_wrong_fails(
    worker: QueueWorker, results: Sent, body: Any
) -> None:
    records = [message("1", body), message("2", {"inputs": "a"})]
    assert failed(worker.answer_batch(records)) == ["1"]
    assert list(results.bodies) == ["2"]


def test_a_message_whose_answer_cannot_be_delivered_fails(
    worker: QueueWorker, results: Sent
) -> None:
    records = [message("full", {"inputs": "a"}), message("2", {"inputs": "a"})]
    assert failed(worker.answer_batch(records)) == ["full"]
    assert list(results.bodies) == ["2"]


def test_no_message_of_a_fifo_queue_overtakes_one_that_failed(
    worker: QueueWorker, results: Sent
) -> None:
    bodies = [{"inputs": "a"}, {"inputs": ""}, {"inputs": "b"}]
    records = [message(str(index), body, "requests.fifo") for index, body in enumerate(bodies)]
    assert failed(worker.answer_batch(records)) == ["1", "2"]
    assert list(results.bodies) == ["0"]


def test_the_log_says_why_a_message_was_refused_but_not_its_text(
    worker: QueueWorker, caplog: pytest.LogCaptureFixture
) -> None:
    worker.answer_batch([message("1", {"inputs": ["zebra", 7]}), message("2", '{"zebra": "a"}')])
    logged = str([record.__dict__ for record in caplog.records])
    assert "valid string" in logged
    assert "zebra" not in logged


def test_answers_need_a_place() -> None:
    with pytest.raises(ResultsError, match="RESULTS_QUEUE_URL or RESULTS_URI"):
        find_results(Settings(model_uri="file:///models"))


def test_a_message_can_ask_for_an_explanation(worker: QueueWorker, results: Sent) -> None:
    worker.answer_batch([message("1", {"inputs": "Fed holds rates", "explain": True})])
    assert [word for word, _ in results.bodies["1"]["explanation"]] == ["Fed", "holds", "rates"]
