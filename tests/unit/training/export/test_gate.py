import json
from pathlib import Path

import pytest

from inference.model.bundle import Manifest
from training.evaluate.judgement import REMEDIES
from training.evaluate.results import Evaluation, Interval, ModelSummary, Usefulness
from training.export.gate import (
    GateError,
    Quantization,
    list_cautions,
    require_pass,
    write_page,
)


@pytest.fixture
def quantization(manifest: Manifest) -> Quantization:
    """What the model lost."""
    return Quantization.model_validate(manifest.quantization)


def test_the_quantization_of_an_earlier_model_is_read_and_written_unchanged(
    manifest: Manifest, quantization: Quantization
) -> None:
    assert json.dumps(quantization.to_json()) == json.dumps(manifest.quantization)


@pytest.mark.parametrize(
    ("accuracy_drop", "agreement", "message"),
    [(0.51, 100.0, "loses 0.51 points"), (0.0, 98.49, "agrees with fp32 on 98.49 %")],
)
def test_a_bundle_beyond_a_limit_is_refused_with_its_figures(
    quantization: Quantization, accuracy_drop: float, agreement: float, message: str
) -> None:
    # GIVEN a bundle that lost a little too much
    lost = quantization.model_copy(update={"accuracy_drop": accuracy_drop, "agreement": agreement})
    # WHEN it comes to the gate THEN the refusal has the figure and the page with all of them
    with pytest.raises(GateError, match=rf"refused: .*{message}.* See build/gate\.md"):
        require_pass(lost, Path("build/gate.md"))


def test_a_gain_is_not_called_a_loss(quantization: Quantization) -> None:
    gained = quantization.model_copy(update={"accuracy_drop": -5.888}).describe()
    assert gained.startswith("int8 gains 5.89 points of accuracy against fp32 on the test rows (a")
    assert "-" not in gained
    hardly = quantization.model_copy(update={"accuracy_drop": -0.001}).describe()
    assert hardly.startswith("int8 loses 0.00 points")


def test_a_frozen_model_is_not_advised_to_train_longer(
    quantization: Quantization, useful: Usefulness
) -> None:
    constant = useful.model_copy(update={"always_predicts": "legit"})
    for method, advice in (("fine-tune", "--epochs"), ("frozen", "--method fine-tune")):
        with pytest.raises(GateError, match=advice):
            require_pass(quantization, Path("gate.md"), constant, REMEDIES[method])


def test_labels_without_test_rows_are_named(manifest: Manifest) -> None:
    int8 = ModelSummary.model_validate(manifest.metrics["int8"])
    untested = int8.per_label["Health"].model_copy(update={"texts": 0})
    per_label = {**int8.per_label, "Health": untested}
    assert list_cautions(int8) == []
    assert list_cautions(int8.model_copy(update={"per_label": per_label})) == [
        "A label is not tested, because no test row has it: Health."
    ]


@pytest.mark.parametrize(("accuracy_drop", "agreement"), [(0.5, 98.5), (-2.0, 100.0)])
def test_a_bundle_within_the_limits_passes(
    quantization: Quantization, accuracy_drop: float, agreement: float
) -> None:
    figures = {"accuracy_drop": accuracy_drop, "agreement": agreement}
    require_pass(quantization.model_copy(update=figures), Path("gate.md"))


@pytest.mark.parametrize(
    ("drop", "drop_interval", "agreement", "agreement_interval", "passes"),
    [
        (10.0, (0.0, 30.0), 90.0, (70.0, 100.0), True),  # one of ten rows
        (40.0, (10.0, 70.0), 60.0, (30.0, 90.0), False),  # four of ten rows
        (0.6, (0.4, 0.8), 99.0, (98.9, 99.1), False),  # many rows, a little too much
        (0.0, (-0.1, 0.1), 98.0, (97.9, 98.1), False),
    ],
)
def test_a_loss_counts_if_the_test_rows_show_that_it_is_no_chance(
    quantization: Quantization,
    drop: float,
    drop_interval: tuple[float, float],
    agreement: float,
    agreement_interval: tuple[float, float],
    *,
    passes: bool,
) -> None:
    figures = quantization.model_copy(
        update={
            "accuracy_drop": drop,
            "accuracy_drop_interval": Interval(*drop_interval),
            "agreement": agreement,
            "agreement_interval": Interval(*agreement_interval),
            "texts": 10,
        }
    )
    assert figures.passes is passes
    assert ("too few to hold that against it" in figures.describe()) is passes


def test_a_bundle_that_is_no_good_is_refused_with_what_it_never_predicts(
    quantization: Quantization,
    useful: Usefulness,
) -> None:
    # GIVEN a detector of fraud that never finds any
    constant = useful.model_copy(
        update={"always_predicts": "legit", "never_predicts": ("fraud", "chargeback")}
    )
    # WHEN it comes to the gate THEN the refusal says what is wrong, and how to insist
    with pytest.raises(GateError) as error:
        require_pass(quantization, Path("gate.md"), constant)
    assert "refused: It gives every test row the label 'legit'" in str(error.value)
    assert "never predicts fraud, chargeback" in str(error.value)
    assert "--allow-worse" in str(error.value)


def test_a_refusal_has_its_own_exit_code() -> None:
    assert GateError.exit_code == 3


def test_the_page_shows_int8_next_to_fp32_and_the_baseline(
    manifest: Manifest,
    evaluation: Evaluation,
    quantization: Quantization,
    useful: Usefulness,
    tmp_path: Path,
) -> None:
    # GIVEN the model's figures
    int8 = ModelSummary.model_validate(manifest.metrics["int8"])
    # WHEN the page is written
    write_page(tmp_path / "gate.md", evaluation, int8, quantization, useful)
    page = (tmp_path / "gate.md").read_text()
    # THEN it begins with the verdict, and all three models have a row
    assert page.startswith("# Gate: passed\n\nint8 loses 0.01 points of accuracy")
    assert "The bundle takes 16.0 MB, the fp32 weights 79.2 MB." in page
    assert "| TF-IDF(1,2) + LinearSVC | 88.93%" in page
    assert "| fp32 model | 90.50%" in page
    assert "| int8 bundle | 90.49%" in page
    assert "| int8 bundle against TF-IDF(1,2) + LinearSVC | +1.56" in page
    # AND the labels and the confusion matrix are those of int8
    assert "| Business | 8,840 | 1,014 | 193 | 192 |" in page


def test_the_page_of_a_refused_bundle_says_so(
    manifest: Manifest,
    evaluation: Evaluation,
    quantization: Quantization,
    useful: Usefulness,
    tmp_path: Path,
) -> None:
    int8 = ModelSummary.model_validate(manifest.metrics["int8"])
    refused = quantization.model_copy(update={"agreement": 90.0})
    write_page(tmp_path / "gate.md", evaluation, int8, refused, useful)
    assert (tmp_path / "gate.md").read_text().startswith("# Gate: refused\n")
