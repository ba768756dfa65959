import json

import pytest

from inference.api import predictor as module
from inference.api.loader import ClassifierLoader
from inference.api.predictor import Predictor
from inference.api.problems import FieldError
from inference.api.requests import PredictRequest, Text
from inference.model.classifier import Prediction

TEXTS = ["Fed holds rates", "New vaccine halves hospital stays", "A film about a festival"]


def labels(predictions: list[Prediction | FieldError]) -> list[str]:
    return [one.label if isinstance(one, Prediction) else one.message for one in predictions]


def test_an_error_keeps_its_place_among_the_predictions(
    predictor: Predictor, loader: ClassifierLoader
) -> None:
    # GIVEN a request whose second text is wrong WHEN it is classified
    error = FieldError(field="inputs.1", message="Too long")
    items: list[Text | FieldError] = [Text(TEXTS[0]), error, Text(TEXTS[1])]
    classified = predictor.classify(PredictRequest(items, is_list=True), "id")
    # THEN the others get their own labels
    first, second = loader.get_model().classifier.predict(TEXTS[:2])
    assert labels(classified.predictions) == [first.label, "Too long", second.label]
    assert classified.version == loader.get_model().classifier.version


def test_a_request_without_a_right_text_needs_no_prediction(predictor: Predictor) -> None:
    items: list[Text | FieldError] = [FieldError(field="inputs.0", message="Too long")]
    classified = predictor.classify(PredictRequest(items, is_list=True), "id")
    assert classified.predictions == items


def test_the_answer_to_a_text_that_was_cut_says_so(predictor: Predictor) -> None:
    items: list[Text | FieldError] = [Text("Fed", is_cut=True), Text("Fed")]
    first, second = predictor.classify(PredictRequest(items, is_list=True), "id").predictions
    assert isinstance(first, Prediction)
    assert isinstance(second, Prediction)
    assert (first.truncated, second.truncated) == (True, False)


def test_many_texts_are_logged_in_parts(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # GIVEN more texts than a log line should hold
    monkeypatch.setattr(module, "PART", 2)
    caplog.set_level("INFO")
    # WHEN they are classified
    items: list[Text | FieldError] = [Text(text) for text in TEXTS]
    classified = predictor.classify(PredictRequest(items, is_list=True), "id")
    # THEN each line holds a part of the labels, in their order
    lines = [one.__dict__["labels"] for one in caplog.records if one.message == "predicted"]
    assert [len(line) for line in lines] == [2, 1]
    assert [*lines[0], *lines[1]] == labels(classified.predictions)


def test_a_check_leaves_no_trace(
    predictor: Predictor, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    request = PredictRequest([Text("Fed")], is_list=False)
    predictor.classify(request, "id", is_recorded=False)
    assert not caplog.records
    assert "Predictions" not in capsys.readouterr().out
    predictor.classify(request, "id")
    assert any(
        "Predictions" in json.loads(line)
        for line in capsys.readouterr().out.splitlines()
        if "_aws" in line
    )
