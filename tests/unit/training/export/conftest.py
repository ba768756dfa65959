"""A model of three layers, and the graph that is made of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
)

from training.export.graph import write_graph
from training.fit import text_model
from training.fit.encoder import EncoderClassifier
from training.fit.text_model import TextModel


@dataclass(frozen=True)
class Exported:
    """A model, its folder, its graph, and token ids that both can read."""

    model: TextModel
    folder: Path
    graph: Path
    token_ids: NDArray[np.int64]


@pytest.fixture(scope="session")
def exported(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A model of three layers, random in every weight and bias, and its graph."""
    torch.manual_seed(0)
    model = DistilBertForSequenceClassification(_configure(tiny_base))
    return _export(model, tiny_base, tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="session")
def exported_mean(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The same for a model that classifies the mean of its tokens."""
    torch.manual_seed(0)
    model = EncoderClassifier(DistilBertModel(_configure(tiny_base)), ["a", "b", "c"], "mean")
    torch.nn.init.normal_(model.classifier.weight)
    return _export(model, tiny_base, tmp_path_factory.mktemp("mean"))


def _configure(tiny_base: Path) -> DistilBertConfig:
    config = DistilBertConfig.from_pretrained(tiny_base)
    config.n_layers, config.initializer_range = 3, 0.1
    return config


def _export(model: TextModel, tiny_base: Path, folder: Path) -> Exported:
    for name, parameter in model.eval().named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.5)
    tokenizer = Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    text_model.save(model, tokenizer, folder)
    token_ids = np.random.default_rng(0).integers(5, tokenizer.get_vocab_size(), (64, 12))
    write_graph(folder, folder, 64, token_ids.tolist())
    return Exported(model, folder, folder / "model.onnx", token_ids)
