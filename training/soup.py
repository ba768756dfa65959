"""Average trained models, and the base model they started from, into one.

    python -m training.soup build/one build/two --output build/news --base-share 0.2

Models that were fine-tuned from the same weights lie in one valley, so the mean of their weights
is a model too, about as good on texts like the training rows as their vote would be (model soups,
Wortsman et al. 2022, https://arxiv.org/abs/2203.05482). A share of the base model's own weights
brings back some of what fine-tuning has unlearnt, which shows on texts of other years and sources
(WiSE-FT, Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DistilBertForSequenceClassification

from training import data, distilbert
from training.atomic import write_text
from training.evaluate import StaleError, open_run
from training.provenance import public_settings, require_same_rows, source_commit
from training.settings import Settings
from training.train import initialise

ENCODER = "distilbert."  # the weights that the base model has too


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder of the mean; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.soup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", type=Path, nargs="+", help="what training.train wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder for the mean")
    parser.add_argument("--base-share", type=float, default=0.0, help="of the base model, 0 to 1")
    parser.add_argument("--vocabulary", type=int, default=0, help="wordpieces to keep; 0 for all")
    options = parser.parse_args(arguments)
    try:
        soup(options.models, options.output, options.base_share, options.vocabulary)
    except (data.DataError, distilbert.ModelError, StaleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"mean of {len(options.models)} models in {options.output}; now training.evaluate it")
    return 0


def soup(models: Sequence[Path], output: Path, base_share: float, vocabulary: int) -> None:
    """Write the mean of models of equal shape, as ``training.train`` writes a model.

    Raises:
        DataError: they did not hold out the same rows, or their data cannot be read.
        ModelError: their shapes differ, or the share is none.
        StaleError: a folder holds no finished model.
    """
    if not 0 <= base_share < 1:
        raise distilbert.ModelError(f"the base model's share is {base_share}: give 0 to below 1")
    runs = [open_run(folder) for folder in models]
    first = runs[0]
    for run in runs[1:]:
        require_same_rows(first.record, run.record)
    model, tokenizer = distilbert.load(first.folder)
    base, _ = initialise(Settings(**first.record["settings"]), first.dataset, first.rows.train)
    weights = [distilbert.load(run.folder)[0].state_dict() for run in runs]
    model.load_state_dict(mean(weights, base, base_share))
    if vocabulary:
        texts = [row.text for row in first.rows.train]
        tokenizer = distilbert.prune_vocabulary(model, tokenizer, texts, vocabulary)
    output.mkdir(parents=True, exist_ok=True)
    distilbert.save(model, tokenizer, output)
    known = {
        **first.record,
        "settings": {**first.record["settings"], "output": str(output)},
        "soup": {
            "of": [public_settings(run.record["settings"]) for run in runs],
            "base_share": base_share,
            "vocabulary": vocabulary,
        },
        "commit": source_commit(),
    }
    write_text(output / "training.json", json.dumps(known, indent=2) + "\n")


def mean(
    models: Sequence[dict[str, Tensor]],
    base: DistilBertForSequenceClassification,
    base_share: float,
) -> dict[str, Tensor]:
    """The mean of models' weights; of the encoder, the base model's have a share of it.

    Raises:
        ModelError: the shapes differ.
    """
    start: dict[str, Any] = base.state_dict()
    result = {}
    for name, kept in start.items():
        tensors = [weights[name] for weights in models]
        if any(tensor.shape != tensors[0].shape for tensor in tensors):
            raise distilbert.ModelError(f"the models' {name} differ in shape: no mean of them")
        result[name] = torch.stack(tensors).mean(dim=0)
        if name.startswith(ENCODER):
            if kept.shape != result[name].shape:
                raise distilbert.ModelError(f"{name} has another shape in the base model")
            result[name] = torch.lerp(result[name], kept, base_share)
    return result


if __name__ == "__main__":
    sys.exit(main())
