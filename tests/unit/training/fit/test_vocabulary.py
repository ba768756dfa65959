from pathlib import Path

import pytest
import torch

from tests.conftest import HEADLINES
from training import tasks
from training.data.read import read
from training.fit import text_model
from training.fit.base_model import load_pretrained
from training.fit.text_model import ModelError
from training.fit.vocabulary import match_vocabulary, prune_vocabulary, read_as_space


def test_pruning_changes_no_prediction_for_words_that_stay(tiny_base: Path) -> None:
    # GIVEN a model, and the words of some headlines
    texts = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples][:100]
    model, tokenizer = text_model.load(tiny_base)
    device = torch.device("cpu")
    before = text_model.compute_logits(model, text_model.encode(tokenizer, texts), device)
    size = tokenizer.get_vocab_size()
    # WHEN the vocabulary is pruned to those words
    used = len({token for ids in text_model.encode(tokenizer, texts) for token in ids})
    smaller = prune_vocabulary(model, tokenizer, texts, used + 100)
    after = text_model.compute_logits(model, text_model.encode(smaller, texts), device)
    # THEN nothing has changed but the size
    assert smaller.get_vocab_size() < size
    assert model.config.vocab_size == smaller.get_vocab_size()
    assert abs(before - after).max() < 1e-5


def test_a_model_is_given_the_vocabulary_that_was_pruned_for_another(tiny_base: Path) -> None:
    # GIVEN two copies of a model, one of them pruned
    (one, tokenizer), (other, _) = (text_model.load(tiny_base) for _ in range(2))
    pruned = prune_vocabulary(one, tokenizer, ["new phone"], 150)
    # WHEN the other is given the same wordpieces
    match_vocabulary(other, tokenizer, pruned)
    # THEN both have the same embeddings
    ours, theirs = (model.base_model.get_input_embeddings().weight for model in (one, other))
    assert torch.equal(ours, theirs)
    assert other.config.to_dict() == one.config.to_dict()


def test_a_model_of_the_mean_is_pruned_too(tiny_base: Path) -> None:
    # GIVEN a model with a linear head
    model, tokenizer = load_pretrained(str(tiny_base), tasks.NEWS.labels, pooling="mean")
    device = torch.device("cpu")
    before = text_model.compute_logits(model, text_model.encode(tokenizer, ["new phone"]), device)
    # WHEN its vocabulary is pruned THEN words that stay are read as before
    smaller = prune_vocabulary(model, tokenizer, ["new phone"], 150)
    after = text_model.compute_logits(model, text_model.encode(smaller, ["new phone"]), device)
    assert model.config.vocab_size == smaller.get_vocab_size() == 150
    assert abs(before - after).max() < 1e-6


def test_only_the_vocabulary_of_a_bert_is_pruned(roberta: Path) -> None:
    model, tokenizer = load_pretrained(str(roberta), tasks.NEWS.labels)
    with pytest.raises(ModelError, match=r"only the vocabulary of a BERT .* is a BPE"):
        prune_vocabulary(model, tokenizer, ["a"], size=300)


def test_every_word_can_still_be_spelt(tiny_base: Path) -> None:
    # GIVEN a vocabulary that is pruned to almost nothing
    model, tokenizer = text_model.load(tiny_base)
    smaller = prune_vocabulary(model, tokenizer, ["a"], size=150)
    # WHEN a word that was dropped is read THEN it is spelt, not unknown
    assert "[UNK]" not in smaller.encode("inflation").tokens


def test_a_vocabulary_without_room_for_the_letters_is_an_error(tiny_base: Path) -> None:
    model, tokenizer = text_model.load(tiny_base)
    with pytest.raises(ModelError, match="50 is too small, it needs 101 wordpieces"):
        prune_vocabulary(model, tokenizer, ["a"], size=50)


def test_markup_is_read_as_a_space(tiny_base: Path) -> None:
    _, tokenizer = text_model.load(tiny_base)
    read_as_space(tokenizer, r"<br\s*/?>")
    assert tokenizer.encode("new<br />phone").ids == tokenizer.encode("new phone").ids
