import gzip
from pathlib import Path

import numpy as np
import pytest

from training.data.examples import Example
from training.evaluate import elsewhere
from training.evaluate.baseline import fit_words
from training.evaluate.elsewhere import FurtherRows, measure_bundle, publish, write_rows
from training.evaluate.further import FurtherFile
from training.fit.trained_model import StaleError
from training.metrics import Probabilities
from training.tasks import custom_task, with_labels

NAMES = ["bad", "good", "odd"]
TASK = with_labels(custom_task("films", "text", "label", None), tuple(NAMES))
TRAINING = [Example("bad film", 0), Example("good film", 1), Example("odd film", 2)] * 5
# Two of the labels; the linear model is right about the first three of each four.
ROWS = [
    Example(f"{word} film {n}", label)
    for n in range(50)
    for word, label in (("bad", 0), ("good", 1), ("good", 1), ("odd", 1))
]


def make_file(half: bool) -> FurtherFile:
    """A further file, half of which was calibrated on or none."""
    return FurtherFile(
        name="films.csv",
        rows=ROWS,
        for_calibration=np.arange(len(ROWS)) % 8 < 4 if half else np.zeros(len(ROWS), bool),
        times=1,
        reading="films.csv: read as csv",
        bad_rows=2,
        known_rows=1,
        learnt_rows=0,
    )


def collect(half: bool = False) -> FurtherRows:
    return FurtherRows.collect(make_file(half), fit_words(TASK, TRAINING, seed=0))


def predict(texts: list[str]) -> Probabilities:
    """A model that is right but for the last text of each four, with a confidence of 0.9."""
    label = {"bad": 0, "good": 1, "odd": 2}
    right = np.array([label[text.split()[0]] for text in texts])
    return np.where(np.eye(3)[right] == 1, 0.9, 0.05)


def test_a_file_is_measured_next_to_the_baseline_over_the_labels_that_it_has() -> None:
    # GIVEN rows with two of three labels WHEN a model is measured on them
    rows = collect()
    measured = rows.measure(predict(rows.texts), NAMES)
    # THEN accuracy, macro-F1 over two labels, calibration error and intervals are those of the rows
    assert measured.texts == 200
    assert measured.accuracy == pytest.approx(0.75)
    assert measured.labels == ["bad", "good"]
    assert measured.macro_f1 == pytest.approx((1 + 0.8) / 2)
    assert measured.calibration_error == pytest.approx(0.15)
    assert measured.calibration_error_interval is not None
    assert measured.calibration_error_interval.low < 0.15 < measured.calibration_error_interval.high
    # AND the baseline is measured on the same rows
    assert measured.baseline is not None
    assert measured.against_baseline is not None
    assert measured.baseline.accuracy == measured.against_baseline.other_accuracy
    assert measured.baseline.name == "TF-IDF(1,2) + LinearSVC"
    assert measured.whole is None


def test_rows_that_were_calibrated_on_count_for_accuracy_alone() -> None:
    # GIVEN a file of which half was calibrated on, and a model that is wrong on that half
    rows = collect(half=True)
    probabilities = predict(rows.texts)
    probabilities[rows.for_calibration] = [0.02, 0.03, 0.95]
    # WHEN it is measured
    measured = rows.measure(probabilities, NAMES)
    # THEN the calibration error is that of the other half, and the accuracy of all is known, too
    assert (measured.texts, measured.calibration_rows) == (100, 100)
    assert measured.calibration_error == pytest.approx(0.15)
    assert measured.accuracy == pytest.approx(0.75)
    assert measured.whole is not None
    assert measured.whole.texts == 200
    assert measured.whole.accuracy == pytest.approx(0.375)


def test_a_bundle_is_measured_on_the_rows_that_were_saved(tmp_path: Path) -> None:
    # GIVEN the rows of a file in a model folder
    write_rows(tmp_path, [collect(half=True)])
    # WHEN a bundle is measured
    (found,) = measure_bundle(tmp_path, NAMES, predict)
    # THEN the manifest gets the accuracy of all rows and the calibration error of the other half
    assert (found.name, found.texts, found.labels) == ("films.csv", 200, ("bad", "good"))
    assert found.accuracy == pytest.approx(0.75)
    assert found.difference == pytest.approx(found.accuracy - found.baseline_accuracy)
    assert (found.calibration_texts, found.calibrated_on) == (100, 100)
    assert found.calibration_error == pytest.approx(0.15)
    assert "bad film" not in found.model_dump_json()


def test_without_further_files_nothing_is_saved_or_measured(tmp_path: Path) -> None:
    write_rows(tmp_path, [])
    assert not list(tmp_path.iterdir())
    assert measure_bundle(tmp_path, NAMES, predict) == []


def test_the_same_rows_are_saved_as_the_same_bytes(tmp_path: Path) -> None:
    write_rows(tmp_path, [collect()])
    first = (tmp_path / elsewhere.FILE).read_bytes()
    write_rows(tmp_path, [collect()])
    assert (tmp_path / elsewhere.FILE).read_bytes() == first
    assert b"bad film" in gzip.decompress(first)


def test_what_an_earlier_version_measured_is_not_published() -> None:
    rows = collect()
    measured = rows.measure(predict(rows.texts), NAMES)
    with pytest.raises(ValueError, match="earlier version"):
        publish("films.csv", measured.model_copy(update={"against_baseline": None}))


def test_rows_that_another_version_saved_are_to_be_saved_again(tmp_path: Path) -> None:
    # GIVEN the rows of a file, saved with a field that this version does not know
    (tmp_path / elsewhere.FILE).write_bytes(gzip.compress(b'[{"name": "a.csv", "lines": []}]'))
    # WHEN a bundle is measured THEN the error says what to run
    with pytest.raises(StaleError, match=f"run textclf evaluate {tmp_path}"):
        measure_bundle(tmp_path, NAMES, predict)
