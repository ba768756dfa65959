from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MESSAGES
from training.fit.advice import list_advice, print_advice
from training.fit.rows import load_rows
from training.fit.settings import Settings


def make_settings(folder: Path, rare: int, rows: int = 3_000, **changes: object) -> Settings:
    """Write a file in which the first rows are of a rare label, and name its columns."""
    labels = ["rare" if number < rare else f"often {number % 2}" for number in range(rows)]
    lines = [f"words of text {number},{label}" for number, label in enumerate(labels)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    values = {"task": "t", "text_column": "text", "label_column": "label", **changes}
    return Settings.model_validate({"data": str(folder / "rows.csv"), "output": "o", **values})


def advise(settings: Settings) -> list[str]:
    return list_advice(settings, *load_rows(settings))


def test_a_rare_label_makes_a_note_that_names_the_options(tmp_path: Path) -> None:
    # GIVEN a label of 1 % of the rows
    notes = advise(make_settings(tmp_path, rare=30))
    # WHEN the run is advised THEN the notes name class weights and the stratified split
    assert "training rows are labelled 'rare': --class-weights balanced" in notes[0]
    assert notes[1].startswith("--split stratified")
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("rare", "changes"),
    [(0, {}), (150, {}), (30, {"class_weights": "balanced", "split": "stratified"})],
)
def test_without_a_rare_label_or_with_the_options_there_is_none(
    rare: int, changes: dict[str, Any], tmp_path: Path
) -> None:
    assert advise(make_settings(tmp_path, rare, **changes)) == []


def test_of_a_hundred_labels_none_is_rare_if_all_are_alike(tmp_path: Path) -> None:
    # GIVEN a hundred labels of 1 % each
    lines = [f"words of text {number},label {number % 100}" for number in range(3_000)]
    settings = make_settings(tmp_path, 0)
    Path(settings.data).write_text("\n".join(["text,label", *lines]) + "\n")
    # WHEN the run is advised THEN there is no note
    assert advise(settings) == []


def test_few_rows_make_notes_about_the_method_and_the_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN 300 rows
    settings = make_settings(tmp_path, rare=0, rows=300)
    # WHEN advice is printed THEN it names both options
    print_advice(settings, *load_rows(settings))
    split, method = capsys.readouterr().out.splitlines()
    assert split.startswith("note: --split stratified")
    assert method.endswith("--method auto tries each")


@pytest.mark.parametrize("method", ["auto", "contrastive", "frozen"])
def test_who_has_chosen_a_method_gets_no_note_about_it(method: str, tmp_path: Path) -> None:
    changes = {"method": method, "split": "stratified"}
    assert advise(make_settings(tmp_path, rare=0, rows=300, **changes)) == []


@pytest.mark.parametrize(
    ("method", "rows", "count"), [("fine-tune", 30, 1), ("contrastive", 30, 0), ("frozen", 30, 0)]
)
def test_balanced_weights_without_thresholds_make_a_note(
    method: str, rows: int, count: int, tmp_path: Path
) -> None:
    # GIVEN 30 texts with several labels, of which two validate
    lines = MESSAGES.read_text().splitlines()[: rows + 1]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    values = {"task": "t", "text_column": "text", "label_column": "topics"}
    values |= {"label_separator": ";", "class_weights": "balanced", "method": method}
    settings = Settings.model_validate(
        {"data": str(tmp_path / "rows.csv"), "output": "o", **values}
    )
    # WHEN the run is advised THEN a note says what comes of it, unless the method does well
    notes = [note for note in advise(settings) if "too few to choose thresholds" in note]
    assert len(notes) == count
