import json
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, DistilBertForSequenceClassification

from training.fit import text_model
from training.fit.base_model import load_pretrained
from training.fit.encoder import EncoderClassifier
from training.fit.text_model import ModelError
from training.tasks import NEWS

TEXTS = ["Fed holds rates as inflation cools", "x", "Apple unveils new phone"]


def test_logits_are_in_the_order_of_the_texts(tiny_base: Path) -> None:
    # GIVEN texts of different lengths, which are batched by length
    model, tokenizer = text_model.load(tiny_base)
    ids = text_model.encode(tokenizer, TEXTS)
    # WHEN they are predicted together
    logits = text_model.compute_logits(model, ids, torch.device("cpu"), batch_size=2)
    # THEN each has the logits that it has alone
    alone = [text_model.compute_logits(model, [one], torch.device("cpu"))[0] for one in ids]
    np.testing.assert_allclose(logits, alone, atol=1e-5)


def test_what_is_saved_can_be_loaded_again(tiny_base: Path, tmp_path: Path) -> None:
    # GIVEN a saved model
    model, tokenizer = text_model.load(tiny_base)
    text_model.save(model, tokenizer, tmp_path)
    # WHEN it is loaded THEN weights and token ids are the same
    again, its_tokenizer = text_model.load(tmp_path)
    assert text_model.encode(tokenizer, TEXTS) == text_model.encode(its_tokenizer, TEXTS)
    for name, weights in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weights), name


@pytest.mark.parametrize(
    ("kind", "special"),
    [
        ("tiny_base", ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]")),
        ("mpnet", ("<s>", "</s>", "<pad>", "<mask>", "[UNK]")),
        ("roberta", ("<s>", "</s>", "<pad>", "<mask>", None)),
    ],
)
def test_a_saved_tokenizer_has_its_own_special_tokens(
    kind: str, special: tuple[str | None, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    # GIVEN an encoder of some kind
    model, tokenizer = load_pretrained(str(request.getfixturevalue(kind)), NEWS.labels)
    tokenizer.enable_truncation(64)
    # WHEN it is saved, and `transformers` loads its tokenizer
    text_model.save(model, tokenizer, tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    # THEN it names the special tokens as the encoder does, and reads texts as before
    names = ("cls_token", "sep_token", "pad_token", "mask_token", "unk_token")
    assert tuple(getattr(loaded, name) for name in names) == special
    assert loaded(TEXTS)["input_ids"] == text_model.encode(tokenizer, TEXTS)


@pytest.mark.parametrize(("kind", "pooling"), [("tiny_base", "mean"), ("roberta", "first")])
def test_a_model_with_a_linear_head_is_loaded_as_it_was_saved(
    kind: str,
    pooling: Literal["first", "mean"],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    # GIVEN a saved model with a linear head
    folder = str(request.getfixturevalue(kind))
    model, tokenizer = load_pretrained(folder, NEWS.labels, pooling=pooling)
    tokenizer.enable_truncation(64)
    text_model.save(model, tokenizer, tmp_path)
    # WHEN it is loaded THEN it gives the same answers
    again, its_tokenizer = text_model.load(tmp_path)
    before, after = (
        text_model.compute_logits(m, text_model.encode(t, TEXTS), torch.device("cpu"))
        for m, t in ((model, tokenizer), (again, its_tokenizer))
    )
    np.testing.assert_array_equal(before, after)


def test_pickled_weights_are_not_loaded(mpnet: Path, tmp_path: Path) -> None:
    # GIVEN a folder whose weights are pickled
    model, tokenizer = load_pretrained(str(mpnet), NEWS.labels)
    tokenizer.enable_truncation(64)
    text_model.save(model, tokenizer, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    # WHEN it is loaded THEN it is refused
    with pytest.raises(ModelError, match=r"cannot load the model in .* model\.safetensors"):
        text_model.load(tmp_path)


def test_features_and_logits_of_no_texts_are_empty(mpnet: Path) -> None:
    model, _ = load_pretrained(str(mpnet), NEWS.labels)
    assert isinstance(model, EncoderClassifier)
    assert text_model.compute_logits(model, [], torch.device("cpu")).shape == (0, 4)
    assert text_model.compute_features(model, [], torch.device("cpu")).shape == (0, 32)


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load the model in"):
        text_model.load(tmp_path)


def test_a_model_with_several_outputs_per_label_is_an_error(
    tiny_base: Path, tmp_path: Path
) -> None:
    # GIVEN a model with an output per story, each named by its label, as older versions wrote
    shutil.copytree(tiny_base, tmp_path / "old")
    config = json.loads((tiny_base / "config.json").read_text())
    config["id2label"] = {"0": "Health", "1": "Health", "2": "Science"}
    config["label2id"] = {"Health": 1, "Science": 2}
    (tmp_path / "old" / "config.json").write_text(json.dumps(config))
    model = DistilBertForSequenceClassification(
        DistilBertForSequenceClassification.config_class.from_pretrained(tmp_path / "old")
    )
    model.save_pretrained(tmp_path / "old")
    # WHEN it is loaded THEN it is refused
    with pytest.raises(ModelError, match="an output per story"):
        text_model.load(tmp_path / "old")
