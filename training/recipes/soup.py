"""Average trained models, and the base model they started from, into one.

    python -m training.recipes.soup build/one build/two --output build/news --base-share 0.2

A model that is named twice counts twice. The macro-F1 that is printed is of the validation rows:
choose what to mix, and how much of the base model, by it, not by `training.evaluate.evaluation`.

Models that were fine-tuned from the same weights lie in one valley, so the mean of their weights
is a model too, about as good on texts like the training rows as their vote would be (model soups,
Wortsman et al. 2022, https://arxiv.org/abs/2203.05482). A share of the base model's own encoder
brings back some of what fine-tuning has unlearnt, which shows on texts of other years and sources
(WiSE-FT, Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.data.examples import DataError, labels_of
from training.evaluate import metrics
from training.evaluate.evaluation import Run, StaleError, open_run
from training.fit import distilbert
from training.fit.record import (
    public_settings,
    read_record,
    record,
    require_same_rows,
    source_commit,
    weights_sha256,
)
from training.fit.settings import Settings
from training.fit.train import RESULTS, initialise, write_record

ENCODER = "distilbert."  # what every base model has; a head, few do


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder of the mean; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.recipes.soup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", type=Path, nargs="+", help="what training.fit.train wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder for the mean")
    parser.add_argument(
        "--base-share", type=float, default=0.0, help="of the base model's encoder, 0 to 1"
    )
    parser.add_argument("--vocabulary", type=int, default=0, help="wordpieces to keep; 0 for all")
    options = parser.parse_args(arguments)
    try:
        f1 = soup(options.models, options.output, options.base_share, options.vocabulary)
    except (DataError, distilbert.ModelError, StaleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"validation macro-F1 {f1:.4f}; model in {options.output}")
    return 0


def soup(models: Sequence[Path], output: Path, base_share: float, vocabulary: int) -> float:
    """Write the mean of models, as ``training.fit.train`` writes one; its validation macro-F1.

    Raises:
        DataError: they did not hold out the same rows, or those cannot be read.
        ModelError: they are not of one kind, or the share or the output is none.
        StaleError: the data file has changed since the first was trained.
    """
    if not 0 <= base_share < 1:
        raise distilbert.ModelError(f"the base model's share is {base_share}: give 0 to below 1")
    if output.resolve() in {folder.resolve() for folder in models}:
        raise distilbert.ModelError(f"{output} is one of the models: give another folder")
    first = open_run(models[0])
    records = [read_record(folder) for folder in models]
    for folder, other in zip(models, records, strict=True):
        require_same_rows(first.record, other)
        require_same_kind(first, folder, other)
    model, tokenizer = distilbert.load(first.folder)
    result = mean([distilbert.load(folder)[0].state_dict() for folder in models])
    settings = Settings(**first.record["settings"])
    if base_share:
        base, _ = initialise(settings, first.dataset, first.rows.train)
        for name, tensor in base.state_dict().items():
            if name.startswith(ENCODER):
                result[name] = torch.lerp(result[name], tensor, base_share)
    model.load_state_dict(result)
    if vocabulary:
        texts = [row.text for row in first.rows.train]
        tokenizer = distilbert.prune_vocabulary(model, tokenizer, texts, vocabulary)
        settings = replace(settings, vocabulary=vocabulary)
    rows = first.rows.validation
    token_ids = distilbert.encode(tokenizer, [row.text for row in rows])
    scores = distilbert.logits(model, token_ids, torch.device("cpu"))
    f1 = metrics.macro_f1(scores.argmax(1), labels_of(rows), len(first.labels))

    output.mkdir(parents=True, exist_ok=True)
    for name in RESULTS:  # of another model: nobody may take them for this one's
        (output / name).unlink(missing_ok=True)
    distilbert.save(model, tokenizer, output)
    found = {
        "soup": [
            {"model": folder.name, "weights_sha256": weights_sha256(folder), **other}
            | {"settings": public_settings(other["settings"])}
            for folder, other in zip(models, records, strict=True)
        ],
        "base_sha256": first.record.get("base_sha256"),
        "base_share": base_share,
        "validation_macro_f1": f1,
        "commit": source_commit(),
    }
    known = record(replace(settings, output=str(output)), first.dataset, first.rows)
    write_record(output, known | found)
    return f1


def require_same_kind(first: Run, folder: Path, other: dict[str, Any]) -> None:
    """Refuse models whose weights do not mean the same.

    Raises:
        ModelError: they began from other weights, read other tokens, or name other outputs.
    """
    for name in ("base_model", "layers"):
        if other["settings"][name] != first.record["settings"][name]:
            raise distilbert.ModelError(f"{folder} has another {name} than {first.folder}")
    if other.get("base_sha256") != first.record.get("base_sha256"):
        raise distilbert.ModelError(f"{folder} began from other weights than {first.folder}")
    for name in ("config.json", "tokenizer.json"):
        if (folder / name).read_bytes() != (first.folder / name).read_bytes():
            raise distilbert.ModelError(f"{folder} has another {name} than {first.folder}")


def mean(models: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of models' weights, by name."""
    return {
        name: torch.stack([weights[name] for weights in models]).mean(dim=0) for name in models[0]
    }


if __name__ == "__main__":
    sys.exit(main())
