"""A DistilBERT of full size with random weights, and the bundle it is exported to.

Speed does not depend on the weights, so this needs no hub.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from inference.model.bundle import MANIFEST, TOKENIZER, Manifest
from training import tasks
from training.data.read import read
from training.export import bundle as export
from training.export import graph
from training.fit import distilbert

ROOT = Path(__file__).parents[1]
HEADLINES = ROOT / "data" / "headlines.csv"
SAMPLE_MODEL = ROOT / "data" / "sample-model"
CALIBRATION_ROWS = 32


def build(config: DistilBertConfig, folder: Path) -> Path:
    """Make a model in a folder and, in ``bundle``, what it is exported to; the bundle."""
    torch.manual_seed(0)
    tokenizer = padded_tokenizer(config.vocab_size)
    config.id2label = dict(enumerate(tasks.NEWS.labels))
    distilbert.save(DistilBertForSequenceClassification(config), tokenizer, folder)
    bundle = folder / "bundle"
    bundle.mkdir()
    max_length = export.write_tokenizer(folder, bundle)
    texts = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples]
    calibration = distilbert.encode(tokenizer, texts[:CALIBRATION_ROWS])
    graph.write_graph(folder, bundle, max_length, calibration)
    manifest = Manifest(
        task=tasks.NEWS.name,
        labels=tasks.NEWS.labels,
        max_length=max_length,
        temperature=1,
        files=export.entries_of(bundle),
        training={},
        metrics={},
        quantization={},
        reference={},
    )
    (bundle / MANIFEST).write_bytes(manifest.to_bytes())
    return bundle


def padded_tokenizer(size: int) -> Tokenizer:
    """The shipped model's tokenizer with as many words as asked for, the last ones made up."""
    spec = json.loads((SAMPLE_MODEL / TOKENIZER).read_text())
    vocabulary = spec["model"]["vocab"]
    for index in range(len(vocabulary), size):
        vocabulary[f"filler{index}"] = index
    return Tokenizer.from_str(json.dumps(spec))
