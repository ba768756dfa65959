from pathlib import Path

from inference.model.bundle import Manifest
from training.evaluate.report import write_report
from training.evaluate.results import Evaluation, PreviousComparison
from training.fit.record import TrainingRecord


def report(manifest: Manifest, evaluation: Evaluation, folder: Path) -> str:
    write_report(folder, TrainingRecord.model_validate(manifest.training), evaluation)
    return (folder / "report.md").read_text()


def test_a_report_shows_the_model_next_to_the_baseline(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    # GIVEN the shipped model's figures WHEN its report is written
    text = report(manifest, evaluation, tmp_path)
    # THEN both models have a row, with intervals, and their difference has one
    assert "| TF-IDF(1,2) + LinearSVC | 88.93% (86.52 to 90.92) |" in text
    assert "| DistilBERT, fp32 | 90.50% (88.27 to 92.40) |" in text
    assert "| DistilBERT, fp32 against TF-IDF(1,2) + LinearSVC | +1.57 (+0.65 to +2.58) |" in text
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
    assert "| DistilBERT, fp32 against published 0123456789abcdef | +1.57" in text


def test_a_further_file_has_a_section(
    manifest: Manifest, evaluation: Evaluation, tmp_path: Path
) -> None:
    also = {"elsewhere.csv": evaluation.fp32}
    text = report(manifest, evaluation.model_copy(update={"also": also}), tmp_path)
    assert "## elsewhere.csv\n\nThe 36,988 rows of a further file." in text
