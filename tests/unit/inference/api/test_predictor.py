import json
from dataclasses import replace
from http import HTTPStatus
from math import inf

import pytest

from inference.api import predictor as module
from inference.api.loader import ClassifierLoader
from inference.api.predictor import Classified, Predictor
from inference.api.problems import FieldError, ProblemError
from inference.api.requests import PredictRequest, Text
from inference.local.checkout import SAMPLE_MODEL
from inference.model.bundle import ClassifierSpec
from inference.model.classifier import Classifier, Prediction
from inference.model.windows import SlowTextsError, Windows
from tests.cloudwatch import read_log

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
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN more texts than a log line should hold
    monkeypatch.setattr(module, "PART", 2)
    # WHEN they are classified
    items: list[Text | FieldError] = [Text(text) for text in TEXTS]
    classified = predictor.classify(PredictRequest(items, is_list=True), "id")
    # THEN each line holds a part of the labels, in their order
    lines = [line["labels"] for line in read_log(capsys, "predicted")]
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


def test_an_explanation_belongs_to_its_prediction_and_to_no_log(
    predictor: Predictor, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    # GIVEN a list with a wrong text WHEN it is explained
    error = FieldError(field="inputs.1", message="Too long")
    items: list[Text | FieldError] = [Text(TEXTS[0]), error, Text(TEXTS[1])]
    request = PredictRequest(items, is_list=True, explain=True)
    first, second, third = predictor.classify(request, "id").predictions
    # THEN each prediction has the words of its own text
    assert isinstance(first, Prediction)
    assert isinstance(third, Prediction)
    assert [word for word, _ in first.explanation or ()] == TEXTS[0].split()
    assert [word for word, _ in third.explanation or ()] == TEXTS[1].split()
    assert second == error
    # AND nothing that is logged or counted has a word of a text
    logged = caplog.text + capsys.readouterr().out
    assert "predicted" in logged
    assert not [word for text in TEXTS for word in text.split() if f'"{word}"' in logged]
    assert "holds" not in logged


@pytest.mark.parametrize("limit", ["MAX_SECONDS", "MAX_REQUEST_SECONDS"])
def test_what_takes_too_long_to_explain_is_refused_in_words(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    # GIVEN a time in which no model can explain, or one that classifying used up
    monkeypatch.setattr(module, limit, 0.0)
    # WHEN a text is to be explained THEN the client reads what to do
    with pytest.raises(ProblemError, match="ask for fewer or shorter texts") as raised:
        predictor.classify(PredictRequest([Text("Fed")], is_list=False, explain=True), "id")
    assert raised.value.status == 422
    # AND a text that is only to be classified takes what it takes
    assert predictor.classify(PredictRequest([Text("Fed")], is_list=False), "id").predictions


def test_a_prediction_has_no_explanation_unless_it_is_wanted(predictor: Predictor) -> None:
    (prediction,) = predictor.classify(
        PredictRequest([Text("Fed")], is_list=False), "id"
    ).predictions
    assert isinstance(prediction, Prediction)
    assert prediction.explanation is None


@pytest.mark.parametrize("has_windows", [False, True])
def test_only_texts_in_windows_have_a_time_limit(
    predictor: Predictor,
    loader: ClassifierLoader,
    monkeypatch: pytest.MonkeyPatch,
    has_windows: bool,
) -> None:
    # GIVEN a model that reads long texts in windows, or cuts them, and no time
    model = loader.get_model()
    windows = Windows.make(4, 2) if has_windows else None
    spec = ClassifierSpec(
        labels=model.classifier.labels, max_length=10, temperature=1.0, windows=windows
    )
    classifier = Classifier(SAMPLE_MODEL, spec, "windows")
    monkeypatch.setattr(loader, "_model", replace(model, classifier=classifier))
    monkeypatch.setattr(module, "MAX_WINDOW_SECONDS", 0.0)
    request = PredictRequest([Text(TEXTS[0])], is_list=False)
    # WHEN a text is classified THEN the first has a clean error, and the second an answer
    if has_windows:
        with pytest.raises(ProblemError, match=r"too long: .* fewer or shorter") as raised:
            predictor.classify(request, "id")
        assert raised.value.status == 422
    else:
        assert labels(predictor.classify(request, "id").predictions)


def make_slow(loader: ClassifierLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model classify the first part of a request in time, and no more."""
    classify, times = loader.get_model().classifier.predict, iter([inf])

    def predict(texts: list[str], seconds: float = inf) -> list[Prediction]:
        if next(times, 0.0) < seconds:
            raise SlowTextsError("ask for fewer texts")
        return classify(texts)

    monkeypatch.setattr(loader.get_model().classifier, "predict", predict)


@pytest.mark.parametrize("fault", ["slow", "unexplained", "refused"])
def test_nothing_is_recorded_of_a_request_that_gets_an_error(
    predictor: Predictor,
    loader: ClassifierLoader,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    # GIVEN a request in two parts: the second takes too long, or there is no time to explain them,
    # or the answer is refused
    monkeypatch.setattr(module, "PART", 2)
    if fault == "slow":
        make_slow(loader, monkeypatch)
    if fault == "unexplained":
        monkeypatch.setattr(module, "MAX_SECONDS", 0.0)

    def check(classified: Classified) -> None:
        assert labels(classified.predictions)
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large")

    items: list[Text | FieldError] = [Text(text) for text in TEXTS]
    request = PredictRequest(items, is_list=True, explain=fault == "unexplained")
    # WHEN it is classified THEN the client gets an error
    with pytest.raises(ProblemError):
        predictor.classify(request, "id", check=check if fault == "refused" else None)
    # AND neither the log nor the metrics have any of its predictions
    assert "Predictions" not in capsys.readouterr().out
