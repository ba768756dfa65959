import csv
import re

from tests.conftest import TinyModel


def test_the_surest_errors_are_listed_and_not_in_the_report(tiny_model: TinyModel) -> None:
    # GIVEN an evaluated model WHEN its list of errors is read
    with (tiny_model.folder / "errors.csv").open(newline="") as file:
        errors = list(csv.DictReader(file))
    # THEN they are errors, the surest first, and no report quotes the data
    assert errors
    assert all(error["predicted"] != error["label"] for error in errors)
    confidences = [float(error["confidence"]) for error in errors]
    assert confidences == sorted(confidences, reverse=True)
    report = (tiny_model.folder / "report.md").read_text()
    assert not any(error["text"] in report for error in errors)


def test_a_report_says_how_sure_its_figures_are(tiny_model: TinyModel) -> None:
    # GIVEN the report of an exported model
    report = (tiny_model.folder / "report.md").read_text()
    # THEN both of its models have intervals and stand against the baseline
    for model in ("fp32", "int8 bundle"):
        row = rf"\| DistilBERT, {model} \| [\d.]+% \([\d.]+ to [\d.]+\)"
        assert re.search(row, report)
        assert f"DistilBERT, {model} against TF-IDF" in report
    for section in ("## Slices", "## Repeats and conflicts"):
        assert section in report
