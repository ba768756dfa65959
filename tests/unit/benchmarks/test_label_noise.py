import numpy as np
import pytest

from benchmarks.label_noise import Noise, Reason, count_lines, score_oracle
from training.data.examples import Dataset, Example
from training.tasks import custom_task, with_labels

TASK = with_labels(custom_task("desks", "text", "label", "story"), ("sport", "money", "art"))
EQUAL, NEAR = "equal texts have another label", "nearly equal texts have another label"
STANDING, GROUP = "the text is in 3 groups or more", "its group shares a text with another label"

TEST = [
    Example("Club sold for a billion", 0, "club"),
    Example("Owner sells the club to a rich fund at last", 1, "deal"),
    Example("Daily briefing", 2, "a"),
    Example("Fans of the club protest", 0, "club"),
    Example("Painting found in an attic", 2, "painting"),
]
OTHERS = [
    Example("CLUB SOLD, for a billion!", 1, "deal"),
    Example("Owner sells the club to a rich fund", 0, "fund"),
    *(Example("Daily briefing", 2, group) for group in "bc"),
    Example("Painting found in an attic", 2, "gallery"),
    Example("Painting found in an attic in Rome", 2, "gallery"),
]


@pytest.fixture
def noise() -> Noise:
    return Noise.find(Dataset(TASK, TEST + OTHERS, ""), TEST, similarity=0.8, groups=3)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        (EQUAL, [True, False, False, False, False]),  # which differs in case and punctuation
        (NEAR, [False, True, False, False, False]),
        (STANDING, [False, False, True, False, False]),
        (GROUP, [True, True, False, True, False]),  # with its own text, or that of another row
    ],
)
def test_a_reason_holds_for_the_planted_rows_alone(
    noise: Noise, name: str, holds: list[bool]
) -> None:
    (reason,) = [reason for reason in noise.reasons if reason.name == name]
    assert reason.holds.tolist() == holds


def test_a_reason_names_the_other_labels_not_the_rows_own(noise: Noise) -> None:
    named = {reason.name: np.argwhere(reason.others).tolist() for reason in noise.reasons}
    assert named == {
        EQUAL: [[0, 1]],
        NEAR: [[1, 0]],
        STANDING: [],
        GROUP: [[0, 1], [1, 0], [3, 1]],
    }


def test_a_text_is_no_more_similar_if_less_similarity_is_not_enough() -> None:
    noise = Noise.find(Dataset(TASK, TEST + OTHERS, ""), TEST, similarity=0.9, groups=3)
    assert not noise.reasons[1].holds.any()


def test_oracles_give_the_most_frequent_label_and_draw_ties(noise: Noise) -> None:
    # Of five rows, one text has two labels once each, and another row has a similar one.
    assert noise.equal_oracle == pytest.approx(4.5 / 5)
    assert noise.near_oracle == pytest.approx(4 / 5)


def test_an_oracle_is_wrong_about_the_rarer_label() -> None:
    counts = np.array([[3, 1], [3, 1], [2, 2], [0, 1]])
    assert score_oracle(counts, np.array([0, 1, 1, 1])) == pytest.approx((1 + 0 + 0.5 + 1) / 4)


def test_the_lines_compare_errors_with_right_answers() -> None:
    # GIVEN ten rows, four of which have a reason that names label 1
    holds = np.arange(10) < 4
    others = np.zeros((10, 3), bool)
    others[holds, 1] = True
    noise = Noise(np.zeros(10, int), (Reason("twins", others, holds),), 1.0, 1.0)
    # WHEN a model is wrong about three of them, twice with that label, and about one of the others
    predicted = np.array([1, 1, 2, 0, 2, 0, 0, 0, 0, 0])
    lines = count_lines(predicted, noise)
    # THEN the reason holds for one of the right answers in six, and for three errors in four
    twins, rest = lines["twins"], lines["none of these"]
    assert (twins.rows, twins.errors, twins.as_named) == (4, 3, 2)
    assert twins.share_of_right == pytest.approx(1 / 6)
    assert twins.share_of_errors == 0.75
    # AND at the error rate of the others, one row in six, there would be two thirds of an error
    assert twins.extra == pytest.approx(3 - 4 / 6)
    # AND the lines of rows with and without a reason add up
    assert lines["any of these"].rows + rest.rows == lines["all"].rows == 10
    assert lines["any of these"].errors + rest.errors == lines["all"].errors == 4
    assert rest.accuracy == pytest.approx(5 / 6)
    assert lines["all"].accuracy == 0.6


def test_a_model_without_errors_leaves_nothing_to_explain(noise: Noise) -> None:
    lines = count_lines(noise.labels, noise)
    assert {line.errors for line in lines.values()} == {0}
    assert {line.share_of_errors for line in lines.values()} == {0.0}
