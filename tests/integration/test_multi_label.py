"""Texts that may have several labels: from the sample messages to the answers of every door."""

import csv
import json
import shutil
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mypy_boto3_s3 import S3Client
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    label_ranking_average_precision_score,
)

from inference.bulk.distributed import steps
from inference.drift.reference import read_reference
from inference.drift.stability import measure_features
from inference.model.bundle import MANIFEST, parse_manifest, read_verified
from inference.model.classifier import Classifier
from inference.model.listing import list_bundles
from inference.model.publish import publish
from inference.prediction_log.sample import create_client, sample
from inference.runtime.context import Context
from tests.conftest import MESSAGES, SAMPLE_MODEL, TinyModel
from tests.integration.bulk_service import BulkService, to_csv, use_small_ranges
from tests.integration.conftest import Call, PredictionTable
from tests.multi_label import COLUMNS, LABELS, SEVERAL, TRAINING
from textclf.app import main
from training import multi_label
from training.data.examples import multi_hot
from training.evaluate.multi_label.results import MultiLabelEvaluation
from training.evaluate.predictions import HeldOutPredictions
from training.fit.trained_model import open_trained_model
from training.sagemaker import entry
from training.sagemaker.container import Container

KETTLE = "The kettle leaks and is broken, please send a return label."
THANKS = "Thank you, and have a good weekend!"


@pytest.fixture
def several_uri(s3: S3Client, bucket: str, multi_label_model: TinyModel) -> str:
    """The URI of the tiny model in the local S3."""
    return publish(s3, multi_label_model.bundle, f"s3://{bucket}/messages")


@pytest.fixture
def several(start: Callable[..., Call], several_uri: str) -> Call:
    """Calls a function that serves the tiny model."""
    return start(several_uri)


@pytest.fixture
def single(start: Callable[..., Call], tmp_path: Path) -> Call:
    """Calls a function that serves a model of one label, in a bundle of schema 1."""
    bundle = Path(shutil.copytree(SAMPLE_MODEL, tmp_path / "single"))
    manifest = json.loads((bundle / MANIFEST).read_text()) | {"schema_version": 1}
    for newer in ("examples", "out_of_scope", "label_thresholds"):
        manifest.pop(newer, None)
    (bundle / MANIFEST).write_bytes(parse_manifest(json.dumps(manifest).encode()).to_bytes())
    return start(bundle.as_uri())


@pytest.fixture(scope="session")
def classifier(multi_label_model: TinyModel) -> Classifier:
    return Classifier.load(read_verified(multi_label_model.bundle))


def with_thresholds(bundle: Path, folder: Path, threshold: float) -> Path:
    """Copy a bundle, and set all its thresholds."""
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["labelling"]["thresholds"] = dict.fromkeys(LABELS, threshold)
    (folder / MANIFEST).write_bytes(parse_manifest(json.dumps(manifest).encode()).to_bytes())
    return folder


def test_the_evaluation_has_the_figures_of_scikit_learn(multi_label_model: TinyModel) -> None:
    # GIVEN the labels of the test rows, and the model's answers at the thresholds it chose
    model = open_trained_model(multi_label_model.folder)
    evaluation = json.loads((multi_label_model.folder / "evaluation.json").read_text())
    labels = multi_hot(model.rows.test, len(LABELS))
    choices = evaluation["choices"].values()
    logits = HeldOutPredictions.read(multi_label_model.folder).logits
    probabilities = multi_label.sigmoid(logits, [each["temperature"] for each in choices])
    answers = probabilities >= [each["threshold"] for each in choices]
    # WHEN they are measured by scikit-learn THEN the report has the same figures
    expected = {
        "micro_f1": f1_score(labels, answers, average="micro"),
        "macro_f1": f1_score(labels, answers, average="macro"),
        "accuracy": accuracy_score(labels, answers),
        "ranking_precision": label_ranking_average_precision_score(labels, probabilities),
    }
    found = {name: evaluation["fp32"][name] for name in expected}
    assert found == pytest.approx(expected)
    report = (multi_label_model.folder / "report.md").read_text()
    assert all(f"{value:.4f} (" in report for value in expected.values())
    # AND each lies in its interval
    for name, value in expected.items():
        low, high = evaluation["fp32"][f"{name}_interval"]
        assert low <= value <= high


def test_the_model_is_no_worse_than_always_the_same_labels(multi_label_model: TinyModel) -> None:
    evaluation = json.loads((multi_label_model.folder / "evaluation.json").read_text())
    useful = evaluation["usefulness"]
    assert useful["against_constant"]["difference_interval"][0] > 0
    assert "one-vs-rest" in useful["baseline_name"]


def test_the_bundle_says_how_labels_are_chosen(multi_label_model: TinyModel) -> None:
    manifest = read_verified(multi_label_model.bundle).manifest
    assert manifest.schema_version == 3
    assert manifest.labels == LABELS
    assert manifest.labelling is not None
    assert manifest.labelling.separator == ";"
    evaluation = json.loads((multi_label_model.folder / "evaluation.json").read_text())
    thresholds = {name: each["threshold"] for name, each in evaluation["choices"].items()}
    assert manifest.labelling.thresholds == thresholds
    # AND the gate measured what takes the place of accuracy
    assert manifest.quantization["measure"] == "micro_f1"
    assert "micro-F1" in (multi_label_model.folder / "gate.md").read_text()


def test_one_text_gets_all_its_labels(several: Call, classifier: Classifier) -> None:
    # WHEN a text of two topics is sent
    status, _, answer = several("POST", "/predict", {"text": KETTLE})
    # THEN the answer has both, the most probable first, and all probabilities
    assert status == 200
    assert set(answer["predicted_labels"]) == {"Defect", "Return"}
    shares = [answer["probabilities"][label] for label in answer["predicted_labels"]]
    assert shares == sorted(shares, reverse=True)
    assert tuple(answer["probabilities"]) == LABELS
    assert sum(answer["probabilities"].values()) != pytest.approx(1, abs=0.01)
    # AND clients that know one label get the first
    assert answer["predicted_label"] == answer["predicted_labels"][0]
    assert answer["confidence"] == shares[0]
    # AND labels are those at or above their thresholds
    assert classifier.labelling is not None
    thresholds = classifier.labelling.thresholds
    chosen = {label for label, p in answer["probabilities"].items() if p >= thresholds[label]}
    assert chosen == set(answer["predicted_labels"])


def test_a_text_without_labels_gets_none(
    start: Callable[..., Call], multi_label_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN a bundle that gives hardly any label
    strict = with_thresholds(multi_label_model.bundle, tmp_path / "strict", 0.999)
    # WHEN a text is sent
    _, _, answer = start(strict.as_uri())("POST", "/predict", {"text": THANKS})
    # THEN it has none, and a client that knows one label still gets the most probable one
    assert answer["predicted_labels"] == []
    assert answer["predicted_label"] == max(
        answer["probabilities"], key=answer["probabilities"].get
    )


def test_a_list_with_top_k_keeps_all_labels(several: Call) -> None:
    _, _, answer = several("POST", "/predict", {"inputs": [KETTLE, THANKS], "top_k": 1})
    first, second = answer["predictions"]
    assert len(first["probabilities"]) == len(second["probabilities"]) == 1
    assert set(first["predicted_labels"]) == {"Defect", "Return"}


def test_the_api_describes_the_field(several: Call) -> None:
    _, _, document = several("GET", "/openapi.json")
    properties = document["components"]["schemas"]["OneAnswer"]["properties"]
    assert properties["predicted_labels"]["items"] == {"type": "string"}
    assert "predicted_labels" not in document["components"]["schemas"]["OneAnswer"]["required"]
    hf = document["paths"]["/hf"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    parameters = hf["properties"]["parameters"]["properties"]
    assert parameters["function_to_apply"] == {"enum": ["sigmoid", None]}
    _, _, card = several("GET", "/model")
    assert card["labelling"]["kind"] == "multi"


def test_a_model_of_one_label_answers_as_before(single: Call) -> None:
    _, _, answer = single("POST", "/predict", {"text": KETTLE})
    assert set(answer) == {
        *("predicted_label", "confidence", "probabilities", "truncated", "model_version")
    }
    _, _, card = single("GET", "/model")
    assert "labelling" not in card
    assert card["examples"] == []  # the manifest has none, and clients have always found the field


def test_a_client_of_hugging_face_gets_scores_by_a_sigmoid(several: Call) -> None:
    # WHEN the function of the model is asked for
    request = {"inputs": KETTLE, "parameters": {"function_to_apply": "sigmoid", "top_k": 2}}
    status, _, (ranked,) = several("POST", "/hf", request)
    # THEN the best labels are answered
    assert status == 200
    assert {each["label"] for each in ranked} == {"Defect", "Return"}
    # AND another function is refused
    request["parameters"]["function_to_apply"] = "softmax"  # type: ignore[index]
    status, _, problem = several("POST", "/hf", request)
    assert status == 422
    assert "sigmoid" in json.dumps(problem)


def test_a_client_of_sagemaker_gets_the_labels_in_a_cell(several: Call) -> None:
    body = f'"{KETTLE}"\n'.encode()
    _, _, table = several("POST", "/invocations", body, "text/csv")
    ((labels, confidence),) = csv.reader(table.splitlines())
    assert set(labels.split(";")) == {"Defect", "Return"}
    assert 0 < float(confidence) < 1


def test_a_direct_invocation_gets_all_labels(several: Call) -> None:
    del several  # which started the function
    handler = sys.modules["inference.api.handler"].handler
    answer = handler({"inputs": [KETTLE]}, Context("the-request-id"))
    assert set(answer["predictions"][0]["predicted_labels"]) == {"Defect", "Return"}


def test_a_queue_gets_all_labels(
    start: Callable[..., Call], several_uri: str, s3: S3Client, bucket: str
) -> None:
    # GIVEN a function whose answers to the messages of a queue go to S3
    start(several_uri, RESULTS_URI=f"s3://{bucket}/answers")
    handler = sys.modules["inference.api.handler"].handler
    message = {"messageId": "first", "body": json.dumps({"text": KETTLE})}
    message |= {"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:1:texts"}
    # WHEN SQS delivers a message
    assert handler({"Records": [message]}, Context("id")) == {"batchItemFailures": []}
    # THEN its answer has both labels
    answer = json.load(s3.get_object(Bucket=bucket, Key="answers/first.json")["Body"])
    assert set(answer["predicted_labels"]) == {"Defect", "Return"}


def test_bulk_writes_the_labels_in_one_column(
    multi_label_model: TinyModel, tmp_path: Path, classifier: Classifier
) -> None:
    # WHEN the sample messages are scored
    output = tmp_path / "scored.csv"
    uri = multi_label_model.bundle.as_uri()
    options = ["--text-column", "text", "--keep", "topics", "--output", str(output)]
    assert main(["bulk", str(MESSAGES), *options, "--model-uri", uri, "--workers", "1"]) == 0
    # THEN each row has its labels in the model's order, joined as in the data
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:7] == [
        *("line", "topics", "predicted_label", "confidence", "truncated", "model_version"),
        "predicted_labels",
    ]
    assert classifier.labelling is not None
    for row in rows:
        expected = [
            label
            for label in LABELS
            if float(row[f"probability_{label}"]) >= classifier.labelling.thresholds[label] - 1e-6
        ]
        assert row["predicted_labels"] == ";".join(expected)
    # AND most of what it learnt is right
    assert np.mean([row["predicted_labels"] == row["topics"] for row in rows]) > 0.5


def test_bulk_on_a_stack_writes_the_same_column(
    s3: S3Client,
    bucket: str,
    several_uri: str,
    multi_label_model: TinyModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN messages in the bucket of a stack, enough for two ranges
    use_small_ranges(monkeypatch, tmp_path)
    service = BulkService(s3, bucket, several_uri)
    texts = to_csv([KETTLE, THANKS] * 20)
    service.put("in/a.csv", texts)
    # WHEN the steps of a run are taken
    run = service.prepare()
    event = service.make_event("plan", run)
    steps.handler(event, None)
    steps.handler({**event, "step": "gather"}, None)
    ranges = [json.loads(line) for line in service.get(run.plan_key).splitlines()]
    parts = [steps.handler({**event, "step": "score", **each}, None) for each in ranges]
    # THEN the parts together are what the command writes on one machine
    (tmp_path / "a.csv").write_bytes(texts)
    output, uri = tmp_path / "scored.csv", multi_label_model.bundle.as_uri()
    options = ["--keep", "id", "--output", str(output), "--model-uri", uri, "--workers", "1"]
    assert main(["bulk", str(tmp_path / "a.csv"), *options]) == 0
    with output.open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))
    assert len(parts) == 2
    assert service.read_rows({"parts": parts}) == expected
    assert expected[0]["predicted_labels"] == "Defect;Return"


def test_the_log_of_predictions_has_all_labels(
    table: PredictionTable, start: Callable[..., Call], several_uri: str, classifier: Classifier
) -> None:
    # GIVEN a function with a prediction log
    call = start(several_uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS="5000")
    # WHEN it has answered
    _, _, answer = call("POST", "/predict", {"inputs": [KETTLE, THANKS]})
    # THEN the index has the labels of each text
    window = sample(create_client(), table.name, classifier.version, 1, datetime.now(UTC), 10)
    answered = [tuple(each["predicted_labels"]) for each in answer["predictions"]]
    assert {each.labels for each in window} == set(answered)
    assert {each.label for each in window} == {next(iter(each), "") for each in answered}


def test_drift_is_measured_for_each_label(
    multi_label_model: TinyModel, classifier: Classifier
) -> None:
    # GIVEN the reference of the bundle, and a window of nothing but broken kettles
    manifest = read_verified(multi_label_model.bundle).manifest
    reference = read_reference(manifest)
    (prediction,) = classifier.predict([KETTLE])
    # WHEN drift is measured
    features = {each.name: each for each in measure_features(reference, [prediction] * 1000)}
    # THEN there is a feature for each label: here one has drifted in either direction
    assert {f"label: {label}" for label in LABELS} <= set(features)
    assert features["label: Defect"].drifted
    assert features["label: Account"].psi > 0.2
    assert set(reference.labels) == set(LABELS)


def test_two_bundles_meet_head_to_head(
    s3: S3Client,
    bucket: str,
    multi_label_model: TinyModel,
    several_uri: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a bundle that gives no label, next to the one that it was made of
    strict = with_thresholds(multi_label_model.bundle, tmp_path / "strict", 1.0)
    old = publish(s3, strict, f"s3://{bucket}/messages")
    # WHEN they meet on the file
    assert main(["head-to-head", several_uri, old, "--data", str(MESSAGES)]) == 0
    # THEN the first has the micro-F1 of its manifest, and the other none
    manifest = json.loads((multi_label_model.bundle / MANIFEST).read_text())
    out = capsys.readouterr().out
    micro_f1 = manifest["metrics"]["int8"]["micro_f1"]
    assert f"| messages {several_uri[-16:]} | {micro_f1:.4f} (" in out
    assert f"| messages {old[-16:]} | 0.0000 (" in out
    assert f"| +{micro_f1:.4f} (" in out


def test_a_list_of_models_shows_micro_f1(
    several_uri: str, multi_label_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", several_uri.rpartition("/")[0]]) == 0
    manifest = json.loads((multi_label_model.bundle / MANIFEST).read_text())
    assert f"micro-F1 {manifest['metrics']['int8']['micro_f1']:.2%}" in capsys.readouterr().out


def test_predict_prints_all_labels(
    multi_label_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "--model-uri", str(multi_label_model.bundle), KETTLE]) == 0
    labels, _, text = capsys.readouterr().out.rstrip("\n").split("\t")
    assert set(labels.split(";")) == {"Defect", "Return"}
    assert text == KETTLE


def test_a_student_learns_from_a_teacher_and_from_texts_without_labels(
    multi_label_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN the model as a teacher, and texts that no one has labelled
    unlabelled = tmp_path / "texts.txt"
    unlabelled.write_text("The parcel is broken.\nThe invoice came twice.\n")
    base = multi_label_model.folder.parent / "base"
    data = ["--data", str(MESSAGES), "--base-model", str(base), "--output", str(tmp_path / "new")]
    teaching = ["--teachers", str(multi_label_model.folder), "--unlabelled", str(unlabelled)]
    teaching += ["--distillation-temperature", "2", "--label-smoothing", "0.1", "--head-first"]
    teaching += ["--embedding-loss", "0.5"]
    options = [*SEVERAL, *TRAINING, *teaching]
    options[options.index("--epochs") + 1] = "15"
    # WHEN a student is trained and evaluated
    assert main(["train", *data, *options]) == 0
    assert main(["evaluate", str(tmp_path / "new")]) == 0
    # THEN it has learnt more than to give always the same labels
    evaluation = json.loads((tmp_path / "new" / "evaluation.json").read_text())
    assert evaluation["usefulness"]["against_constant"]["difference"] > 0
    assert "2 texts without labels = 2 to learn from" in capsys.readouterr().out


def test_a_soup_of_models_is_a_model(multi_label_model: TinyModel, tmp_path: Path) -> None:
    # GIVEN the model twice WHEN it is averaged with itself
    folder = str(multi_label_model.folder)
    assert main(["soup", folder, folder, "--output", str(tmp_path / "soup")]) == 0
    # THEN the result is as good on the validation rows
    records = [
        json.loads((each / "training.json").read_text())
        for each in (multi_label_model.folder, tmp_path / "soup")
    ]
    best = max(f1 for _, f1 in records[0]["validation_macro_f1"])
    assert records[1]["validation_macro_f1"] == pytest.approx(best)


@pytest.fixture
def copied(multi_label_model: TinyModel, tmp_path: Path) -> Path:
    """A copy of the model's folder."""
    shutil.copytree(multi_label_model.folder, tmp_path / "model")
    return tmp_path / "model"


def test_a_further_file_is_measured_up_to_the_manifest(copied: Path, tmp_path: Path) -> None:
    # GIVEN a file of other messages
    other = tmp_path / "other.csv"
    other.write_text(f'text,topics\n"{KETTLE} Soon!",Defect;Return\nHello again and again,\n')
    # WHEN the model is evaluated on it, too, and exported
    assert main(["evaluate", str(copied), "--also", str(other)]) == 0
    assert main(["export", str(copied), "--allow-worse"]) == 0
    # THEN the report has a section of it, and the page of the gate and the manifest its figures
    assert "## other.csv" in (copied / "report.md").read_text()
    assert "| other.csv | 2 |" in (copied / "gate.md").read_text()
    (found,) = read_verified(copied / "bundle").manifest.metrics["elsewhere"]
    assert (found["name"], found["texts"]) == ("other.csv", 2)
    assert found["labels"] == ["Defect", "Return"]


def test_texts_of_others_are_calibrated_on_up_to_the_manifest(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN messages of others that get two of the five labels, and are often wrong about them
    texts = [
        f"{word} number {n} from elsewhere" for word in ("parcel", "invoice") for n in range(90)
    ]
    others = tmp_path / "others.csv"
    rows = "".join(f"{text},{('Delivery', 'Billing', '')[n % 3]}\n" for n, text in enumerate(texts))
    others.write_text(f"message,tags\n{rows}")
    before = MultiLabelEvaluation.read(copied)
    # WHEN they share in the temperatures, and the model is exported
    columns = ["--text-column", "message", "--label-column", "tags"]
    assert main(["evaluate", str(copied), "--calibrate-on", str(others), *columns]) == 0
    out, error = capsys.readouterr()
    assert main(["export", str(copied), "--allow-worse"]) == 0
    # THEN every row is accounted for, and half of them test the result
    after = MultiLabelEvaluation.read(copied)
    theirs = after.also["others.csv"]
    assert theirs.texts + theirs.calibration_rows == 180
    assert f"180 used ({theirs.calibration_rows} to calibrate on" in error
    # AND the temperatures of their labels have changed, as the report shows
    changed = {
        name
        for name, choice in after.choices.items()
        if abs(choice.temperature / before.choices[name].temperature - 1) > 0.2
    }
    assert {"Billing", "Delivery"} <= changed
    assert [choice.temperatures for choice in after.calibration][1:] == [
        before.temperatures,
        after.temperatures,
    ]
    assert "## Calibration" in out
    assert f"the temperatures also on {theirs.calibration_rows} of others.csv" in out
    # AND so do those of the bundle, whose calibration error is of the other half
    manifest = read_verified(copied / "bundle").manifest
    assert manifest.labelling is not None
    assert tuple(manifest.labelling.temperatures.values()) == after.temperatures
    (found,) = manifest.metrics["elsewhere"]
    assert (found["texts"], found["calibrated_on"]) == (180, theirs.calibration_rows)
    assert found["calibration_texts"] == theirs.texts
    assert str(tmp_path) not in (copied / "bundle" / MANIFEST).read_text()


def test_texts_without_any_label_cannot_calibrate(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = tmp_path / "others.csv"
    others.write_text("text,topics\n" + "".join(f"Hello number {n},\n" for n in range(100)))
    assert main(["evaluate", str(copied), "--calibrate-on", str(others)]) == 1
    assert "rows to calibrate on has a label" in capsys.readouterr().err


def test_a_job_trains_publishes_and_retrains(
    s3: S3Client, bucket: str, multi_label_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN the folders of two jobs with the messages and a base model, and their hyperparameters
    base = multi_label_model.folder.parent / "base"
    settings = {"task": "messages", "text-column": "text", "label-column": "topics"}
    settings |= {"label-separator": ";", "split": "story", "pooling": "mean", "epochs": "1"}
    settings |= {"max-length": "64", "precision": "fp32", "averaging": "0.5"}
    store = f"s3://{bucket}/messages"
    delivery = {"store": store, "publish": True, "allow-worse": True}

    def run(name: str, **more: object) -> None:
        container = Container(tmp_path / name)
        container.channel("training").mkdir(parents=True)
        shutil.copy(MESSAGES, container.channel("training"))
        shutil.copytree(base, container.channel("model"))
        (container.root / "model").mkdir()
        entry.run(container, json.dumps({**settings, **delivery, **more}))

    # WHEN the first is run THEN its bundle is published
    run("first")
    (published,) = list_bundles(s3, store)
    assert published.manifest is not None
    assert published.manifest.labelling is not None
    # AND a retraining is judged by micro-F1 next to it
    verdict = f"s3://{bucket}/verdict.json"
    run("second", previous=f"{store}/{published.version}", verdict=verdict)
    answer = json.loads(s3.get_object(Bucket=bucket, Key="verdict.json")["Body"].read())
    assert answer["deploy"] is True
    assert "micro-F1" in answer["summary"]
    assert "difference +0.00 points" in answer["summary"]


def test_labels_that_look_like_lists_make_a_note(
    tmp_path: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN the sample messages that have labels, and no word that a text may have several
    with MESSAGES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(row for row in rows if row[1])
    options = ["--data", str(tmp_path / "rows.csv"), "--base-model", str(tiny_base)]
    # WHEN a model is trained on them
    seed = ["--epochs", "0.01", "--output", str(tmp_path / uuid.uuid4().hex), "--split", "random"]
    main(["train", *COLUMNS, *options, *seed])
    # THEN a note names the option
    captured: Any = capsys.readouterr()
    assert "looks like a list of labels" in captured.out + captured.err
    assert "--label-separator ';'" in captured.out + captured.err
