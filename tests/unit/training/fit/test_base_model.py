import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModel,
    BartConfig,
    BertConfig,
    BertModel,
    GPT2Config,
    PretrainedConfig,
)

from training import tasks
from training.fit import text_model
from training.fit.base_model import load_pretrained
from training.fit.encoder import EncoderClassifier
from training.fit.text_model import ModelError

LABELS = tasks.NEWS.labels


@pytest.fixture(scope="module")
def bert(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of random weights, token types and all."""
    folder = tmp_path_factory.mktemp("bert")
    _, tokenizer = text_model.load(tiny_base)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
    )
    text_model.save(BertModel(config), tokenizer, folder)
    return folder


def test_a_distilbert_from_a_bert_gives_the_same_hidden_states(bert: Path) -> None:
    # GIVEN a BERT
    original = BertModel.from_pretrained(bert).eval()
    # WHEN a DistilBERT is made of it
    model, tokenizer = load_pretrained(str(bert), LABELS)
    ids = torch.tensor([tokenizer.encode("Fed holds rates as inflation cools").ids])
    # THEN both see a text alike
    with torch.no_grad():
        ours = model.base_model.eval()(ids).last_hidden_state
        theirs = original(ids).last_hidden_state
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_layers_can_be_left_out(bert: Path) -> None:
    # GIVEN a BERT of three layers
    # WHEN the first and the last are kept
    model, _ = load_pretrained(str(bert), LABELS, layers=[0, 2])
    whole, _ = load_pretrained(str(bert), LABELS)
    # THEN they are those two
    kept = model.base_model.transformer.layer
    assert len(kept) == model.config.n_layers == 2
    last = whole.base_model.transformer.layer[2]
    assert torch.equal(kept[1].ffn.lin1.weight, last.ffn.lin1.weight)


def test_a_layer_that_is_not_there_is_an_error(bert: Path) -> None:
    with pytest.raises(ModelError, match="has layers 0 to 2"):
        load_pretrained(str(bert), LABELS, layers=[3])


def test_a_model_of_the_same_labels_goes_on_from_its_own_head(bert: Path, tmp_path: Path) -> None:
    # GIVEN a trained classifier
    trained, tokenizer = load_pretrained(str(bert), LABELS)
    text_model.save(trained, tokenizer, tmp_path)
    # WHEN it is the base of another training, for its own labels or for others
    again, _ = load_pretrained(str(tmp_path), LABELS)
    other, _ = load_pretrained(str(tmp_path), LABELS[::-1])
    # THEN its head is kept where the outputs mean the same
    for name, weights in trained.state_dict().items():
        assert torch.equal(again.state_dict()[name], weights), name
    assert not torch.equal(other.classifier.weight, trained.classifier.weight)


@pytest.mark.parametrize("kind", ["mpnet", "roberta"])
def test_another_encoder_keeps_its_weights_and_gets_a_linear_head(
    kind: str, request: pytest.FixtureRequest
) -> None:
    # GIVEN an encoder that is no BERT
    folder = request.getfixturevalue(kind)
    # WHEN a classifier is made of it
    model, tokenizer = load_pretrained(str(folder), LABELS)
    # THEN it has the encoder's weights, one output per label, and the encoder's own padding
    assert isinstance(model, EncoderClassifier)
    original = AutoModel.from_pretrained(folder).state_dict()
    for name, weights in model.base_model.state_dict().items():
        assert torch.equal(original[name], weights), name
    assert model.classifier.out_features == model.config.num_labels == len(LABELS)
    assert tokenizer.id_to_token(model.config.pad_token_id) == "<pad>"


def test_a_bert_of_mean_pooling_is_a_distilbert(bert: Path) -> None:
    # GIVEN a BERT WHEN a classifier of the mean is made of it
    model, _ = load_pretrained(str(bert), LABELS, pooling="mean")
    # THEN its encoder is a DistilBERT, which can be exported
    assert isinstance(model, EncoderClassifier)
    assert model.config.model_type == "distilbert"


@pytest.mark.parametrize("kind", ["bert", "mpnet"])
def test_pooling_and_head_of_a_trained_model_are_kept_unless_another_is_chosen(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    # GIVEN a model that was trained on the mean
    folder = str(request.getfixturevalue(kind))
    trained, tokenizer = load_pretrained(folder, LABELS, pooling="mean")
    tokenizer.enable_truncation(16)
    text_model.save(trained, tokenizer, tmp_path)
    # WHEN training continues from it THEN all its weights are there
    again, _ = load_pretrained(str(tmp_path), LABELS)
    assert isinstance(again, EncoderClassifier)
    assert again.pooling == "mean"
    for name, weights in trained.state_dict().items():
        assert torch.equal(again.state_dict()[name], weights), name
    # AND for other labels, or another pooling, the encoder alone
    others, _ = load_pretrained(str(tmp_path), LABELS[::-1])
    first, _ = load_pretrained(str(tmp_path), LABELS, pooling="first")
    for model in (others, first):
        assert not torch.equal(model.classifier.weight, trained.classifier.weight)
        for name, weights in trained.base_model.state_dict().items():
            assert torch.equal(model.base_model.state_dict()[name], weights), name
    assert getattr(first, "pooling", None) == (None if kind == "bert" else "first")


def test_only_a_distilbert_can_leave_out_layers(mpnet: Path) -> None:
    with pytest.raises(ModelError, match=r"--layers: .* is no DistilBERT or BERT"):
        load_pretrained(str(mpnet), LABELS, layers=[0])


@pytest.mark.parametrize(
    ("config", "kind"),
    [(GPT2Config(), "gpt2"), (BartConfig(), "bart"), (BertConfig(is_decoder=True), "bert")],
    ids=["reads from left to right", "writes texts", "a BERT that reads from left to right"],
)
def test_a_model_that_is_no_encoder_is_an_error(
    config: PretrainedConfig, kind: str, tmp_path: Path
) -> None:
    config.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=f"is a {kind}: give an encoder, such as a DistilBERT"):
        load_pretrained(str(tmp_path), LABELS)


def test_code_that_comes_with_a_base_model_is_not_run(mpnet: Path, tmp_path: Path) -> None:
    # GIVEN a model that brings its own code, which leaves a file
    folder = tmp_path / "base"
    shutil.copytree(mpnet, folder)
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = json.loads((folder / "config.json").read_text())
    code = {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "x", "auto_map": code}))
    # WHEN it is loaded THEN it is refused, and the code has not run
    with pytest.raises(ModelError, match="cannot load"):
        load_pretrained(str(folder), LABELS)
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_that_marks_no_beginning_and_end_is_an_error(
    mpnet: Path, tmp_path: Path
) -> None:
    # GIVEN an encoder whose tokenizer adds no special tokens
    shutil.copytree(mpnet, tmp_path, dirs_exist_ok=True)
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}))
    # WHEN it is loaded THEN it is refused
    with pytest.raises(ModelError, match="does not mark where a text begins and ends"):
        load_pretrained(str(tmp_path), LABELS)


def test_a_model_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load"):
        load_pretrained(str(tmp_path), LABELS)


@pytest.mark.parametrize("load", [lambda it: load_pretrained(str(it), LABELS), text_model.load])
def test_a_folder_that_does_not_say_what_model_it_holds_is_an_error_of_one_line(
    load: Callable[[Path], object], tmp_path: Path
) -> None:
    # GIVEN a folder whose config.json names no kind of model
    (tmp_path / "config.json").write_text("{}")
    # WHEN it is loaded THEN the error says so, and does not list all kinds that there are
    with pytest.raises(ModelError, match=r"key in its config\.json$"):
        load(tmp_path)
