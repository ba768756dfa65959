import numpy as np
import pytest

from benchmarks.near_duplicates import find_near_duplicates

TEXTS = [
    "shares of apple rise after strong quarter",
    "strong quarter after shares of apple rise",  # the same words
    "shares of apple rise after strong quarter again",  # 7 of 8
    "shares of apple rise after a weak quarter",  # 6 of 9
    "nothing in common",
    "apple",
    "apple apple",
]


def find(similarity: float, rows: list[int]) -> list[list[int]]:
    similar = find_near_duplicates(TEXTS, np.array(rows), similarity)
    assert similar.shape == (len(rows), len(TEXTS))
    return [sorted(similar[[row]].indices.tolist()) for row in range(len(rows))]


@pytest.mark.parametrize(
    ("similarity", "similar"),
    [(1.0, [0, 1]), (0.875, [0, 1, 2]), (0.88, [0, 1]), (2 / 3, [0, 1, 2, 3])],
)
def test_texts_are_similar_from_a_share_of_common_words_on(
    similarity: float, similar: list[int]
) -> None:
    assert find(similarity, [0]) == [similar]


def test_each_row_has_its_own_similar_texts() -> None:
    assert find(0.8, [5, 4, 2]) == [[5, 6], [4], [0, 1, 2]]


def test_no_rows_have_no_similar_texts() -> None:
    assert find_near_duplicates(TEXTS, np.array([], np.intp)).shape == (0, len(TEXTS))


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.6, 0.8, 0.9])
def test_the_same_pairs_are_found_as_by_comparing_each_text_with_each(similarity: float) -> None:
    # GIVEN texts of few different words, more than are compared at a time
    random = np.random.default_rng(0)
    sizes = random.integers(1, 16, 2_500)
    texts = [" ".join(f"w{word}" for word in random.zipf(1.3, size) % 60) for size in sizes]
    # WHEN the similar texts of all of them are found
    similar = find_near_duplicates(texts, np.arange(len(texts)), similarity)
    # THEN they are those that a comparison of each with each finds
    words = np.array([[f"w{word}" in text.split() for word in range(60)] for text in texts], int)
    shared = words @ words.T
    union = words.sum(axis=1)[:, None] + words.sum(axis=1) - shared
    assert np.array_equal(similar.toarray() > 0, shared / union >= similarity - 1e-9)
    assert similar.nnz > len(texts)
