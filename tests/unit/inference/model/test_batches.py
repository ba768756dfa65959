"""Batches hold texts of one length, and so many that the model is at its fastest."""

from inference.model.batches import group_by_length


def test_a_batch_has_texts_of_one_length_and_few_enough_tokens() -> None:
    # GIVEN texts of three lengths WHEN they are grouped, at most 10 tokens in a batch
    batches = list(group_by_length([5, 3, 5, 20, 3, 5, 3, 3], most_tokens=10))
    # THEN the shortest come first, a batch is no larger than that, and each text is in one of them
    assert batches == [[1, 4, 6], [7], [0, 2], [5], [3]]
    # AND a text that is longer than a batch has one to itself
    assert batches[-1] == [3]


def test_no_texts_make_no_batch() -> None:
    assert list(group_by_length([])) == []
