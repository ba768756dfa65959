import gzip
from pathlib import Path

import numpy as np
import pytest

from training.data.examples import UNLABELLED, Example
from training.evaluate import elsewhere
from training.evaluate.further import FurtherFile
from training.evaluate.multi_label.baseline import fit
from training.evaluate.multi_label.elsewhere import FurtherOutputs, measure_bundle, write_rows
from training.evaluate.multi_label.results import LabelChoice
from training.fit.trained_model import StaleError
from training.metrics import Probabilities
from training.multi_label import Answers
from training.tasks import custom_task, with_labels

NAMES = ("bill", "parcel", "odd")
TASK = with_labels(custom_task("messages", "text", "label", None), NAMES)
CHOICES = {name: LabelChoice(temperature=1, threshold=0.5, validation_rows=50) for name in NAMES}


def make_rows(*texts: str) -> list[Example]:
    """Rows whose labels are the names that are in their texts."""
    return [
        Example(text, UNLABELLED, labels=tuple(n for n, name in enumerate(NAMES) if name in text))
        for text in texts
    ]


TRAINING = make_rows("a bill", "a parcel", "bill and parcel", "an odd one", "hello") * 10
# Two of the three labels; the model misses the parcel in the last of each four.
ROWS = make_rows(
    *(text.format(n) for n in range(50) for text in ("bill {}", "parcel {}", "hi {}", "PS {}"))
)
ROWS = [
    Example(row.text, UNLABELLED, labels=(1,)) if row.text.startswith("PS") else row for row in ROWS
]


def collect(half: bool = False, rows: list[Example] = ROWS) -> FurtherOutputs:
    """The outputs for a further file, half of which was calibrated on or none."""
    file = FurtherFile(
        name="messages.csv",
        rows=rows,
        for_calibration=np.arange(len(rows)) % 8 < 4 if half else np.zeros(len(rows), bool),
        times=1,
        reading="messages.csv: read as csv",
        bad_rows=2,
        known_rows=1,
        learnt_rows=0,
    )
    probabilities, _ = answer([row.text for row in rows])
    logits = np.log(probabilities / (1 - probabilities)).astype(np.float32)
    return FurtherOutputs.collect(file, logits, fit(TASK, TRAINING, TRAINING, seed=0))


def answer(texts: list[str]) -> tuple[Probabilities, Answers]:
    """A model that gives the labels whose names are in a text, and is sure at 0.9."""
    answers = np.array([[name in text for name in NAMES] for text in texts])
    return np.where(answers, 0.9, 0.1), answers


def test_a_file_is_measured_next_to_the_baseline_over_the_labels_that_it_has() -> None:
    # GIVEN rows with two of three labels WHEN a model is measured on them
    measured = collect().measure(CHOICES)
    # THEN its figures are those of the rows: 100 of 150 labels are found, and no other is given
    assert measured.texts == 200
    assert measured.labels == ["bill", "parcel"]
    assert measured.micro_f1 == pytest.approx(2 * 100 / 250)
    assert measured.macro_f1 == pytest.approx((1 + 2 * 50 / 150) / 2)
    assert measured.accuracy == pytest.approx(0.75)
    # AND the baseline is measured on the same rows
    assert measured.baseline.micro_f1 == measured.against_baseline.other_micro_f1
    assert (measured.bad_rows, measured.known_rows, measured.whole) == (2, 1, None)


def test_rows_that_were_calibrated_on_count_for_micro_f1_alone() -> None:
    # GIVEN a file of which half was calibrated on, and a model that is wrong on all of that half
    outputs = collect(half=True)
    outputs.logits[outputs.file.for_calibration] *= -1
    # WHEN it is measured
    measured = outputs.measure(CHOICES)
    # THEN the figures are those of the other half, and micro-F1 of all rows is known, too
    assert (measured.texts, measured.calibration_rows) == (100, 100)
    assert measured.micro_f1 == pytest.approx(2 * 100 / 250)
    assert measured.calibration_error == pytest.approx(collect().measure(CHOICES).calibration_error)
    assert measured.whole is not None
    assert measured.whole.texts == 200
    assert measured.whole.micro_f1 < 0.5
    # AND these halves are what temperatures are fitted on, and tested on
    assert len(outputs.for_calibration.labels) == len(outputs.for_test.labels) == 100


def test_a_bundle_is_measured_on_the_rows_that_were_saved(tmp_path: Path) -> None:
    # GIVEN the rows of a file in a model folder
    write_rows(tmp_path, [collect(half=True)])
    # WHEN a bundle is measured
    (found,) = measure_bundle(tmp_path, NAMES, answer)
    # THEN the manifest gets micro-F1 of all rows, and the calibration error of the other half
    assert (found.name, found.texts, found.labels) == ("messages.csv", 200, ("bill", "parcel"))
    assert found.micro_f1 == pytest.approx(2 * 100 / 250)
    assert found.micro_f1_interval.low < found.micro_f1 < found.micro_f1_interval.high
    assert found.difference == pytest.approx(found.micro_f1 - found.baseline_micro_f1)
    assert (found.calibration_texts, found.calibrated_on) == (100, 100)
    # AND no text, although they are saved
    assert b"parcel 7" in gzip.decompress((tmp_path / elsewhere.FILE).read_bytes())
    assert "parcel 7" not in found.model_dump_json()


def test_texts_of_which_none_has_a_label_are_measured_too(tmp_path: Path) -> None:
    # GIVEN a file without labels, for one of whose texts a model gives one
    outputs = collect(rows=make_rows("hi", "hello", "good day", "thanks"))
    outputs.logits[0, 0] = 3
    # WHEN the model and its bundle are measured on it
    measured = outputs.measure(CHOICES)
    write_rows(tmp_path, [outputs])
    (found,) = measure_bundle(tmp_path, NAMES, answer)
    # THEN accuracy is the share of texts that rightly get none
    assert (measured.accuracy, measured.labels) == (0.75, [])
    assert (found.texts, found.labels, found.micro_f1) == (4, (), 1)


def test_without_further_files_nothing_is_saved_or_measured(tmp_path: Path) -> None:
    write_rows(tmp_path, [])
    assert not list(tmp_path.iterdir())
    assert measure_bundle(tmp_path, NAMES, answer) == []


def test_rows_that_another_version_saved_are_to_be_saved_again(tmp_path: Path) -> None:
    # GIVEN the rows of a file, saved with a field that this version does not know
    (tmp_path / elsewhere.FILE).write_bytes(gzip.compress(b'[{"name": "a.csv", "lines": []}]'))
    # WHEN a bundle is measured THEN the error says what to run
    with pytest.raises(StaleError, match=f"run textclf evaluate {tmp_path}"):
        measure_bundle(tmp_path, NAMES, answer)
