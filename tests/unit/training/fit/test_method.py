import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.conftest import HEADLINES
from training.data.examples import Dataset, labels_of
from training.data.split import Split
from training.fit.checkpoint import CheckpointError
from training.fit.contrastive import PairLearner, Pairs, fine_tune_on_pairs
from training.fit.epoch_rows import EpochRows
from training.fit.frozen import fit_features
from training.fit.method import (
    COMPARISON,
    Choice,
    choose_method,
    compare_methods,
    list_rounds,
    predict_contrastive,
    predict_frozen,
)
from training.fit.process_group import Group
from training.fit.record import MethodComparison
from training.fit.rows import load_rows
from training.fit.settings import Settings

GROUP = Group(0, 1, torch.device("cpu"))


@pytest.fixture
def settings(tiny_base: Path, tmp_path: Path) -> Settings:
    values = {"base_model": str(tiny_base), "output": str(tmp_path), "precision": "fp32"}
    return Settings.model_validate({"data": str(HEADLINES), "method": "auto", **values})


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learn from pairs in three steps."""
    monkeypatch.setattr("training.fit.contrastive.count_steps", lambda _: 3)


@pytest.fixture
def loaded(settings: Settings) -> tuple[Dataset, Split]:
    return load_rows(settings)


def always_right(settings: Settings, rows: Split) -> NDArray[np.float32]:
    """Play a fine-tuned model that is right about every row."""
    assert settings.method == "fine-tune"
    return np.eye(4, dtype=np.float32)[labels_of(rows.test)]


def always_wrong(settings: Settings, rows: Split) -> NDArray[np.float32]:
    """Play a fine-tuned model that is wrong about every row."""
    return -always_right(settings, rows)


def never(settings: Settings, rows: Split) -> NDArray[np.float32]:
    pytest.fail("fine-tuned without need")


def test_few_rows_are_predicted_in_thirds(loaded: tuple[Dataset, Split]) -> None:
    # GIVEN 22 validation rows WHEN the rounds are listed
    rows = loaded[1]
    rounds = list_rounds(rows, 4, seed=1)
    # THEN every training row is predicted once, by what learns neither it nor its story
    predicted = [number for each in rounds for number in each.numbers.test]
    assert sorted(predicted) == sorted(rows.numbers.train)
    assert len(rounds) == 3
    for each in rounds:
        assert each.validation == rows.validation
        assert not {row.group for row in each.train} & {row.group for row in each.test}
        assert [loaded[0].examples[number] for number in each.numbers.test] == each.test


def test_many_validation_rows_decide_on_their_own(
    loaded: tuple[Dataset, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN as many validation rows as it takes
    rows = loaded[1]
    monkeypatch.setattr("training.fit.method.LEAST_VALIDATION_ROWS", len(rows.validation))
    # WHEN the rounds are listed THEN all training rows are learnt once to predict them
    [only] = list_rounds(rows, 4, seed=1)
    assert (only.train, only.test) == (rows.train, rows.validation)


@pytest.mark.parametrize(
    ("fine_tune", "methods", "line"),
    [
        (always_right, {"fine-tune"}, "method: fine-tuning (macro-F1 1.0000) rather than a frozen"),
        (always_wrong, {"frozen", "contrastive"}, "method: a"),
    ],
)
def test_the_best_method_is_chosen_and_the_figures_are_kept(
    fine_tune: object,
    methods: set[str],
    line: str,
    settings: Settings,
    loaded: tuple[Dataset, Split],
) -> None:
    # GIVEN fine-tuning that does better, or worse, than a frozen encoder
    choice = choose_method(settings, *loaded, GROUP, fine_tune)  # type: ignore[arg-type]
    # WHEN a method is chosen THEN it is the best one, and a line says why
    assert choice.settings.method in methods
    assert choice.comparison is not None
    assert choice.comparison.contrastive is not None
    assert choice.settings.method == choice.comparison.best
    assert choice.describe().startswith(line)
    assert choice.describe().endswith(
        f"on {len(loaded[1].train)} training rows, cross-validated in 3 parts"
    )


def test_a_run_that_is_resumed_keeps_its_method(
    settings: Settings, loaded: tuple[Dataset, Split]
) -> None:
    # GIVEN a run that chose a method
    first = choose_method(settings, *loaded, GROUP, always_right)
    # WHEN it is resumed
    again = choose_method(settings.model_copy(update={"resume": True}), *loaded, GROUP, never)
    # THEN nothing is compared again
    assert again.comparison == first.comparison
    # ... and a run with other settings is refused
    other = settings.model_copy(update={"resume": True, "batch_size": 7})
    with pytest.raises(CheckpointError, match="batch-size 64, not 7"):
        choose_method(other, *loaded, GROUP, never)


def test_a_comparison_of_an_earlier_run_is_not_used_again(
    settings: Settings, loaded: tuple[Dataset, Split]
) -> None:
    # GIVEN a comparison that is left in the folder
    choose_method(settings, *loaded, GROUP, always_right)
    # WHEN a new run chooses THEN it compares on its own
    choice = choose_method(settings, *loaded, GROUP, always_wrong)
    assert choice.settings.method != "fine-tune"
    saved = json.loads((Path(settings.output) / COMPARISON).read_text())
    assert saved["comparison"]["fine_tune"] == 0


def test_with_many_rows_nothing_is_compared(
    settings: Settings, loaded: tuple[Dataset, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN more training rows than are compared on
    monkeypatch.setattr("training.fit.method.MOST_ROWS", 100)
    # WHEN a method is chosen THEN it is fine-tuning, at once
    choice = choose_method(settings, *loaded, GROUP, never)
    assert choice == Choice(settings.model_copy(update={"method": "fine-tune"}), None)
    assert choice.describe() == "method: fine-tuning, as for all data with over 100 training rows"


def test_pairs_are_not_tried_with_many_rows(
    settings: Settings, loaded: tuple[Dataset, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN more training rows than an encoder learns pairs of
    monkeypatch.setattr("training.fit.method.MOST_ROWS_IN_PAIRS", len(loaded[1].train) - 1)
    monkeypatch.setattr(
        "training.fit.method.predict_contrastive", lambda *_: pytest.fail("tried pairs")
    )
    # WHEN a method is chosen THEN it is one of the other two, and the record says so
    choice = choose_method(settings, *loaded, GROUP, always_right)
    assert choice.comparison is not None
    assert choice.comparison.contrastive is None
    most = f"{len(loaded[1].train) - 1:,} training rows"
    assert choice.describe().endswith(
        f"; --method contrastive was left out: not tried with over {most}"
    )


LETTERS = "abcdefgh"
ALL_SETS = [
    ";".join(letter for bit, letter in enumerate(LETTERS) if number >> bit & 1)
    for number in range(1, 2 ** len(LETTERS))
]


def play_several(_settings: Settings, rows: Split) -> NDArray[np.float32]:
    """Play a fine-tuned model that gives no text any label."""
    return np.full((len(rows.test), len(LETTERS)), -1, np.float32)


@pytest.mark.parametrize(
    ("sets", "makes_pairs"),
    [
        ([f"a;{letter}" for letter in LETTERS[1:]] * 20, False),  # none without a label in common
        (ALL_SETS, False),  # no two of the same labels
        ([*ALL_SETS, "b;d"], True),  # two of the same labels, but not in every round
    ],
)
def test_pairs_are_not_tried_where_they_cannot_teach(
    sets: list[str], makes_pairs: bool, settings: Settings, tmp_path: Path
) -> None:
    # GIVEN rows of several labels that make no pairs, at least not in every round
    data = tmp_path / "several.csv"
    lines = [f"text number {number},{labels}" for number, labels in enumerate(sets)]
    data.write_text("\n".join(["text,labels", *lines]))
    columns = {"text_column": "text", "label_column": "labels", "label_separator": ";"}
    changes = {"data": str(data), "task": "t", "split": "random", "max_length": 16, **columns}
    settings = Settings.model_validate({**settings.model_dump(), **changes})
    dataset, rows = load_rows(settings)
    assert Pairs.of(rows.train, len(LETTERS), settings).can_teach == makes_pairs
    # WHEN methods are compared THEN learning from pairs does not compete
    comparison = compare_methods(settings, dataset, rows, GROUP, play_several)
    assert comparison.folds == 3
    assert comparison.contrastive is None
    assert "there need to be more rows of the same labels" in comparison.describe()


def test_a_method_that_diverges_does_not_compete(
    settings: Settings, loaded: tuple[Dataset, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an encoder that cannot learn from pairs
    monkeypatch.setattr(PairLearner, "take_step", lambda *_: float("nan"))
    # WHEN methods are compared THEN the others are
    comparison = compare_methods(settings, *loaded, GROUP, always_right)
    assert comparison.contrastive is None
    assert "learning from pairs diverged at step 1" in comparison.describe()
    assert comparison.best == "fine-tune"


def test_trials_draw_rows_as_the_run_does(
    settings: Settings, loaded: tuple[Dataset, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN new rows that an epoch has three times, and one row of each story
    dataset, rows = loaded
    changes = {"balance_groups": 1, "new_rows": "folder", "new_rows_times": 3}
    settings = settings.model_copy(update=changes)
    first = list_rounds(rows, 4, seed=1)[0]
    first.train[:] = [replace(row, new=row.label == 1) for row in first.train]
    drawn = EpochRows.of(first.train, settings).draw(0)
    assert len(np.unique(drawn)) < min(len(drawn), len(first.train))
    paired: list[Any] = []
    fitted: list[Any] = []

    def note_pairs(*arguments: Any, **options: Any) -> int:
        paired.append(arguments[2])
        return fine_tune_on_pairs(*arguments, **options)

    def note_fit(*arguments: Any) -> float:
        fitted.append(arguments[2])
        assert len(arguments[1]) == len(arguments[2])
        return fit_features(*arguments)

    monkeypatch.setattr("training.fit.method.fine_tune_on_pairs", note_pairs)
    monkeypatch.setattr("training.fit.method.fit_features", note_fit)
    # WHEN both trials of a logistic head are made
    predict_contrastive(settings, dataset, first, GROUP)
    predict_frozen(settings, dataset, rows, [first], GROUP.device)
    # THEN pairs are made of the rows that an epoch has, each once, and heads are fitted to all
    assert paired == [[first.train[row] for row in np.unique(drawn)]]
    assert fitted == [[first.train[row] for row in drawn]] * 2


def test_what_is_predicted_after_learning_from_pairs_has_not_been_learnt(
    settings: Settings, loaded: tuple[Dataset, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a note of the rows that an encoder learns from
    dataset, rows = loaded
    learnt: list[str] = []

    def note(*arguments: Any, **options: Any) -> int:
        learnt.extend(row.text for row in arguments[2])
        return fine_tune_on_pairs(*arguments, **options)

    monkeypatch.setattr("training.fit.method.fine_tune_on_pairs", note)
    # WHEN a third of the training rows is predicted
    first = list_rounds(rows, 4, seed=1)[0]
    logits = predict_contrastive(settings, dataset, first, GROUP)
    # THEN it learnt the other two alone, in an encoder that had learnt nothing before
    assert learnt == [row.text for row in first.train]
    assert not {*learnt} & {row.text for row in first.test}
    assert logits.shape == (len(first.test), 4)
    np.testing.assert_array_equal(logits, predict_contrastive(settings, dataset, first, GROUP))


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({"fine_tune": 0.8, "frozen": 0.8, "contrastive": 0.8}, "frozen"),
        ({"fine_tune": 0.8, "frozen": 0.7, "contrastive": 0.8}, "contrastive"),
        ({"fine_tune": 0.9, "frozen": 0.7, "contrastive": 0.8}, "fine-tune"),
        ({"fine_tune": 0.8, "frozen": 0.8}, "frozen"),
    ],
)
def test_of_equally_good_methods_the_fastest_is_chosen(scores: dict[str, float], best: str) -> None:
    comparison = MethodComparison.model_validate({**scores, "rows": 9, "folds": 3})
    assert comparison.best == best
