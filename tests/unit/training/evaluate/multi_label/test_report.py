from pathlib import Path

import pytest

from inference.model.bundle import Manifest
from training.evaluate.multi_label.report import judge, list_cautions, write_report
from training.evaluate.multi_label.results import MultiLabelEvaluation
from training.evaluate.results import Interval
from training.fit.record import TrainingRecord


@pytest.fixture
def report(several: MultiLabelEvaluation, manifest: Manifest, tmp_path: Path) -> str:
    record = TrainingRecord.model_validate(manifest.training)
    write_report(tmp_path, record, several)
    return (tmp_path / "report.md").read_text()


def test_a_report_compares_the_model_with_the_baseline(
    report: str, several: MultiLabelEvaluation
) -> None:
    low, high = several.fp32.micro_f1_interval
    assert f"| fp32 model | {several.fp32.micro_f1:.4f} ({low:.4f} to {high:.4f}) |" in report
    assert f"| a linear model | {several.baseline.micro_f1:.4f} (" in report
    assert "ranking precision" in report


def test_a_report_shows_the_threshold_of_each_label(report: str) -> None:
    assert "| delivery | 0.550 | 0.900 | 50 |" in report


def test_a_report_lists_the_worst_label_first(report: str, several: MultiLabelEvaluation) -> None:
    worst = min(several.fp32.per_label, key=lambda name: several.fp32.per_label[name].f1)
    section = report.partition("## Labels, the worst first")[2]
    assert section.index(f"| {worst} |") == min(
        section.index(f"| {name} |") for name in several.fp32.per_label
    )


def test_the_judgement_names_labels_that_share_a_threshold(several: MultiLabelEvaluation) -> None:
    judgement = judge(several)
    assert judgement.startswith("**This model is worth using:**")
    assert "refund: too few validation rows to choose a threshold for each" in judgement


def test_the_judgement_of_a_model_that_is_not_better_says_so(
    several: MultiLabelEvaluation,
) -> None:
    same = several.usefulness.against_baseline.model_copy(
        update={"difference_interval": Interval(-0.01, 0.01), "macro_f1_interval": Interval(-1, 1)}
    )
    useful = several.usefulness.model_copy(update={"against_baseline": same})
    judgement = judge(several.model_copy(update={"usefulness": useful}))
    assert judgement.startswith("**This model has learnt something,")


def test_labels_that_are_never_given_are_a_caution(several: MultiLabelEvaluation) -> None:
    per_label = dict(several.fp32.per_label)
    per_label["refund"] = per_label["refund"].model_copy(update={"recall": 0.0})
    measured = several.fp32.model_copy(update={"per_label": per_label})
    assert list_cautions(measured) == ["It never gives refund to a text that has it."]
    assert "200 or more" in list_cautions(measured.model_copy(update={"texts": 20}))[1]


def test_labels_without_test_rows_are_a_caution(several: MultiLabelEvaluation) -> None:
    untested = several.fp32.per_label["refund"].model_copy(update={"texts": 0})
    per_label = {**several.fp32.per_label, "refund": untested}
    untested_fp32 = several.fp32.model_copy(update={"per_label": per_label})
    judgement = judge(several.model_copy(update={"fp32": untested_fp32}))
    assert "A label is not tested, because no test row has it: refund." in judgement


@pytest.mark.parametrize("given", [4.2, 0.3])
def test_many_more_labels_or_fewer_than_texts_have_are_a_caution(
    given: float, several: MultiLabelEvaluation
) -> None:
    measured = several.fp32.model_copy(update={"predicted_per_text": given})
    (caution,) = list_cautions(measured)
    has = several.fp32.labels_per_text
    assert caution == f"It gives a text {given:.2f} labels on average, but texts have {has:.2f}."
    assert list_cautions(several.fp32) == []
