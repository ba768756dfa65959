from pathlib import Path

import pytest

from inference.local.checkout import SAMPLE_MODEL
from inference.model.abstention import OutOfScope
from inference.model.bundle import BundleError, ClassifierSpec, read_verified
from inference.model.classifier import Classifier

LABELS = ("Business", "Science", "Entertainment", "Health")


def test_a_classifier_knows_its_version_and_labels() -> None:
    classifier = Classifier.load(read_verified(SAMPLE_MODEL))
    assert classifier.version == "7531af3bdaa99370"
    assert classifier.labels == LABELS


def test_a_classifier_can_be_built_before_there_is_a_manifest() -> None:
    # GIVEN the files of a model and what classifying depends on, as during an export
    spec = ClassifierSpec(labels=LABELS, max_length=5, temperature=1.0)
    # WHEN a classifier is built of them THEN it classifies
    classifier = Classifier(SAMPLE_MODEL, spec, "draft")
    (prediction,) = classifier.predict(["Life in Mars might be a real possibility"])
    assert tuple(prediction.probabilities) == LABELS
    assert (prediction.tokens, prediction.truncated) == (5, True)


def test_the_temperature_flattens_the_probabilities() -> None:
    text = "Fed holds rates"
    cool, warm = (
        Classifier(SAMPLE_MODEL, ClassifierSpec(labels=LABELS, max_length=64, temperature=t), "")
        for t in (1.0, 3.0)
    )
    assert warm.predict([text])[0].confidence < cool.predict([text])[0].confidence


def test_a_model_with_another_number_of_outputs_is_refused() -> None:
    spec = ClassifierSpec(labels=("a", "b"), max_length=64, temperature=1.0)
    with pytest.raises(BundleError, match="4 outputs for 2 labels"):
        Classifier(SAMPLE_MODEL, spec, "draft")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    spec = ClassifierSpec(labels=LABELS, max_length=64, temperature=1.0)
    with pytest.raises(BundleError, match="cannot load the model"):
        Classifier(tmp_path, spec, "draft")


def test_the_energy_of_the_outputs_tells_texts_that_the_model_does_not_know() -> None:
    # GIVEN a limit between the energies of a headline and of random letters
    scope = OutOfScope(score="energy", limit=1e9, refused=0.05)
    spec = ClassifierSpec(labels=LABELS, max_length=64, temperature=1.0, out_of_scope=scope)
    texts = ["Oscar winner dies of cancer", "qx zzv jjk pqr"]
    known, unknown = Classifier(SAMPLE_MODEL, spec, "").predict(texts)
    assert known.scope_score is not None
    assert unknown.scope_score is not None
    limit = (known.scope_score + unknown.scope_score) / 2
    # WHEN the limit is set
    limited = spec.model_copy(update={"out_of_scope": scope.model_copy(update={"limit": limit})})
    known, unknown = Classifier(SAMPLE_MODEL, limited, "").predict(texts)
    # THEN the headline is answered, and the letters are out of scope
    assert (known.abstained, known.abstention) == (False, None)
    assert (unknown.abstained, unknown.abstention) == (True, "out_of_scope")


def test_without_thresholds_nothing_is_said_of_abstaining() -> None:
    (prediction,) = Classifier.load(read_verified(SAMPLE_MODEL)).predict(["qx zzv jjk pqr"])
    assert (prediction.abstained, prediction.outcome, prediction.scope_score) == (None, None, None)


def test_a_graph_without_the_score_that_its_manifest_names_is_refused() -> None:
    scope = OutOfScope(score="output", limit=0, refused=0.05)
    spec = ClassifierSpec(labels=LABELS, max_length=64, temperature=1.0, out_of_scope=scope)
    with pytest.raises(BundleError, match="cannot load the model"):
        Classifier(SAMPLE_MODEL, spec, "draft")
