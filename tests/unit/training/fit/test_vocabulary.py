from pathlib import Path

import pytest
import torch

from tests.conftest import HEADLINES
from training import tasks
from training.data.read import read
from training.fit import distilbert
from training.fit.base_model import load_pretrained
from training.fit.distilbert import ModelError
from training.fit.vocabulary import prune_vocabulary, read_as_space


def test_pruning_changes_no_prediction_for_words_that_stay(tiny_base: Path) -> None:
    # GIVEN a model, and the words of some headlines
    texts = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples][:100]
    model, tokenizer = distilbert.load(tiny_base)
    device = torch.device("cpu")
    before = distilbert.compute_logits(model, distilbert.encode(tokenizer, texts), device)
    size = tokenizer.get_vocab_size()
    # WHEN the vocabulary is pruned to those words
    used = len({token for ids in distilbert.encode(tokenizer, texts) for token in ids})
    smaller = prune_vocabulary(model, tokenizer, texts, used + 100)
    after = distilbert.compute_logits(model, distilbert.encode(smaller, texts), device)
    # THEN nothing has changed but the size
    assert smaller.get_vocab_size() < size
    assert model.config.vocab_size == smaller.get_vocab_size()
    assert abs(before - after).max() < 1e-5


def test_a_model_of_the_mean_is_pruned_too(tiny_base: Path) -> None:
    # GIVEN a model with a linear head
    model, tokenizer = load_pretrained(str(tiny_base), tasks.NEWS.labels, pooling="mean")
    device = torch.device("cpu")
    before = distilbert.compute_logits(model, distilbert.encode(tokenizer, ["new phone"]), device)
    # WHEN its vocabulary is pruned THEN words that stay are read as before
    smaller = prune_vocabulary(model, tokenizer, ["new phone"], 150)
    after = distilbert.compute_logits(model, distilbert.encode(smaller, ["new phone"]), device)
    assert model.config.vocab_size == smaller.get_vocab_size() == 150
    assert abs(before - after).max() < 1e-6


def test_only_the_vocabulary_of_a_bert_is_pruned(roberta: Path) -> None:
    model, tokenizer = load_pretrained(str(roberta), tasks.NEWS.labels)
    with pytest.raises(ModelError, match="only of BERT's WordPiece"):
        prune_vocabulary(model, tokenizer, ["a"], size=300)


def test_every_word_can_still_be_spelt(tiny_base: Path) -> None:
    # GIVEN a vocabulary that is pruned to almost nothing
    model, tokenizer = distilbert.load(tiny_base)
    smaller = prune_vocabulary(model, tokenizer, ["a"], size=150)
    # WHEN a word that was dropped is read THEN it is spelt, not unknown
    assert "[UNK]" not in smaller.encode("inflation").tokens


def test_a_vocabulary_without_room_for_the_letters_is_an_error(tiny_base: Path) -> None:
    model, tokenizer = distilbert.load(tiny_base)
    with pytest.raises(ModelError, match="50 is too small, it needs 101 wordpieces"):
        prune_vocabulary(model, tokenizer, ["a"], size=50)


def test_markup_is_read_as_a_space(tiny_base: Path) -> None:
    _, tokenizer = distilbert.load(tiny_base)
    read_as_space(tokenizer, r"<br\s*/?>")
    assert tokenizer.encode("new<br />phone").ids == tokenizer.encode("new phone").ids
