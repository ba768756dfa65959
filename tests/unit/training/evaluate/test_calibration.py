import numpy as np
import pytest

from training import metrics
from training.data.examples import Example
from training.evaluate.calibration import Source, fit


def draw(name: str, temperature: float, seed: int) -> Source:
    """Draw rows that need this temperature."""
    random = np.random.default_rng(seed)
    true = random.normal(size=(5000, 3)) * 2
    labels = (metrics.softmax(true).cumsum(axis=1) < random.random((5000, 1))).sum(axis=1)
    return Source(name, (temperature * true).astype(np.float32), labels)


def test_validation_rows_alone_give_their_own_temperature() -> None:
    # GIVEN validation rows WHEN the temperature is fitted on them alone
    fitted = fit(draw("validation rows", 2.0, seed=1))
    # THEN it is theirs, and there is nothing to compare it with
    assert fitted.temperature == pytest.approx(2, rel=0.05)
    assert fitted.compare([draw("test rows", 2.0, seed=2)]) == []


def test_rows_of_others_move_the_temperature_and_the_errors_show_the_price() -> None:
    # GIVEN validation rows that need a temperature of 1, and rows of others that need 2
    fitted = fit(draw("validation rows", 1.0, seed=1), [draw("others.csv", 2.0, seed=2)])
    # WHEN it is compared on rows that it was not fitted on
    tests = [draw("test rows", 1.0, seed=3), draw("others.csv", 2.0, seed=4)]
    nothing, validation, both = fitted.compare(tests)
    # THEN it lies between, is better on others than that of validation rows alone, and pays for it
    assert nothing.temperature == 1
    assert validation.fitted_on == "validation rows"
    assert both.fitted_on == "validation rows and others.csv"
    assert 1.1 < both.temperature == fitted.temperature < 2
    assert both.errors["others.csv"] < validation.errors["others.csv"]
    assert both.errors["test rows"] > validation.errors["test rows"]
    # AND the errors are those of the rows
    probabilities = metrics.softmax(tests[0].logits, both.temperature)
    assert both.errors["test rows"] == metrics.calibration_error(probabilities, tests[0].labels)


def test_a_source_that_counts_twice_is_named_once() -> None:
    others = draw("others.csv", 2.0, seed=2)
    fitted = fit(draw("validation rows", 1.0, seed=1), [others, others])
    assert fitted.compare([others])[-1].fitted_on == "validation rows and 2 times others.csv"


def test_a_source_takes_the_labels_of_its_rows() -> None:
    source = Source.of("a", np.zeros((2, 2), np.float32), [Example("x", 1), Example("y", 0)])
    assert source.labels.tolist() == [1, 0]
