import json
from dataclasses import replace

import pytest

from inference.model.classifier import Prediction
from inference.runtime.telemetry import (
    logger,
    metrics,
    record_lost_predictions,
    record_model_load,
    record_model_load_failure,
    record_predictions,
)
from tests.cloudwatch import emitted, read_log

SURE = Prediction({"Science": 0.9, "Health": 0.1}, truncated=False, tokens=7)
UNSURE = Prediction({"Science": 0.4, "Health": 0.6}, truncated=True, tokens=64)


@pytest.fixture(autouse=True)
def _namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "namespace", "Tests")


def test_a_request_has_metrics_of_its_own_and_of_each_label(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN three predictions of two labels WHEN they are recorded
    record_predictions([SURE, UNSURE, SURE], "0123456789abcdef", 12.5)
    # THEN each value is there, and each label is counted by itself
    assert emitted(capsys) == [
        (
            {"service": "classifier"},
            {
                "Confidence": ([0.9, 0.6, 0.9], "None"),
                "Tokens": ([7, 64, 7], "Count"),
                "Latency": ([12.5], "Milliseconds"),
            },
        ),
        ({"service": "classifier", "label": "Science"}, {"Predictions": ([2], "Count")}),
        ({"service": "classifier", "label": "Health"}, {"Predictions": ([1], "Count")}),
    ]


def test_one_text_is_one_line_that_is_log_and_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a request for one text, from which the model abstains WHEN it is recorded
    abstained = replace(SURE, can_abstain=True, abstention="out_of_scope")
    record_predictions([abstained], "0123456789abcdef", 12.3456)
    # THEN there is one line, which Logs Insights reads by its message
    (text,) = capsys.readouterr().out.splitlines()
    line = json.loads(text)
    assert (line["message"], line["level"]) == ("predicted", "INFO")
    assert (line["labels"], line["tokens"]) == (["Science"], [7])
    assert (line["confidences"], line["latency_ms"]) == ([0.9], 12.35)
    assert line["model_version"] == "0123456789abcdef"
    # AND CloudWatch reads three metrics by service, one by label and one by reason
    directives = line["_aws"]["CloudWatchMetrics"]
    assert [(one["Dimensions"], len(one["Metrics"])) for one in directives] == [
        ([["service"]], 3),
        ([["service", "label"]], 1),
        ([["service", "reason"]], 1),
    ]


def test_the_log_level_does_not_switch_off_the_metrics(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a function that logs warnings alone WHEN it predicts
    level = logger.log_level
    logger.setLevel("WARNING")
    try:
        record_predictions([SURE], "0123456789abcdef", 12.5)
    finally:
        logger.setLevel(level)
    # THEN there is a line with the metrics and the version, but with no label of a text
    (text,) = capsys.readouterr().out.splitlines()
    line = json.loads(text)
    assert (line["Predictions"], line["model_version"]) == ([1], "0123456789abcdef")
    assert not {"message", "labels", "timestamp"} & line.keys()


def test_more_predictions_than_a_blob_holds_go_into_several(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN more values than the 100 that EMF allows in one blob WHEN they are recorded
    record_predictions([SURE] * 250, "0123456789abcdef", 12.5)
    # THEN all of them are there, in blobs that are not too large
    blobs = [values for _, values in emitted(capsys)]
    for name in ("Confidence", "Tokens"):
        sizes = [len(values[name][0]) for values in blobs if name in values]
        assert sum(sizes) == 250
        assert max(sizes) <= 100


def test_a_label_that_is_not_ascii_is_still_a_dimension(capsys: pytest.CaptureFixture[str]) -> None:
    prediction = Prediction({"Santé": 1.0}, truncated=False, tokens=3)
    record_predictions([prediction], "0123456789abcdef", 1)
    assert emitted(capsys)[1][0]["label"] == r"Sant\xe9"


@pytest.mark.parametrize("texts", [None, ["zebra crossing"]])
def test_texts_are_in_the_log_only_if_given(
    capsys: pytest.CaptureFixture[str], texts: list[str] | None
) -> None:
    record_predictions([SURE], "0123456789abcdef", 12.3456, texts)
    (line,) = read_log(capsys, "predicted")
    assert line.get("texts") == texts


def test_texts_do_not_make_the_line_with_the_metrics_longer_than_cloudwatch_reads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a function that logs texts WHEN those of a request are longer than a log line may be
    texts = ["zebra crossing " * 600] * 40
    record_predictions([SURE] * 40, "0123456789abcdef", 12.5, texts)
    # THEN the metrics are in a short line, beside the log line
    lines = capsys.readouterr().out.splitlines()
    long, short = map(json.loads, lines)
    assert (long["message"], long["texts"]) == ("predicted", texts)
    assert "_aws" not in long
    assert (len(short["_aws"]["CloudWatchMetrics"]), short["Latency"]) == (2, [12.5])
    assert len(lines[1]) < 256_000


def test_a_load_is_recorded_with_its_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    record_model_load("0123456789abcdef", 1.5)
    assert emitted(capsys) == [
        ({"service": "classifier"}, {"ModelLoadSeconds": ([1.5], "Seconds")})
    ]


def test_a_failed_load_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    record_model_load_failure("s3://models/news/0123456789abcdef", RuntimeError("NoSuchKey"))
    assert emitted(capsys) == [({"service": "classifier"}, {"ModelLoadFailures": ([1], "Count")})]


def test_lost_predictions_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    record_lost_predictions(17, "not written within 200 ms")
    assert emitted(capsys) == [
        ({"service": "classifier"}, {"PredictionLogFailures": ([17], "Count")})
    ]


def test_abstentions_are_counted_by_their_reason(capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN predictions of a model with thresholds, which abstains from two of three
    answered = replace(SURE, can_abstain=True)
    abstained = replace(SURE, can_abstain=True, abstention="out_of_scope")
    # WHEN they are recorded
    record_predictions([answered, abstained, abstained], "0123456789abcdef", 12.5)
    # THEN the abstentions are counted, and the labels as before
    *_, labels, abstentions = emitted(capsys)
    assert labels[1] == {"Predictions": ([3], "Count")}
    assert abstentions == (
        {"service": "classifier", "reason": "out_of_scope"},
        {"Abstentions": ([2], "Count")},
    )


def test_only_a_model_with_thresholds_logs_abstentions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a model with thresholds, and one without
    record_predictions([replace(UNSURE, can_abstain=True, abstention="low_confidence")], "1", 1)
    record_predictions([UNSURE], "1", 1)
    # THEN the log lines say so for the first one only
    logged = [line.get("abstentions") for line in read_log(capsys, "predicted")]
    assert logged == [["low_confidence"], None]


def test_each_of_several_labels_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a text with two labels, and one with none
    label = SURE.label
    two, none = replace(SURE, labels=(label, "other")), replace(SURE, labels=())
    # WHEN they are recorded THEN there is a count for each label
    record_predictions([two, none], "0123456789abcdef", 12.5)
    counts = {
        dimensions["label"]: values["Predictions"]
        for dimensions, values in emitted(capsys)
        if "label" in dimensions
    }
    assert counts == {label: ([1], "Count"), "other": ([1], "Count")}
