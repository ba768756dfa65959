from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

from training import tasks
from training.fit import distilbert
from training.fit.base_model import load_pretrained
from training.fit.distilbert import ModelError

LABELS = tasks.NEWS.labels


@pytest.fixture(scope="module")
def bert(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of random weights, token types and all."""
    folder = tmp_path_factory.mktemp("bert")
    _, tokenizer = distilbert.load(tiny_base)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
    )
    distilbert.save(BertModel(config), tokenizer, folder)
    return folder


def test_a_distilbert_from_a_bert_gives_the_same_hidden_states(bert: Path) -> None:
    # GIVEN a BERT
    original = BertModel.from_pretrained(bert).eval()
    # WHEN a DistilBERT is made of it
    model, tokenizer = load_pretrained(str(bert), LABELS)
    ids = torch.tensor([tokenizer.encode("Fed holds rates as inflation cools").ids])
    # THEN both see a text alike
    with torch.no_grad():
        ours = model.distilbert.eval()(ids).last_hidden_state
        theirs = original(ids).last_hidden_state
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_layers_can_be_left_out(bert: Path) -> None:
    # GIVEN a BERT of three layers
    # WHEN the first and the last are kept
    model, _ = load_pretrained(str(bert), LABELS, layers=[0, 2])
    whole, _ = load_pretrained(str(bert), LABELS)
    # THEN they are those two
    kept = model.distilbert.transformer.layer
    assert len(kept) == model.config.n_layers == 2
    last = whole.distilbert.transformer.layer[2]
    assert torch.equal(kept[1].ffn.lin1.weight, last.ffn.lin1.weight)


def test_a_layer_that_is_not_there_is_an_error(bert: Path) -> None:
    with pytest.raises(ModelError, match="has layers 0 to 2"):
        load_pretrained(str(bert), LABELS, layers=[3])


def test_a_model_of_the_same_labels_goes_on_from_its_own_head(bert: Path, tmp_path: Path) -> None:
    # GIVEN a trained classifier
    trained, tokenizer = load_pretrained(str(bert), LABELS)
    distilbert.save(trained, tokenizer, tmp_path)
    # WHEN it is the base of another training, for its own labels or for others
    again, _ = load_pretrained(str(tmp_path), LABELS)
    other, _ = load_pretrained(str(tmp_path), LABELS[::-1])
    # THEN its head is kept where the outputs mean the same
    for name, weights in trained.state_dict().items():
        assert torch.equal(again.state_dict()[name], weights), name
    assert not torch.equal(other.classifier.weight, trained.classifier.weight)


def test_another_architecture_is_an_error(tmp_path: Path) -> None:
    GPT2Model(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=10)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is a gpt2"):
        load_pretrained(str(tmp_path), LABELS)


def test_a_model_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load"):
        load_pretrained(str(tmp_path), LABELS)
