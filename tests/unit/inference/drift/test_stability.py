import numpy as np
import pytest
from scipy.stats import chi2

from inference.drift.stability import (
    ALARM,
    FALSE_ALARMS,
    MIN_SHARE,
    MIN_TEXTS,
    Feature,
    chi_square_quantile,
    design_effects,
    features,
)
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier, Prediction
from inference.predictions.sample import Logged
from tests.conftest import HEADLINES, REVIEWS, SAMPLE_MODEL
from training import tasks
from training.data.examples import clusters_of
from training.data.read import read
from training.export.bundle import reference

SCIENCE = Logged("id", "Science", 0.9, 9, 0)
GERMAN = [
    "Der Bundestag stimmt am Freitag über den neuen Haushalt ab",
    "Deutlich mehr Schneefall in den Alpen als im vergangenen Jahr erwartet",
    "Zweite Liga: Aufsteiger verliert auch das dritte Heimspiel der Saison",
    "Bahnstreik: Gewerkschaft kündigt weitere Arbeitsniederlegungen an",
    "Forscherinnen entschlüsseln Schriftrollen aus verkohltem Papyrus",
    "Krankenkassen erhöhen zum Jahreswechsel erneut die Zusatzbeiträge",
]


def halves(counts: list[float], window: list[float], effect: float = 1.0) -> Feature:
    return Feature("f", ("a", "b"), np.array(counts), np.array(window), effect)


def test_the_index_is_the_textbooks() -> None:
    # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)
    assert halves([5e5, 5e5], [6e5, 4e5]).psi == pytest.approx(0.04055, abs=1e-4)


def test_a_bin_that_was_empty_or_became_so_has_a_finite_index() -> None:
    assert 1 < halves([1000, 0], [500, 500]).psi < 10
    assert 1 < halves([500, 500], [1000, 0]).psi < 10


@pytest.mark.parametrize("freedom", [1, 3, 9, 18])
def test_the_quantile_is_that_of_chi_square(freedom: int) -> None:
    exact = chi2.ppf(1 - FALSE_ALARMS, freedom)
    assert chi_square_quantile(freedom) == pytest.approx(exact, rel=0.04)


def test_a_small_sample_and_one_of_few_clusters_must_differ_by_more() -> None:
    assert halves([1e6, 1e6], [5e3, 5e3]).limit == ALARM
    assert halves([1e6, 1e6], [10, 10]).limit > 2 * ALARM
    assert halves([1e6, 1e6], [5e3, 5e3], effect=400).limit > 2 * ALARM


@pytest.mark.parametrize("bins", [2, 10])
def test_without_a_shift_the_index_exceeds_its_limit_as_rarely_as_is_said(bins: int) -> None:
    # GIVEN samples of 60 from one distribution, so small that chance decides the limit
    random, alarms, windows = np.random.default_rng(0), 0, 4_000
    for _ in range(windows):
        counts = [random.multinomial(60, np.full(bins, 1 / bins)).astype(float) for _ in range(2)]
        feature = Feature("f", ("bin",) * bins, counts[0], counts[1], 1.0)
        # WHEN drift is measured
        alarms += feature.psi > chi_square_quantile(bins - 1) * (1 / 60 + 1 / 60)
    # THEN false alarms are about as many as FALSE_ALARMS says: the index has a longer tail
    assert alarms / windows < 5 * FALSE_ALARMS


def test_texts_that_come_in_copies_have_the_design_effect_of_their_number() -> None:
    # GIVEN a random label for each of 1,000 stories, and ten copies of each
    random = np.random.default_rng(0)
    labels = random.choice(["a", "b"], 1_000)
    predictions = [
        Prediction({"a": float(label == "a"), "b": float(label == "b")}, False, 9)
        for label in labels
        for _ in range(10)
    ]
    # WHEN the reference is made
    effects = reference(predictions, np.repeat(np.arange(1_000), 10))["design_effects"]
    # THEN ten texts say as much as one
    assert effects["label"] == pytest.approx(10, rel=0.05)
    # AND texts that are alone say as much as they are
    alone = reference(predictions[::10], np.arange(1_000))["design_effects"]
    assert alone["label"] == pytest.approx(1, rel=0.05)


def test_a_bundle_without_design_effects_is_read() -> None:
    old = {name: value for name, value in news_reference().items() if name != "design_effects"}
    assert [one.design_effect for one in features(old, [SCIENCE])] == [1.0] * 4


def test_bins_of_numbers_are_not_rare_and_reach_to_all_there_are() -> None:
    # GIVEN the shipped model's reference WHEN texts shorter and longer than any are binned
    window = [Logged("1", "Science", 0.2, 1, 0), Logged("2", "Health", 1.0, 64, 0)]
    _, confidence, tokens, _ = features(news_reference(), window)
    # THEN they are in the first and the last bin, and no other bin is rare
    for feature in (confidence, tokens):
        assert feature.window[0] == feature.window[-1] == 1
        assert feature.window.sum() == 2
        shares = feature.reference / feature.reference.sum()
        assert shares[:-1].min() > 0.025
        # AND what is less than wanted stands before a cell that is enough by itself
        assert all((shares[:-1] >= MIN_SHARE) | (shares[1:] >= MIN_SHARE))
        assert len(feature.bins) == len(set(feature.bins)) == len(feature.reference)


def news_reference() -> dict[str, object]:
    return read_verified(SAMPLE_MODEL)[0].reference


@pytest.fixture(scope="module")
def headlines() -> tuple[list[Prediction], list[int]]:
    """What the shipped model says of the sample headlines, and the story of each."""
    rows = read(str(HEADLINES), tasks.NEWS).examples
    return classify([row.text for row in rows]), clusters_of(rows).tolist()


def classify(texts: list[str]) -> list[Prediction]:
    return Classifier(SAMPLE_MODEL, read_verified(SAMPLE_MODEL)[0]).predict(texts)


@pytest.fixture(scope="module")
def own_reference(headlines: tuple[list[Prediction], list[int]]) -> dict[str, object]:
    """Of every other story of the sample headlines."""
    kept = [(one, story) for one, story in zip(*headlines, strict=True) if story % 2]
    return reference([one for one, _ in kept], np.array([story for _, story in kept]))


def drawn(texts: list[Prediction]) -> list[Prediction]:
    """As many as a window needs, however few there are."""
    return [texts[row] for row in np.random.default_rng(0).choice(len(texts), MIN_TEXTS)]


def drifted(found: dict[str, object], window: list[Prediction]) -> set[str]:
    """The features that are not as in the reference."""
    return {one.name for one in features(found, window) if one.drifted}


@pytest.mark.parametrize("seed", range(8))
def test_stories_of_the_same_kind_are_no_drift(
    headlines: tuple[list[Prediction], list[int]], seed: int
) -> None:
    # GIVEN the stories of the sample in random halves, one of them the reference
    predictions, stories = headlines[0], np.array(headlines[1])
    known = np.random.default_rng(seed).permutation(stories.max() + 1)[stories] % 2 == 1
    found = reference([predictions[row] for row in np.flatnonzero(known)], stories[known])
    # WHEN the texts of the other are compared, each once: drawn again it would say nothing new
    window = [predictions[row] for row in np.flatnonzero(~known)]
    # THEN nothing has drifted
    assert drifted(found, window) == set()


def test_headlines_of_one_label_are_drift(
    headlines: tuple[list[Prediction], list[int]], own_reference: dict[str, object]
) -> None:
    health = [one for one in headlines[0] if one.label == "Health"]
    assert "label" in drifted(own_reference, drawn(health))


def test_reviews_instead_of_headlines_are_drift(own_reference: dict[str, object]) -> None:
    reviews = [row.text for row in read(str(REVIEWS), tasks.SENTIMENT).examples]
    assert drifted(own_reference, drawn(classify(reviews))) >= {"label", "confidence", "tokens"}


def test_another_language_is_drift(own_reference: dict[str, object]) -> None:
    assert drifted(own_reference, drawn(classify(GERMAN))) >= {"confidence", "tokens"}


def test_characters_that_the_vocabulary_lacks_are_drift(own_reference: dict[str, object]) -> None:
    zebras = classify(["🦓 🦒 zebras at the zoo"])
    assert "unknown tokens" in drifted(own_reference, drawn(zebras))


def test_the_clusters_of_texts_alone_have_no_design_effect_below_one() -> None:
    found = design_effects(news_reference(), [[SCIENCE], [SCIENCE]])
    assert min(found.values()) == 1.0
