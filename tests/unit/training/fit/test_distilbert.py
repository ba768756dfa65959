import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import DistilBertForSequenceClassification

from training.fit import distilbert
from training.fit.distilbert import ModelError

TEXTS = ["Fed holds rates as inflation cools", "x", "Apple unveils new phone"]


def test_logits_are_in_the_order_of_the_texts(tiny_base: Path) -> None:
    # GIVEN texts of different lengths, which are batched by length
    model, tokenizer = distilbert.load(tiny_base)
    ids = distilbert.encode(tokenizer, TEXTS)
    # WHEN they are predicted together
    logits = distilbert.compute_logits(model, ids, torch.device("cpu"), batch_size=2)
    # THEN each has the logits that it has alone
    alone = [distilbert.compute_logits(model, [one], torch.device("cpu"))[0] for one in ids]
    np.testing.assert_allclose(logits, alone, atol=1e-5)


def test_what_is_saved_can_be_loaded_again(tiny_base: Path, tmp_path: Path) -> None:
    # GIVEN a saved model
    model, tokenizer = distilbert.load(tiny_base)
    distilbert.save(model, tokenizer, tmp_path)
    # WHEN it is loaded THEN weights and token ids are the same
    again, its_tokenizer = distilbert.load(tmp_path)
    assert distilbert.encode(tokenizer, TEXTS) == distilbert.encode(its_tokenizer, TEXTS)
    for name, weights in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weights), name


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load the model in"):
        distilbert.load(tmp_path)


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
        distilbert.load(tmp_path / "old")
