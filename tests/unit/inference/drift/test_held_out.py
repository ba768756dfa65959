from dataclasses import replace

import numpy as np
import pytest

from inference.drift.held_out import measure_reference
from inference.model.classifier import Prediction


def predict(label: str, tokens: int = 9, unknown: int = 0) -> Prediction:
    return Prediction({"a": float(label == "a"), "b": float(label == "b")}, False, tokens, unknown)


def test_a_reference_holds_the_shares_of_the_held_out_texts() -> None:
    # GIVEN predictions of four texts
    predictions = [predict("b", 4), predict("b", 4), predict("a", 4), predict("b", 8, unknown=5)]
    # WHEN they are measured
    reference = measure_reference(predictions, np.arange(4))
    # THEN there is a share of each label, in output order, and of each length
    assert reference.texts == 4
    assert list(reference.labels.items()) == [("a", 0.25), ("b", 0.75)]
    assert reference.token_length == {4: 0.75, 8: 0.25}
    # AND the share of unknown tokens is that of all tokens
    assert reference.unknown_tokens == 5 / 20
    # AND a confidence of 1 is in the last of a hundred parts
    assert reference.confidence == (*[0.0] * 99, 1.0)


def test_a_manifest_holds_a_reference_under_its_usual_names() -> None:
    reference = measure_reference([predict("a"), predict("b")], np.arange(2))
    names = ["texts", "labels", "confidence", "token_length", "unknown_tokens", "design_effects"]
    assert list(reference.to_json()) == names
    assert reference.to_json()["token_length"] == {"9": 1.0}


def test_the_design_effect_of_texts_in_copies_is_the_number_of_copies() -> None:
    # GIVEN a random label for each of 1,000 stories, and ten copies of each story
    random = np.random.default_rng(0)
    predictions = [predict(label) for label in random.choice(["a", "b"], 1_000) for _ in range(10)]
    # WHEN the reference is measured
    reference = measure_reference(predictions, np.repeat(np.arange(1_000), 10))
    # THEN ten texts carry as much information as one
    assert reference.design_effects["label"] == pytest.approx(10, rel=0.05)
    # AND without copies, each text carries its own
    single = measure_reference(predictions[::10], np.arange(1_000))
    assert single.design_effects["label"] == pytest.approx(1, rel=0.05)


def test_no_design_effect_is_below_one() -> None:
    # GIVEN texts that differ less than chance would have it
    reference = measure_reference([predict("a"), predict("a")], np.arange(2))
    assert min(reference.design_effects.values()) == 1.0


def test_a_model_with_thresholds_has_a_reference_of_its_outcomes() -> None:
    # GIVEN predictions, of which one in four abstains
    answered = replace(predict("a"), can_abstain=True)
    predictions = [answered] * 3 + [replace(answered, abstention="out_of_scope")]
    # WHEN they are measured THEN the share of each outcome is there, with its design effect
    reference = measure_reference(predictions, np.arange(4))
    shares = {"answered": 0.75, "low_confidence": 0.0, "out_of_scope": 0.25}
    assert reference.outcomes == shares
    assert "outcome" in reference.design_effects
    assert measure_reference([predict("a")], np.arange(1)).outcomes is None
