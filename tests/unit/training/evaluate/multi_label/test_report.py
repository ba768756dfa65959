from pathlib import Path

import pytest

from inference.model.bundle import Manifest
from training.evaluate.multi_label.report import (
    format_elsewhere,
    judge,
    list_cautions,
    write_report,
)
from training.evaluate.multi_label.results import (
    CalibrationChoice,
    Elsewhere,
    FurtherSummary,
    MultiLabelEvaluation,
)
from training.evaluate.results import Interval
from training.fit.record import TrainingRecord


@pytest.fixture
def record(manifest: Manifest) -> TrainingRecord:
    return TrainingRecord.model_validate(manifest.training)


@pytest.fixture
def report(several: MultiLabelEvaluation, record: TrainingRecord, tmp_path: Path) -> str:
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


def test_the_judgement_names_labels_that_share_a_threshold(
    several: MultiLabelEvaluation, record: TrainingRecord
) -> None:
    judgement = judge(record, several)
    assert judgement.startswith("**This model is worth using:**")
    assert "refund: too few validation rows to choose a threshold for each" in judgement


def test_the_judgement_of_a_model_that_is_not_better_says_so(
    several: MultiLabelEvaluation, record: TrainingRecord
) -> None:
    same = several.usefulness.against_baseline.model_copy(
        update={"difference_interval": Interval(-0.01, 0.01), "macro_f1_interval": Interval(-1, 1)}
    )
    useful = several.usefulness.model_copy(update={"against_baseline": same})
    judgement = judge(record, several.model_copy(update={"usefulness": useful}))
    assert judgement.startswith("**This model has learned something,")


def test_a_model_that_is_no_good_has_a_remedy(
    several: MultiLabelEvaluation, record: TrainingRecord
) -> None:
    # GIVEN a model that the linear baseline beats WHEN it is judged THEN the words say what to try
    worse = several.usefulness.against_baseline.model_copy(
        update={"difference": -0.1, "difference_interval": Interval(-0.2, -0.05)}
    )
    useful = several.usefulness.model_copy(update={"against_baseline": worse})
    judgement = judge(record, several.model_copy(update={"usefulness": useful}))
    assert judgement.startswith("**Do not use this model:**")
    assert "Train longer (--epochs), add rows" in judgement
    assert "Train longer" not in judge(record, several)


def test_what_the_model_does_not_read_is_a_caution(
    several: MultiLabelEvaluation, record: TrainingRecord
) -> None:
    unread = record.model_copy(update={"unknown_wordpieces": 0.4, "cut_texts": 0.5})
    judgement = judge(unread, several)
    assert "40% of the wordpieces are unknown to the base model." in judgement
    assert "50% of the texts are longer than what is read." in judgement


def calibrated(several: MultiLabelEvaluation, rows: int) -> MultiLabelEvaluation:
    """The evaluation of a model whose temperatures were fitted on rows of a file, too."""
    measured = FurtherSummary(
        **dict(several.fp32), baseline=several.baseline, calibration_rows=rows,
        whole=several.fp32.against_baseline, reading="", bad_rows=2, known_rows=3, learnt_rows=0,
    )  # fmt: skip
    choices = tuple(
        CalibrationChoice(fitted_on=name, temperatures=(low, 1.5, 2.0), errors={"test rows": 0.04})
        for name, low in (("nothing", 1.0), ("validation rows", 0.9), ("both", 1.1))
    )
    return several.model_copy(update={"also": {"a|b.csv": measured}, "calibration": choices})


def test_a_report_says_what_rows_of_others_cost_and_gain(
    several: MultiLabelEvaluation, manifest: Manifest, tmp_path: Path
) -> None:
    # GIVEN a model whose temperatures were fitted on rows of a file, too WHEN it is reported
    write_report(
        tmp_path, TrainingRecord.model_validate(manifest.training), calibrated(several, 1200)
    )
    report = (tmp_path / "report.md").read_text()
    # THEN the rows, the temperatures, and what became of the file are in it
    assert "and the temperatures also on 1,200 of a\\|b.csv." in report
    assert "| both | 1.100 to 2.000 | 0.0400 |" in report
    assert "temperatures were fitted on its other 1,200." in report
    assert "3 more are left out, because the data set has their text." in report
    assert "On all of its 300 rows (no threshold was chosen on them), micro-F1 is " in report
    # AND no section speaks of calibration where there was nothing but validation rows
    write_report(tmp_path, TrainingRecord.model_validate(manifest.training), several)
    assert "## Calibration" not in (tmp_path / "report.md").read_text()


def test_the_figures_of_a_bundle_on_further_files_are_a_table() -> None:
    file = Elsewhere(
        name="b.csv",
        texts=1200,
        labels=("billing",),
        micro_f1=0.8,
        micro_f1_interval=Interval(0.7, 0.9),
        baseline_micro_f1=0.7,
        difference=0.1,
        difference_interval=Interval(0.05, 0.15),
        macro_f1=0.8,
        macro_f1_interval=Interval(0.7, 0.9),
        calibration_error=0.03,
        calibration_error_interval=Interval(0.02, 0.04),
        calibration_texts=600,
        calibrated_on=600,
    )
    assert format_elsewhere([file]).splitlines()[2] == (
        "| b.csv | 1,200 | 0.8000 (0.7000 to 0.9000) | 0.7000 | +0.1000 (+0.0500 to +0.1500) | "
        "0.0300 (0.0200 to 0.0400), of 600 |"
    )


def test_few_rows_to_calibrate_on_are_a_caution(
    several: MultiLabelEvaluation, record: TrainingRecord
) -> None:
    few, enough = (judge(record, calibrated(several, rows)) for rows in (99, 100))
    assert "a\\|b.csv has too few rows to calibrate on (99)" in few
    assert "a\\|b.csv" not in enough


def test_labels_that_are_never_given_are_a_caution(several: MultiLabelEvaluation) -> None:
    per_label = dict(several.fp32.per_label)
    per_label["refund"] = per_label["refund"].model_copy(update={"recall": 0.0})
    measured = several.fp32.model_copy(update={"per_label": per_label})
    assert list_cautions(measured) == ["It never gives refund to a text that has it."]
    assert "200 or more" in list_cautions(measured.model_copy(update={"texts": 20}))[1]


def test_labels_without_test_rows_are_a_caution(
    several: MultiLabelEvaluation, record: TrainingRecord
) -> None:
    untested = several.fp32.per_label["refund"].model_copy(update={"texts": 0})
    per_label = {**several.fp32.per_label, "refund": untested}
    untested_fp32 = several.fp32.model_copy(update={"per_label": per_label})
    judgement = judge(record, several.model_copy(update={"fp32": untested_fp32}))
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
