from pathlib import Path

import pytest

from inference.model.bundle import Manifest
from training.evaluate.report import explain_errors, write_report
from training.evaluate.results import (
    CalibrationChoice,
    Evaluation,
    FurtherSummary,
    Interval,
    LabelNoise,
    PreviousComparison,
    Summary,
)
from training.fit.record import MethodComparison, TrainingRecord


def report(manifest: Manifest, evaluation: Evaluation, folder: Path) -> str:
    write_report(folder, TrainingRecord.model_validate(manifest.training), evaluation)
    return (folder / "report.md").read_text()


def test_a_report_shows_the_model_next_to_the_baseline(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    # GIVEN the model's figures WHEN its report is written
    text = report(manifest, evaluation, tmp_path)
    # THEN both models have a row, with intervals, and their difference has one
    assert "| TF-IDF(1,2) + LinearSVC | 88.93% (86.52 to 90.92) |" in text
    assert "| fp32 model | 90.50% (88.27 to 92.40) |" in text
    assert "| fp32 model against TF-IDF(1,2) + LinearSVC | +1.57 (+0.65 to +2.58) |" in text
    assert "![Confusion matrix](confusion.png)" in text
    assert text.splitlines()[2].startswith("**This model is worth using:**")
    for section in ("## Labels, the worst first", "## Repeats and conflicts"):
        assert section in text


def test_a_report_says_how_the_model_was_made_and_on_which_rows(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    text = report(manifest, evaluation, tmp_path)
    assert text.startswith("# news: Business, Science, Entertainment, Health\n")
    assert "Mean of 3 models fine-tuned from `shipped`, each trained on 348,801 rows" in text
    assert "36,988 test rows" in text
    assert "390 of the 3,515 errors have a confidence of 90% or more" in text


def test_a_report_says_that_a_model_was_mixed_with_what_it_started_from(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    # GIVEN one model, half of whose weights are those that it started from
    record = TrainingRecord.model_validate(manifest.training)
    assert record.soup is not None
    changes = {"soup": record.soup[:1], "base_share": 0.5}
    # WHEN its report is written
    write_report(tmp_path, record.model_copy(update=changes), evaluation)
    # THEN it says so, and does not call it a mean
    text = (tmp_path / "report.md").read_text()
    assert (
        "A model fine-tuned from `shipped`, mixed with 50% of that itself, trained on 348,801 rows"
    ) in text


def test_a_report_knows_nothing_of_a_bundle(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    assert "int8" not in report(manifest, evaluation, tmp_path)


def test_a_published_bundle_has_a_row_of_its_difference(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    # GIVEN an evaluation next to a published bundle
    comparison = dict(evaluation.fp32.against_baseline)
    previous = PreviousComparison(**comparison, version="0123456789abcdef")
    # WHEN the report is written THEN the bundle is in it
    text = report(manifest, evaluation.model_copy(update={"previous": previous}), tmp_path)
    assert "| fp32 model against published 0123456789abcdef | +1.57" in text


@pytest.fixture
def measured(evaluation: Evaluation) -> FurtherSummary:
    """The same figures, as if they were those of a further file."""
    fp32 = evaluation.fp32
    return FurtherSummary(
        **fp32.model_dump(exclude={"against_baseline"}),
        baseline=evaluation.baseline,
        against_baseline=fp32.against_baseline,
    )


def test_a_further_file_has_a_section_with_the_baseline(
    manifest: Manifest, evaluation: Evaluation, measured: FurtherSummary, tmp_path: Path
) -> None:
    also = {"others.csv": measured}
    text = report(manifest, evaluation.model_copy(update={"also": also}), tmp_path)
    section = text.partition("## others.csv\n\n")[2]
    assert section.startswith("The 36,988 rows of a further file.\n")
    assert "| TF-IDF(1,2) + LinearSVC | 88.93%" in section
    assert "| fp32 model against TF-IDF(1,2) + LinearSVC | +1.57" in section


def test_an_evaluation_of_an_earlier_version_shows_what_it_knows_of_a_file(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    # GIVEN a further file of which only the model's own figures are known
    old = Summary.model_validate(evaluation.fp32.model_dump(exclude={"against_baseline"}))
    also = {"others.csv": FurtherSummary.model_validate_json(old.model_dump_json())}
    # WHEN the report is written THEN it shows those
    text = report(manifest, evaluation.model_copy(update={"also": also}), tmp_path)
    assert "| fp32 model | 90.50%" in text.partition("## others.csv\n")[2]


def test_a_file_that_was_calibrated_on_shows_the_other_half_and_the_price(
    manifest: Manifest, evaluation: Evaluation, measured: FurtherSummary, tmp_path: Path
) -> None:
    # GIVEN a file of two of the labels, half of which the temperature was fitted on
    per_label = {
        name: label.model_copy(update={"texts": 0})
        if name in ("Health", "Entertainment")
        else label
        for name, label in measured.per_label.items()
    }
    whole = measured.against_baseline
    half = {"per_label": per_label, "calibration_rows": 40, "whole": whole, "bad_rows": 3}
    choices = [
        CalibrationChoice(
            fitted_on=name, temperature=temperature, errors={"test rows": 0.02, "others.csv": 0.05}
        )
        for name, temperature in (("validation rows", 1.6), ("validation rows and others.csv", 1.9))
    ]
    changes = {"also": {"others.csv": measured.model_copy(update=half)}, "calibration": choices}
    # WHEN the report is written
    text = report(manifest, evaluation.model_copy(update=changes), tmp_path)
    # THEN it says which rows were used for what, and what other temperatures would give
    assert "was fitted on 21,799 validation rows, and 40 of others.csv." in text
    assert "others.csv has too few rows to calibrate on (40)" in text
    assert "| fitted on | temperature | test rows | others.csv |" in text
    assert "| validation rows and others.csv | 1.900 | 0.0200 | 0.0500 |" in text
    section = text.partition("## others.csv\n\n")[2]
    assert "rows of this file that were not used for calibration" in section
    assert "fitted on its other 40." in section
    assert "They have 2 of the 4 labels (Business, Science), and macro-F1 is the mean" in section
    assert "3 more could not be used." in section
    assert "On all of its 36,988 rows (a temperature changes no label), the accuracy is" in section


def test_a_model_measured_on_texts_that_it_has_learnt_is_flattered(
    manifest: Manifest, evaluation: Evaluation, measured: FurtherSummary, tmp_path: Path
) -> None:
    also = {"others.csv": measured.model_copy(update={"learnt_rows": 7})}
    text = report(manifest, evaluation.model_copy(update={"also": also}), tmp_path)
    assert "The model was trained on the text of 7 of them, so these figures flatter it." in text


@pytest.fixture
def noise() -> LabelNoise:
    """Errors on texts of several labels, and in stories that share one."""
    return LabelNoise(
        rows=2000,
        errors=150,
        conflicting_rows=40,
        conflicting_errors=20,
        predicted_conflicts=18,
        mixed_rows=460,
        mixed_errors=30,
    )


def test_errors_that_the_labels_explain_have_a_paragraph(
    manifest: Manifest, evaluation: Evaluation, noise: LabelNoise, tmp_path: Path
) -> None:
    # GIVEN errors on texts of several labels WHEN the report is written
    errors = evaluation.errors.model_copy(update={"noise": noise})
    text = report(manifest, evaluation.model_copy(update={"errors": errors}), tmp_path)
    # THEN it says how many, among how many rows, and how good the model is on the others
    assert (
        "Of 150 errors, 20 are on texts that also appear with another label in the data, as do 40 "
        "of the 2,000 test rows; in 18 of these errors, the model gives that label. Another 30 are "
        "among the 460 rows of groups (stories) that share a text with rows of another label. Of "
        "the other 1,500 rows, 93.33% are right."
    ) in text


def test_without_such_errors_nothing_is_said_about_them(noise: LabelNoise) -> None:
    none = {"conflicting_errors": 0, "mixed_errors": 0}
    assert explain_errors(noise.model_copy(update=none)) == ""
    assert explain_errors(None) == ""


def test_the_accuracy_by_group_has_a_column_and_an_explanation(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    # GIVEN an evaluation of rows in groups
    by_group = {"group_accuracy": 0.895, "group_accuracy_interval": Interval(0.87, 0.91)}
    changes = {
        "fp32": evaluation.fp32.model_copy(update=by_group),
        "baseline": evaluation.baseline.model_copy(update=by_group),
    }
    # WHEN the report is written THEN both models have the figure, which is explained
    text = report(manifest, evaluation.model_copy(update=changes), tmp_path)
    assert "| model | accuracy | group-balanced accuracy | macro-F1 |" in text
    assert "| fp32 model | 90.50% (88.27 to 92.40) | 89.50% (87.00 to 91.00) |" in text
    assert "Group-balanced accuracy is the mean of the accuracies of the groups" in text
    # AND without groups there is no such column
    assert "group-balanced" not in report(manifest, evaluation, tmp_path)


def test_a_report_says_which_method_was_chosen_and_why(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    # GIVEN a frozen encoder that was better than fine-tuning
    record = TrainingRecord.model_validate(manifest.training)
    comparison = MethodComparison(fine_tune=0.7, frozen=0.8, rows=900, folds=3)
    settings = record.settings.model_copy(update={"method": "frozen"})
    changes = {"settings": settings, "soup": None, "comparison": comparison}
    # WHEN its report is written
    write_report(tmp_path, record.model_copy(update=changes), evaluation)
    # THEN it says so, and nothing about steps
    text = (tmp_path / "report.md").read_text()
    assert "`shipped` as it is, under a logistic head that was fitted on 348,801 rows" in text
    assert (
        "`--method auto` chose a frozen encoder with a logistic head (macro-F1 0.8000) rather than "
        "fine-tuning (macro-F1 0.7000), on 900 training rows, cross-validated in 3 parts."
    ) in text
    assert "--method" not in report(manifest, evaluation, tmp_path)


def test_a_report_says_that_an_encoder_has_learnt_from_pairs(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    # GIVEN an encoder that did best after it had learnt from pairs of texts
    record = TrainingRecord.model_validate(manifest.training)
    comparison = MethodComparison(fine_tune=0.7, frozen=0.8, contrastive=0.9, rows=90, folds=0)
    settings = record.settings.model_copy(update={"method": "contrastive"})
    changes = {"settings": settings, "soup": None, "steps": 60, "comparison": comparison}
    # WHEN its report is written
    write_report(tmp_path, record.model_copy(update=changes), evaluation)
    # THEN it says so, and names all three methods
    text = (tmp_path / "report.md").read_text()
    assert (
        "`shipped`, fine-tuned on pairs of texts in 60 steps, under a logistic head that was "
        "fitted on 348,801 rows"
    ) in text
    assert (
        "`--method auto` chose an encoder fine-tuned on pairs of texts with a logistic head "
        "(macro-F1 0.9000) rather than fine-tuning (macro-F1 0.7000) or a frozen encoder with a "
        "logistic head (macro-F1 0.8000), on 90 validation rows."
    ) in text
