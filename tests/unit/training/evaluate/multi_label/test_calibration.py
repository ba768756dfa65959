import numpy as np
import pytest

from training import multi_label
from training.data.examples import UNLABELLED, Example
from training.evaluate.multi_label.calibration import Source, fit


def draw(name: str, temperatures: tuple[float, ...], seed: int, rows: int = 5000) -> Source:
    """Draw rows whose labels need these temperatures."""
    random = np.random.default_rng(seed)
    true = random.normal(size=(rows, len(temperatures))) * 2
    labels = random.random(true.shape) < multi_label.sigmoid(true)
    return Source(name, (true * temperatures).astype(np.float32), labels)


def test_validation_rows_alone_give_their_own_temperatures() -> None:
    # GIVEN validation rows WHEN the temperatures are fitted on them alone
    fitted = fit(draw("validation rows", (1.0, 2.0), seed=1))
    # THEN each is that of its label, and there is nothing to compare them with
    assert fitted.temperatures == pytest.approx((1, 2), rel=0.07)
    assert fitted.compare([draw("test rows", (1.0, 2.0), seed=2)]) == []


def test_rows_of_others_move_the_temperatures_and_the_errors_show_the_price() -> None:
    # GIVEN validation rows that need a temperature of 1, and rows of others that need 2
    fitted = fit(draw("validation rows", (1.0, 1.0), seed=1), [draw("a.csv", (2.0, 2.0), seed=2)])
    # WHEN they are compared on rows that they were not fitted on
    tests = [draw("test rows", (1.0, 1.0), seed=3), draw("a.csv", (2.0, 2.0), seed=4)]
    nothing, validation, both = fitted.compare(tests)
    # THEN they lie between, are better on others, and pay for it
    assert nothing.temperatures == (1, 1)
    assert validation.fitted_on == "validation rows"
    assert both.fitted_on == "validation rows and a.csv"
    assert 1.1 < min(both.temperatures) <= max(both.temperatures) < 2
    assert both.temperatures == fitted.temperatures
    assert both.errors["a.csv"] < validation.errors["a.csv"]
    assert both.errors["test rows"] > validation.errors["test rows"]
    # AND the errors are those of the rows
    probabilities = multi_label.sigmoid(tests[0].logits, both.temperatures)
    error = multi_label.calibration_error(probabilities, tests[0].labels)
    assert both.errors["test rows"] == error


def test_a_file_has_no_say_in_a_label_that_none_of_its_rows_has() -> None:
    # GIVEN a file of others, in which nobody looked for the second label
    validation, others = draw("validation rows", (1.0, 1.0), seed=1), draw("a", (2.0, 2.0), seed=2)
    without = Source("a", others.logits, others.labels & [True, False])
    # WHEN the temperatures are fitted on both
    first, second = fit(validation, [without]).temperatures
    alone = fit(validation).temperatures
    # THEN the first label follows the file, and the second hardly moves
    assert first > alone[0] + 0.2
    assert second == pytest.approx(alone[1], rel=0.01)


def test_a_source_that_counts_twice_weighs_more_and_is_named_once() -> None:
    validation, others = draw("validation rows", (1.0,), seed=1), draw("a.csv", (2.0,), seed=2)
    once, twice = fit(validation, [others]), fit(validation, [others, others])
    assert once.temperatures < twice.temperatures
    assert twice.compare([others])[-1].fitted_on == "validation rows and 2 times a.csv"


def test_a_source_takes_the_labels_of_its_rows() -> None:
    rows = [Example("x", UNLABELLED, labels=(0, 1)), Example("y", UNLABELLED, labels=())]
    source = Source.of("a", np.zeros((2, 2), np.float32), rows)
    assert source.labels.tolist() == [[True, True], [False, False]]
