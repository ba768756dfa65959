import msgspec
import pytest

from inference.model.labelling import Labelling

LABELS = ("billing", "delivery")


def make(**changes: object) -> Labelling:
    values: dict[str, object] = {
        "separator": ";",
        "temperatures": {"billing": 1.0, "delivery": 2.0},
        "thresholds": {"billing": 0.3, "delivery": 0.6},
    }
    return msgspec.convert(values | changes, Labelling)


def test_probabilities_are_sigmoids_with_a_temperature_each() -> None:
    first, second = make().to_probabilities([0.0, 2.0], LABELS)
    assert first == 0.5
    assert second == pytest.approx(0.7311, abs=1e-4)


@pytest.mark.parametrize("logit", [-1e6, 1e6])
def test_no_output_is_too_large(logit: float) -> None:
    assert make().to_probabilities([logit, 0.0], LABELS)[0] == float(logit > 0)


def test_a_text_gets_the_labels_from_their_thresholds_on() -> None:
    assert make().choose({"billing": 0.3, "delivery": 0.59}) == ("billing",)
    assert make().choose({"billing": 0.1, "delivery": 0.1}) == ()


def test_the_most_probable_label_comes_first() -> None:
    assert make().choose({"billing": 0.4, "delivery": 0.9}) == ("delivery", "billing")


def test_there_must_be_a_value_for_each_label() -> None:
    assert make().has_labels(LABELS)
    assert not make().has_labels(("billing", "refund"))
    assert not make(thresholds={"billing": 0.5}).has_labels(LABELS)


@pytest.mark.parametrize(
    "changes",
    [
        {"separator": ""},
        {"kind": "single"},
        {"thresholds": {"billing": 1.1}},
        {"temperatures": {"billing": 0}},
    ],
)
def test_other_values_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        make(**changes)
