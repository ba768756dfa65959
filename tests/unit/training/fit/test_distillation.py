import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import HEADLINES, TinyModel
from training.data.examples import DataError, labels_of
from training.evaluate import metrics
from training.fit import distilbert, train
from training.fit.distillation import targets
from training.fit.record import weights_sha256
from training.fit.settings import Settings, rows_of

CPU = torch.device("cpu")


def settings_of(**changes: object) -> Settings:
    return Settings(**{"data": str(HEADLINES), "output": "o", **changes})  # type: ignore[arg-type]


def test_without_a_teacher_the_label_is_the_target() -> None:
    dataset, rows = rows_of(settings_of())
    found = targets(rows, dataset, settings_of(), CPU, None)
    assert (found.argmax(axis=1) == labels_of(rows.train)).all()
    assert found.sum() == len(rows.train)


def test_a_teachers_answers_are_mixed_into_the_targets(tiny_model: TinyModel) -> None:
    # GIVEN a teacher that was trained on the same rows
    settings = settings_of(teachers=str(tiny_model.folder), distillation=0.25)
    dataset, rows = rows_of(settings)
    # WHEN a quarter of the targets is its own
    found = targets(rows, dataset, settings, CPU, None)
    # THEN they are the labels and its probabilities, three to one
    model, tokenizer = distilbert.load(tiny_model.folder)
    texts = [row.text for row in rows.train]
    answers = metrics.softmax(distilbert.logits(model, distilbert.encode(tokenizer, texts), CPU))
    truth = np.eye(4)[labels_of(rows.train)]
    assert found == pytest.approx(0.75 * truth + 0.25 * answers, abs=1e-6)


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
    settings = settings_of(**{"teachers": str(tiny_model.folder), **changes})
    dataset, rows = rows_of(settings)
    with pytest.raises(DataError, match=message):
        targets(rows, dataset, settings, CPU, None)


def test_a_student_is_trained_with_its_teacher_on_record(
    tiny_base: Path, tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN a teacher WHEN a student is trained
    options = ["--data", str(HEADLINES), "--base-model", str(tiny_base), "--epochs", "1"]
    options += ["--precision", "fp32", "--teachers", str(tiny_model.folder)]
    assert train.main([*options, "--output", str(tmp_path)]) == 0
    # THEN its record names it, by its weights
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["teachers"] == {tiny_model.folder.name: weights_sha256(tiny_model.folder)}
