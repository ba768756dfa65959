import numpy as np
import torch

from training.fit.batches import mask_words, pad, shuffle

LENGTHS = np.random.default_rng(0).integers(4, 40, 5000).tolist()


def test_an_epoch_has_every_row_once() -> None:
    rows = np.concatenate(shuffle(LENGTHS, 16, seed=1, epoch=0))
    assert sorted(rows) == list(range(len(LENGTHS)))


def test_the_order_depends_only_on_seed_and_epoch() -> None:
    first, again = (np.concatenate(shuffle(LENGTHS, 16, 1, 0)) for _ in range(2))
    assert (first == again).all()
    assert (first != np.concatenate(shuffle(LENGTHS, 16, 1, 1))).any()
    assert (first != np.concatenate(shuffle(LENGTHS, 16, 2, 0))).any()


def test_texts_in_a_batch_have_similar_lengths() -> None:
    # GIVEN random lengths, with which a third of a random batch of 16 would be padding
    # WHEN they are batched
    batches = [np.array(LENGTHS)[rows] for rows in shuffle(LENGTHS, 16, 1, 0)]
    # THEN less than 3 % of what the model reads is padding
    tokens = sum(batch.max() * len(batch) for batch in batches)
    assert sum(LENGTHS) / tokens > 0.97


def test_padding_is_masked() -> None:
    inputs, mask = pad([[5, 6, 7], [8]], pad_id=9)
    assert inputs.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_masking_replaces_the_given_share_of_words_and_no_other_token() -> None:
    # GIVEN texts of 40 and of 20 tokens, including [CLS] and [SEP] (1 and 2)
    texts = [[1, *[5] * 38, 2], [1, *[5] * 18, 2]] * 200
    inputs, mask = pad(texts, pad_id=0)
    # WHEN a quarter of the words is masked
    masked = mask_words(inputs, mask, mask_id=9, share=0.25)
    # THEN a quarter of the words, and nothing else, is replaced
    assert set(inputs[masked == 9].tolist()) == {5}
    assert torch.equal(masked[masked != 9], inputs[masked != 9])
    assert 0.23 < (masked == 9).sum() / (inputs == 5).sum() < 0.27
