"""A tiny model that may give a text several labels, made by the project's own commands."""

import csv
from pathlib import Path

from tests.conftest import MESSAGES
from tests.tiny_model import write_base_model
from textclf.app import main

LABELS = ("Account", "Billing", "Defect", "Delivery", "Return")
COLUMNS = ["--task", "messages", "--text-column", "text", "--label-column", "topics"]
SEVERAL = [*COLUMNS, "--label-separator", ";"]
# The mean of its tokens is nearly a bag of words, which so few texts are enough for.
TRAINING = ["--epochs", "40", "--learning-rate", "3e-3", "--batch-size", "16", "--averaging", "0.9"]
TRAINING += ["--precision", "fp32", "--evaluations", "1", "--patience", "60", "--max-length", "64"]
TRAINING += ["--pooling", "mean"]


def write_base(folder: Path) -> Path:
    """Write a base model that knows the words of the sample messages."""
    with MESSAGES.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    base = folder / "base"
    base.mkdir()
    write_base_model(base, texts)
    return base


def train_and_export(folder: Path) -> None:
    """Train on the sample messages, evaluate, and export to ``folder/model/bundle``."""
    base, model = write_base(folder), str(folder / "model")
    data = ["--data", str(MESSAGES), "--base-model", str(base), "--output", model]
    assert main(["train", *data, *SEVERAL, *TRAINING]) == 0
    assert main(["evaluate", model]) == 0
    assert main(["export", model]) == 0
