import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import chi2

from inference.drift.held_out import measure_reference
from inference.drift.measure import MIN_TEXTS
from inference.drift.reference import Reference, read_reference
from inference.drift.stability import (
    ALARM,
    FALSE_ALARMS,
    MIN_SHARE,
    Feature,
    chi_square_quantile,
    measure_features,
)
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier, Prediction
from inference.prediction_log.table import LoggedPrediction
from tests.conftest import REVIEWS, SAMPLE_MODEL
from tests.unit.inference.drift.conftest import Headlines
from training import tasks
from training.data.read import read

SHIPPED = read_reference(read_verified(SAMPLE_MODEL).manifest)
GERMAN = [
    "Der Bundestag stimmt am Freitag über den neuen Haushalt ab",
    "Deutlich mehr Schneefall in den Alpen als im vergangenen Jahr erwartet",
    "Zweite Liga: Aufsteiger verliert auch das dritte Heimspiel der Saison",
    "Bahnstreik: Gewerkschaft kündigt weitere Arbeitsniederlegungen an",
    "Forscherinnen entschlüsseln Schriftrollen aus verkohltem Papyrus",
    "Krankenkassen erhöhen zum Jahreswechsel erneut die Zusatzbeiträge",
]


def two_bins(reference: list[float], window: list[float], effect: float = 1.0) -> Feature:
    return Feature("f", ("a", "b"), np.array(reference), np.array(window), effect)


def test_the_psi_is_that_of_the_textbook() -> None:
    # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)
    assert two_bins([5e5, 5e5], [6e5, 4e5]).psi == pytest.approx(0.04055, abs=1e-4)


def test_an_empty_bin_has_a_finite_psi() -> None:
    assert 1 < two_bins([1000, 0], [500, 500]).psi < 10
    assert 1 < two_bins([500, 500], [1000, 0]).psi < 10


@pytest.mark.parametrize("degrees_of_freedom", [1, 3, 9, 18])
def test_the_quantile_is_close_to_that_of_chi_square(degrees_of_freedom: int) -> None:
    exact = chi2.ppf(1 - FALSE_ALARMS, degrees_of_freedom)
    assert chi_square_quantile(degrees_of_freedom) == pytest.approx(exact, rel=0.04)


def test_the_limit_is_higher_for_small_samples_and_for_clustered_texts() -> None:
    assert two_bins([1e6, 1e6], [5e3, 5e3]).limit == ALARM
    assert two_bins([1e6, 1e6], [10, 10]).limit > 2 * ALARM
    assert two_bins([1e6, 1e6], [5e3, 5e3], effect=400).limit > 2 * ALARM


@pytest.mark.parametrize("bins", [2, 10])
def test_false_alarms_are_rare(bins: int) -> None:
    # GIVEN samples of 60 from one distribution, so small that chance decides the limit
    random, alarms, windows = np.random.default_rng(0), 0, 4_000
    for _ in range(windows):
        counts = [random.multinomial(60, np.full(bins, 1 / bins)).astype(float) for _ in range(2)]
        feature = Feature("f", ("bin",) * bins, counts[0], counts[1], 1.0)
        # WHEN drift is measured
        alarms += feature.psi > chi_square_quantile(bins - 1) * (1 / 60 + 1 / 60)
    # THEN they are about as rare as FALSE_ALARMS says; the PSI has a longer tail than chi-square
    assert alarms / windows < 5 * FALSE_ALARMS


def test_without_design_effects_texts_count_as_independent() -> None:
    # GIVEN the reference of a bundle made before design effects were measured
    old = replace(SHIPPED, design_effects={})
    # WHEN a window is measured THEN every effect is 1
    window = [LoggedPrediction("id", "Science", 0.9, 9, 0)]
    assert [feature.design_effect for feature in measure_features(old, window)] == [1.0] * 4


def test_numbers_are_binned_without_gaps_and_without_rare_bins() -> None:
    # GIVEN a text shorter and one longer than any of the shipped model's reference
    window = [
        LoggedPrediction("1", "Science", 0.2, 1, 0),
        LoggedPrediction("2", "Health", 1.0, 64, 0),
    ]
    # WHEN they are measured
    _, confidence, tokens, _ = measure_features(SHIPPED, window)
    # THEN they are in the first and in the last bin
    for feature in (confidence, tokens):
        assert feature.window[0] == feature.window[-1] == 1
        assert feature.window.sum() == 2
        assert len(feature.bins) == len(set(feature.bins)) == len(feature.reference)
        # AND a bin is smaller than wanted only if the next cell is large enough by itself
        shares = feature.reference / feature.reference.sum()
        assert shares[:-1].min() > 0.025
        assert all((shares[:-1] >= MIN_SHARE) | (shares[1:] >= MIN_SHARE))


@pytest.fixture(scope="module")
def half(headlines: Headlines) -> Reference:
    """The reference of every other story of the sample headlines."""
    rows = np.flatnonzero(headlines.stories % 2)
    return measure_reference([headlines.predictions[row] for row in rows], headlines.stories[rows])


def resample(predictions: list[Prediction]) -> list[Prediction]:
    """Draw as many as a window needs."""
    rows = np.random.default_rng(0).choice(len(predictions), MIN_TEXTS)
    return [predictions[row] for row in rows]


def drifted(reference: Reference, window: list[Prediction]) -> set[str]:
    """Return the names of the features that drifted."""
    return {feature.name for feature in measure_features(reference, window) if feature.drifted}


@pytest.mark.parametrize("seed", range(8))
def test_other_stories_of_the_same_kind_are_no_drift(headlines: Headlines, seed: int) -> None:
    # GIVEN the stories of the sample in random halves, one of them the reference
    order = np.random.default_rng(seed).permutation(headlines.stories.max() + 1)
    known = order[headlines.stories] % 2 == 1
    reference = measure_reference(
        [headlines.predictions[row] for row in np.flatnonzero(known)], headlines.stories[known]
    )
    # WHEN the other half is measured, each text once because a copy adds no information
    window = [headlines.predictions[row] for row in np.flatnonzero(~known)]
    # THEN nothing has drifted
    assert drifted(reference, window) == set()


def test_headlines_of_one_label_are_drift(headlines: Headlines, half: Reference) -> None:
    health = [prediction for prediction in headlines.predictions if prediction.label == "Health"]
    assert "label" in drifted(half, resample(health))


def test_reviews_instead_of_headlines_are_drift(classifier: Classifier, half: Reference) -> None:
    reviews = [row.text for row in read(str(REVIEWS), tasks.SENTIMENT).examples]
    window = resample(classifier.predict(reviews))
    assert drifted(half, window) >= {"label", "confidence", "tokens"}


def test_another_language_is_drift(classifier: Classifier, half: Reference) -> None:
    window = resample(classifier.predict(GERMAN))
    assert drifted(half, window) >= {"confidence", "tokens"}


def test_characters_that_the_vocabulary_lacks_are_drift(
    classifier: Classifier, half: Reference
) -> None:
    window = resample(classifier.predict(["🦓 🦒 zebras at the zoo"]))
    assert "unknown tokens" in drifted(half, window)


def test_more_abstentions_than_on_the_held_out_texts_are_drift() -> None:
    # GIVEN a model that abstains from one held-out text in ten, and a window with every other one
    outcomes = {"answered": 0.9, "low_confidence": 0.05, "out_of_scope": 0.05}
    reference = replace(SHIPPED, outcomes=outcomes)
    window = [
        LoggedPrediction(str(n), "Science", 0.9, 9, 0, "out_of_scope" if n % 2 else "answered")
        for n in range(2_000)
    ]
    # WHEN drift is measured THEN the outcome has drifted
    *_, outcome = measure_features(reference, window)
    assert (outcome.name, outcome.bins) == ("outcome", tuple(outcomes))
    assert outcome.window.tolist() == [1_000, 0, 1_000]
    assert outcome.drifted


def test_outcomes_are_left_out_where_they_are_unknown() -> None:
    # GIVEN a model with thresholds whose window does not know the outcomes, and one without
    outcomes = {"answered": 1.0, "low_confidence": 0.0, "out_of_scope": 0.0}
    window = [LoggedPrediction("id", "Science", 0.9, 9, 0)]
    for reference in (replace(SHIPPED, outcomes=outcomes), SHIPPED):
        assert "outcome" not in [feature.name for feature in measure_features(reference, window)]
