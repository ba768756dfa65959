"""Make a full-size DistilBERT with random weights, and the bundle it is exported to.

Speed does not depend on the weights, so nothing needs to be downloaded.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from inference.local.checkout import ROOT, SAMPLE_MODEL
from inference.model.bundle import MANIFEST, TOKENIZER, Manifest
from training import tasks
from training.data.read import read
from training.export import bundle as export
from training.export import graph
from training.fit import text_model

HEADLINES = ROOT / "data" / "headlines.csv"
CALIBRATION_ROWS = 32


def build(config: DistilBertConfig, folder: Path) -> Path:
    """Write a model into a folder, and its bundle into the folder ``bundle`` there.

    Returns:
        The folder of the bundle.
    """
    tokenizer = save_model(config, folder)
    bundle = folder / "bundle"
    bundle.mkdir()
    max_length = export.write_tokenizer(folder, bundle)
    calibration = text_model.encode(tokenizer, read_headlines()[:CALIBRATION_ROWS])
    graph.write_graph(folder, bundle, max_length, calibration)
    manifest = Manifest(
        task=tasks.NEWS.name,
        labels=tasks.NEWS.labels,
        max_length=max_length,
        temperature=1,
        files=export.describe_files(bundle),
        training={},
        metrics={},
        quantization={},
        reference={},
    )
    (bundle / MANIFEST).write_bytes(manifest.to_bytes())
    return bundle


def save_model(config: DistilBertConfig, folder: Path) -> Tokenizer:
    """Write a model into a folder, and return its tokenizer."""
    torch.manual_seed(0)
    tokenizer = pad_tokenizer(config.vocab_size)
    config.id2label = dict(enumerate(tasks.NEWS.labels))
    text_model.save(DistilBertForSequenceClassification(config), tokenizer, folder)
    return tokenizer


def read_headlines(location: str = str(HEADLINES)) -> list[str]:
    """Read the texts of a news file, by default the sample headlines."""
    return [row.text for row in read(location, tasks.NEWS).examples]


def pad_tokenizer(size: int) -> Tokenizer:
    """Fill the shipped model's vocabulary up to a size with invented words."""
    spec = json.loads((SAMPLE_MODEL / TOKENIZER).read_text())
    vocabulary = spec["model"]["vocab"]
    for index in range(len(vocabulary), size):
        vocabulary[f"filler{index}"] = index
    return Tokenizer.from_str(json.dumps(spec))
