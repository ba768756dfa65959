import numpy as np

from training.batches import padded, shuffled

LENGTHS = np.random.default_rng(0).integers(4, 40, 5000).tolist()


def test_an_epoch_has_every_row_once() -> None:
    rows = np.concatenate(shuffled(LENGTHS, 16, seed=1, epoch=0))
    assert sorted(rows) == list(range(len(LENGTHS)))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first, again = (np.concatenate(shuffled(LENGTHS, 16, 1, 0)) for _ in range(2))
    assert (first == again).all()
    assert (first != np.concatenate(shuffled(LENGTHS, 16, 1, 1))).any()
    assert (first != np.concatenate(shuffled(LENGTHS, 16, 2, 0))).any()


def test_texts_of_one_batch_have_like_lengths() -> None:
    # GIVEN random lengths, of which a random batch of 16 would be a third padding
    # WHEN they are batched
    batches = [np.array(LENGTHS)[rows] for rows in shuffled(LENGTHS, 16, 1, 0)]
    # THEN less than 3 % of what the model reads is padding
    tokens = sum(batch.max() * len(batch) for batch in batches)
    assert sum(LENGTHS) / tokens > 0.97


def test_padding_is_masked() -> None:
    inputs, mask = padded([[5, 6, 7], [8]], pad_id=9)
    assert inputs.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
