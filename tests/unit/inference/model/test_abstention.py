import msgspec
import pytest

from inference.model.abstention import LabelThresholds, OutOfScope, decide

THRESHOLDS = LabelThresholds(precision=0.9, confidence=0.95, least={"a": 0.7, "b": None})
SCOPE = OutOfScope(score="energy", limit=-1.0, refused=0.05)


@pytest.mark.parametrize(
    ("label", "confidence", "score", "reason"),
    [
        ("a", 0.7, -1.0, None),
        ("a", 0.69, -1.0, "low_confidence"),
        ("b", 1.0, -1.0, "low_confidence"),  # a label that reaches the precision nowhere
        ("a", 0.99, -0.9, "out_of_scope"),
        ("a", 0.1, -0.9, "out_of_scope"),  # a text of another kind has no right label at all
    ],
)
def test_a_label_is_acted_on_if_text_and_confidence_are_within_the_limits(
    label: str, confidence: float, score: float, reason: str | None
) -> None:
    # WHEN there are both limits
    # THEN the reason to abstain is the one that says most
    assert decide(label, confidence, score, THRESHOLDS, SCOPE) == reason


def test_each_limit_works_without_the_other() -> None:
    assert decide("a", 0.1, None, THRESHOLDS, None) == "low_confidence"
    assert decide("a", 0.9, None, THRESHOLDS, None) is None
    assert decide("a", 0.1, 0.0, None, SCOPE) == "out_of_scope"
    assert decide("a", 0.1, -2.0, None, SCOPE) is None


@pytest.mark.parametrize(
    "wrong", [{"limit": float("nan")}, {"refused": 1.5}, {"score": "entropy"}, {"more": 1}]
)
def test_limits_that_no_export_writes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(SCOPE) | wrong, OutOfScope)
