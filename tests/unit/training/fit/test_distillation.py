from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import HEADLINES, TinyModel
from training import metrics
from training.data.examples import DataError, labels_of
from training.fit import distilbert
from training.fit.distillation import hash_teachers, make_targets
from training.fit.record import TrainingRecord, hash_weights
from training.fit.rows import load_rows
from training.fit.settings import Settings

CPU = torch.device("cpu")


def make_settings(**changes: object) -> Settings:
    return Settings.model_validate({"data": str(HEADLINES), "output": "o", **changes})


def test_without_a_teacher_the_labels_are_the_targets() -> None:
    # GIVEN no teacher
    dataset, rows = load_rows(make_settings())
    # WHEN the targets are made
    record = TrainingRecord.begin(make_settings(), dataset, rows)
    targets = make_targets(rows.train, record, CPU, None)
    # THEN each row's label has all the probability
    assert (targets.argmax(axis=1) == labels_of(rows.train)).all()
    assert targets.sum() == len(rows.train)


def test_a_teachers_predictions_are_mixed_into_the_targets(tiny_model: TinyModel) -> None:
    # GIVEN a teacher that was trained on the same rows
    settings = make_settings(teachers=str(tiny_model.folder), distillation=0.25)
    dataset, rows = load_rows(settings)
    # WHEN a quarter of the targets comes from it
    record = TrainingRecord.begin(settings, dataset, rows)
    targets = make_targets(rows.train, record, CPU, None)
    # THEN they are the labels and its probabilities, three to one
    model, tokenizer = distilbert.load(tiny_model.folder)
    texts = [row.text for row in rows.train]
    logits = distilbert.compute_logits(model, distilbert.encode(tokenizer, texts), CPU)
    labels = np.eye(4)[labels_of(rows.train)]
    expected = 0.75 * labels + 0.25 * metrics.softmax(logits)
    assert targets == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "random"}, "not hold out the same rows: split, rows"),
        ({"seed": 7}, "not hold out the same rows: seed"),
        ({"max_rows": 100}, "not hold out the same rows: max_rows"),
        ({"teachers": "nowhere"}, "no trained model in nowhere"),
    ],
)
def test_a_teacher_that_may_know_the_rows_held_out_is_refused(
    tiny_model: TinyModel, changes: dict[str, object], message: str
) -> None:
    # GIVEN a student whose rows are split in another way than its teacher's
    settings = make_settings(**{"teachers": str(tiny_model.folder), **changes})
    dataset, rows = load_rows(settings)
    # WHEN the targets are made THEN the teacher is refused
    with pytest.raises(DataError, match=message):
        make_targets(rows.train, TrainingRecord.begin(settings, dataset, rows), CPU, None)


def test_teachers_are_identified_by_their_weights(tiny_model: TinyModel) -> None:
    settings = make_settings(teachers=f" {tiny_model.folder} ,")
    assert hash_teachers(settings) == {tiny_model.folder.name: hash_weights(tiny_model.folder)}


def test_a_missing_teacher_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no trained model in"):
        hash_teachers(make_settings(teachers=str(tmp_path)))
