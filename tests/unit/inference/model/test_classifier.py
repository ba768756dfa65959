import math
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from tokenizers import Tokenizer, models

from inference.local.checkout import SAMPLE_MODEL
from inference.model.abstention import OutOfScope
from inference.model.bundle import MANIFEST, BundleError, ClassifierSpec, read_verified, version_of
from inference.model.classifier import Classifier, find_unknown_id
from inference.model.windows import MAX, MEAN, SlowTextsError, Windows
from tests.conftest import TinyModel

# A window has eight wordpieces of a text; two of these are in the next window, too.
SIZE, OVERLAP = 10, 2
LONG = (
    "Fed holds rates as prices fall and oil shares rise again in late trade while new film about "
    "old virus opens in May"
)
LABELS = ("Business", "Science", "Entertainment", "Health")


def test_a_classifier_knows_its_version_and_labels() -> None:
    classifier = Classifier.load(read_verified(SAMPLE_MODEL))
    assert classifier.version == version_of((SAMPLE_MODEL / MANIFEST).read_bytes())
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
    limited = replace(spec, out_of_scope=replace(scope, limit=limit))
    known, unknown = Classifier(SAMPLE_MODEL, limited, "").predict(texts)
    # THEN the headline is answered, and the letters are out of scope
    assert (known.abstained, known.abstention) == (False, None)
    assert (unknown.abstained, unknown.abstention) == (True, "out_of_scope")


def test_without_thresholds_nothing_is_said_of_abstaining() -> None:
    spec = ClassifierSpec(labels=LABELS, max_length=64, temperature=1.0)
    (prediction,) = Classifier(SAMPLE_MODEL, spec, "").predict(["qx zzv jjk pqr"])
    assert (prediction.abstained, prediction.outcome, prediction.scope_score) == (None, None, None)


def test_a_graph_without_the_score_that_its_manifest_names_is_refused(
    tiny_model: TinyModel,
) -> None:
    scope = OutOfScope(score="output", limit=0, refused=0.05)
    spec = ClassifierSpec(labels=LABELS, max_length=64, temperature=1.0, out_of_scope=scope)
    with pytest.raises(BundleError, match="cannot load the model"):
        Classifier(tiny_model.bundle, spec, "draft")


# ---- Long texts in windows ----


def open_windows(sharpness: float = MEAN, most: int = 9, **changes: object) -> Classifier:
    """Open the sample model so that it reads long texts in windows."""
    windows = Windows.make(most, OVERLAP, sharpness)
    spec = ClassifierSpec(labels=LABELS, max_length=SIZE, temperature=1.0, windows=windows)
    return Classifier(SAMPLE_MODEL, replace(spec, **changes), "windows")


def list_window_texts(classifier: Classifier, text: str) -> list[str]:
    """List the part of a text that each of its windows has."""
    (read,) = classifier.read([text])
    places = [[place for place in window.offsets if place[1]] for window in read.windows]
    return [text[window[0][0] : window[-1][1]] for window in places]


def test_the_logits_of_a_text_are_the_mean_of_those_of_its_windows() -> None:
    # GIVEN a text of four windows, each of which is classified alone
    classifier = open_windows()
    parts = list_window_texts(classifier, LONG)
    assert [len(part.split()) for part in parts] == [8, 8, 8, 5]
    alone = [list(each.probabilities.values()) for each in classifier.predict(parts)]
    # WHEN the text is classified
    (whole,) = classifier.predict([LONG])
    # THEN its probabilities are those of the mean logits: the geometric mean of the windows'
    mean = [math.exp(sum(map(math.log, shares)) / 4) for shares in zip(*alone, strict=True)]
    expected = [share / sum(mean) for share in mean]
    assert list(whole.probabilities.values()) == pytest.approx(expected, rel=1e-5)
    assert (whole.truncated, whole.tokens) == (False, 3 * SIZE + 7)


def test_windows_are_pooled_as_the_bundle_says() -> None:
    found = [open_windows(sharpness).predict([LONG])[0] for sharpness in (MEAN, 1.0, MAX)]
    assert len({prediction.confidence for prediction in found}) == 3


@pytest.mark.parametrize("text", ["Fed", "Fed holds rates as prices fall and oil", ""])
def test_a_text_of_one_window_is_answered_as_without_windows(text: str) -> None:
    # GIVEN texts that are no longer than a window
    cut = ClassifierSpec(labels=LABELS, max_length=SIZE, temperature=1.0)
    # THEN windows change nothing, to the last bit
    for sharpness in (MEAN, 2.0, MAX):
        expected = Classifier(SAMPLE_MODEL, cut, "").predict([text])
        assert open_windows(sharpness).predict([text]) == expected


def test_windows_of_other_texts_change_nothing() -> None:
    classifier = open_windows(1.0)
    texts = [LONG, "Fed", f"{LONG} {LONG}", LONG]
    alone = [classifier.predict([text])[0] for text in texts]
    assert classifier.predict(texts) == alone


@pytest.mark.parametrize(("most", "is_truncated"), [(3, True), (4, False)])
def test_more_windows_than_are_read_are_told(most: int, is_truncated: bool) -> None:
    (prediction,) = open_windows(most=most).predict([LONG])
    assert prediction.truncated == is_truncated


def test_the_out_of_scope_score_of_a_text_is_the_mean_of_its_windows() -> None:
    scope = OutOfScope(score="energy", limit=1e9, refused=0.05)
    classifier = open_windows(MAX, out_of_scope=scope)
    parts = classifier.predict(list_window_texts(classifier, LONG))
    scores = [part.scope_score for part in parts if part.scope_score is not None]
    (whole,) = classifier.predict([LONG])
    assert whole.scope_score == pytest.approx(sum(scores) / 4)


def test_windows_that_take_too_long_are_refused() -> None:
    with pytest.raises(SlowTextsError, match="fewer or shorter"):
        open_windows().predict(["Fed", LONG], seconds=0)


def test_a_text_of_many_characters_is_read_in_bounded_time() -> None:
    # GIVEN more characters than are looked at WHEN they are classified
    classifier, started = open_windows(most=32), time.process_time()
    (prediction,) = classifier.predict([f"{LONG} " * 20_000])
    # THEN that is quick, and the answer tells that most was not read
    assert time.process_time() - started < 10
    assert prediction.truncated
    assert prediction.tokens == 32 * SIZE


def test_windows_that_overlap_too_much_are_refused() -> None:
    with pytest.raises(ValueError, match="get no further"):
        ClassifierSpec(labels=LABELS, max_length=5, temperature=1.0, windows=Windows.make(2, 3))


@pytest.mark.parametrize(
    ("vocabulary", "unknown"),
    [
        ({"[UNK]": 1, "word": 0}, 1),
        ({"<unk>": 3, "word": 0}, 3),
        ({"<unk>": 3, "[UNK]": 104, "word": 0}, 104),  # an MPNet, whose words are a BERT's
        ({"byte": 0}, -1),
    ],
)
def test_the_token_for_what_a_vocabulary_lacks_is_found_in_tokenizers_of_any_kind(
    vocabulary: dict[str, int], unknown: int
) -> None:
    assert find_unknown_id(Tokenizer(models.WordLevel(vocabulary, "word"))) == unknown
