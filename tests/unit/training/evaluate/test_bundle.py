import re
import shutil
from pathlib import Path

import pytest

from inference.model.bundle import BundleError, read_verified
from inference.model.classifier import Classifier
from tests.conftest import SAMPLE_MODEL, TinyModel
from training.data.examples import DataError
from training.evaluate.bundle import find_task, report_bundle
from training.evaluate.further import FurtherFiles
from training.tasks import NEWS

HEADLINES = {
    "Fed holds rates as inflation cools": "Business",
    "Oil prices fall after a surprise rise in stockpiles": "Business",
    "Life in Mars might be a real possibility": "Science",
    "Probe finds water ice at the pole of the moon": "Science",
    "Star of the hit series to return for a final season": "Entertainment",
}


def write(path: Path, rows: dict[str, str], columns: str = "headline,topic") -> str:
    path.write_text("\n".join([columns, *(f"{text},{label}" for text, label in rows.items())]))
    return str(path)


def measure(folder: Path, *also: str, skip_bad_rows: bool = False) -> str:
    files = FurtherFiles(
        also=also, text_column="headline", label_column="topic", skip_bad_rows=skip_bad_rows
    )
    return report_bundle(folder, files)


def test_the_accuracy_is_that_of_what_the_bundle_serves(tmp_path: Path) -> None:
    # GIVEN a file of headlines, some of which a bundle gets right
    rows = {**HEADLINES, "Shares of the chip maker jump": "Health"}
    bundle = read_verified(SAMPLE_MODEL)
    predictions = Classifier.load(bundle).predict(list(rows))
    right = sum(one.label == label for one, label in zip(predictions, rows.values(), strict=True))
    assert 0 < right < len(rows)
    # WHEN it is measured on them
    report = measure(SAMPLE_MODEL, write(tmp_path / "mine.csv", rows))
    # THEN the report says how many
    assert report.startswith(f"# Bundle {bundle.version} on mine.csv\n")
    assert "6 rows = 6 measured + 0 rejected" in report
    assert f"| int8 bundle | {right / len(rows):.2%} (" in report
    assert re.search(r"\| Health \| .* \| 1 \|\n", report)


def test_labels_without_texts_are_left_out_of_macro_f1(tmp_path: Path) -> None:
    report = measure(SAMPLE_MODEL, write(tmp_path / "mine.csv", HEADLINES))
    assert "3 of the 4 labels (Business, Science, Entertainment)" in report


def test_each_file_has_a_report(tmp_path: Path) -> None:
    files = [write(tmp_path / name, HEADLINES) for name in ("a.csv", "b.csv")]
    report = measure(SAMPLE_MODEL, *files)
    assert "on a.csv\n" in report
    assert "Brackets hold 95 % intervals" in report
    assert "on b.csv\n" in report


def test_it_says_how_often_the_bundle_abstains(tmp_path: Path) -> None:
    # GIVEN three headlines on sport, which are given some label, and one that has one
    sport = [f"Striker scores twice as {team} win the cup" for team in ("Reds", "Blues", "Greens")]
    rows = {**dict.fromkeys(sport, "Business"), "Fed holds rates as inflation cools": "Business"}
    # WHEN the bundle is measured THEN the report says from how many it abstains
    report = measure(SAMPLE_MODEL, write(tmp_path / "mine.csv", rows))
    assert "It abstains from 0.0% for low confidence and from 75.0% as out of scope." in report
    assert "It labels 100.0% of the others correctly." in report


def test_one_without_limits_says_nothing_of_abstaining(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    report = measure(tiny_model.bundle, write(tmp_path / "mine.csv", HEADLINES))
    assert "abstain" not in report


def test_texts_may_have_several_labels(multi_label_model: TinyModel, tmp_path: Path) -> None:
    # GIVEN a bundle that may give a text several labels, and a file like its own
    first, second = find_task(read_verified(multi_label_model.bundle)).labels[:2]
    file = tmp_path / "mine.csv"
    file.write_text(
        f"headline,topic\nThe kettle leaks,{first};{second}\nThe invoice came twice,{second}\n"
    )
    # WHEN it is measured THEN the report has the figures of several labels
    report = measure(multi_label_model.bundle, str(file))
    assert "| model | micro-F1 |" in report
    assert "A text has 1.50 labels on average" in report


def test_a_bundle_is_measured_on_texts_of_which_none_has_a_label(
    multi_label_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN texts that no label fits WHEN a bundle of several labels is measured on them
    file = tmp_path / "mine.csv"
    file.write_text("headline,topic\nThe kettle leaks,\nThe invoice came twice,\n")
    report = measure(multi_label_model.bundle, str(file))
    # THEN the report says which figure tells something
    assert "2 rows = 2 measured + 0 rejected" in report
    assert "None of them has a label, so F1 says nothing" in report


def test_a_label_that_the_bundle_does_not_have_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.csv", {**HEADLINES, "Striker scores twice": "Sport"})
    with pytest.raises(DataError, match=r"mine\.csv.*line 7.*'Sport'"):
        measure(SAMPLE_MODEL, file)


def test_such_rows_can_be_left_out(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.csv", {**HEADLINES, "Striker scores twice": "Sport"})
    report = measure(SAMPLE_MODEL, file, skip_bad_rows=True)
    assert "6 rows = 5 measured + 1 rejected" in report


def test_an_altered_bundle_is_refused(tmp_path: Path) -> None:
    # GIVEN a bundle whose model was changed WHEN it is measured THEN it is refused
    folder = shutil.copytree(SAMPLE_MODEL, tmp_path / "altered")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match="altered"):
        measure(folder, write(tmp_path / "mine.csv", HEADLINES))


def test_the_task_has_the_labels_of_the_bundle() -> None:
    assert find_task(read_verified(SAMPLE_MODEL)) == NEWS
