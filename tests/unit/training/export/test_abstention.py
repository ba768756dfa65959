from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from inference.model.abstention import Abstention
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier, Prediction
from tests.conftest import SAMPLE_MODEL
from training.data.examples import DataError, Dataset, Example
from training.data.split import RowNumbers, Split
from training.export.abstention import (
    NEVER,
    AbstentionOptions,
    OtherTexts,
    measure_abstention,
    read_other_texts,
)
from training.export.thresholds import Choice
from training.fit.record import RowCounts, TrainingRecord
from training.fit.settings import Settings
from training.fit.trained_model import TrainedModel
from training.tasks import custom_task, with_labels

TASK = with_labels(custom_task("mail", "body", "desk", None), ("a", "b"))


def make_model(test: Sequence[Example]) -> TrainedModel:
    """A model that was trained on one text and tested on these."""
    rows = [Example("learnt text", 0), Example("validated text", 1), *test]
    numbers = RowNumbers([0], [1], list(range(2, len(rows))))
    dataset = Dataset(TASK, rows, "0" * 64)
    settings = Settings(data="mail.csv", output="model")
    counts = RowCounts.count(numbers)
    record = TrainingRecord(
        settings=settings, labels=TASK.labels, dataset_sha256="0", split="story", rows=counts
    )
    return TrainedModel(Path("model"), record, dataset, Split.select(dataset, numbers))


def write(path: Path, lines: Sequence[str]) -> str:
    """Write a file of lines."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_one_half_of_a_file_is_learnt_from_and_the_other_one_measured(tmp_path: Path) -> None:
    # GIVEN a file of texts that no label fits, two of which the data set has
    texts = [f"misrouted mail {number}" for number in range(100)]
    mail = write(tmp_path / "mail.txt", [*texts, "learnt text", "tested text"])
    # AND a table of other texts
    table = write(tmp_path / "table.csv", ["n,message", *(f"{n},hello {n}" for n in range(30))])
    model = make_model([Example("tested text", 0)])
    # WHEN the first is to be learnt from
    (learnt,) = read_other_texts(AbstentionOptions(out_of_scope=(mail,)), model)
    # THEN no text is in both halves, and those of the data set are in neither
    assert len(learnt.learnt) == len(learnt.measured) == 50
    assert {*learnt.learnt, *learnt.measured} == set(texts)
    # AND the second is only measured, by its column
    options = AbstentionOptions(other_texts=(table,), text_column="message")
    (measured,) = read_other_texts(options, model)
    assert (measured.name, measured.learnt, len(measured.measured)) == ("table.csv", [], 30)


def test_too_few_texts_are_refused_and_no_file_is_read_unless_wanted(tmp_path: Path) -> None:
    few = write(tmp_path / "few.txt", [f"text {number}" for number in range(30)])
    with pytest.raises(DataError, match="30 texts are too few, half to learn from"):
        read_other_texts(AbstentionOptions(out_of_scope=(few,)), make_model([]))
    assert read_other_texts(AbstentionOptions(other_texts=(few,)), make_model([]))
    assert read_other_texts(NEVER, make_model([])) == []


def test_a_share_that_is_refused_is_enough_to_have_a_limit() -> None:
    assert AbstentionOptions(refused=0.1).is_wanted
    assert not AbstentionOptions(refused=0).is_wanted
    assert AbstentionOptions(precision=0.9).share_refused == 0.05


def test_options_that_contradict_each_other_or_the_model_are_refused() -> None:
    # GIVEN a model that may give a text several labels, and texts for a limit that is left out
    several = make_model([])
    layout = replace(TASK.layout, label_separator=";")
    several = replace(several, dataset=replace(several.dataset, task=replace(TASK, layout=layout)))
    # THEN an error names the options
    with pytest.raises(DataError, match=r"several labels or none.*leave out --precision"):
        read_other_texts(AbstentionOptions(precision=0.9), several)
    with pytest.raises(DataError, match="--refused 0 leaves out the limit"):
        read_other_texts(AbstentionOptions(refused=0, other_texts=("a.txt",)), make_model([]))


def predict(label: str, confidence: float, reason: Abstention | None, score: float) -> Prediction:
    """Make a prediction of a model with thresholds."""
    other = {"a": "b", "b": "a"}[label]
    probabilities = {label: confidence, other: 1 - confidence}
    return Prediction(
        dict(sorted(probabilities.items())), False, 9, 0,
        can_abstain=True, abstention=reason, scope_score=score,
    )  # fmt: skip


def test_the_figures_are_those_of_the_test_rows() -> None:
    # GIVEN four test rows: one answered rightly, one wrongly, and two abstentions
    rows = [Example(f"text {number}", label) for number, label in enumerate((0, 1, 0, 1))]
    predictions = [
        predict("a", 0.9, None, -3),
        predict("a", 0.8, None, -2),
        predict("a", 0.6, "low_confidence", -2),
        predict("b", 0.99, "out_of_scope", 5),
    ]
    choices = [Choice("a", 0.7, 50, 40, 0.8), Choice("b", None, 9, 0, 0.4)]
    others = [OtherTexts("others", [], ["no one knows this"])]
    classifier = Classifier.load(read_verified(SAMPLE_MODEL))
    # WHEN they are measured
    figures = measure_abstention(make_model(rows), classifier, predictions, choices, [])
    # THEN the shares are right
    assert (figures.answered, figures.precision) == (0.5, 0.5)
    assert (figures.low_confidence, figures.out_of_scope) == (0.25, 0.25)
    # AND each label is measured by its threshold alone
    a, b = figures.labels
    assert a.coverage == pytest.approx(2 / 3)
    assert a.precision == 0.5
    assert (b.coverage, b.precision, b.least_confidence) == (0, None, None)
    # AND without a score there is nothing to detect
    plain = [Prediction(each.probabilities, False, 9) for each in predictions]
    assert measure_abstention(make_model(rows), classifier, plain, [], others).detections == ()
