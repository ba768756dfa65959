"""Measure how many wrong labels `textclf labels check` finds, on labels flipped on purpose.

    python -m benchmarks.label_errors
    python -m benchmarks.label_errors reviews.csv --text-column text --label-column label

By default, the texts are the headlines in `data/`. One label in twenty is replaced by another one
at random; then the rows are ranked by each kind of features. The table has the share of flipped
labels among the first twentieth of the ranking, the least and the greatest of several draws, and
the share of all flipped labels that are listed. Labels that were wrong before count as mistakes of
the check, so the true precision is higher.
"""

from dataclasses import replace
from typing import Annotated

import cyclopts
import numpy as np
from cyclopts import Parameter

from inference.local.checkout import ROOT, SAMPLE_MODEL
from inference.model.bundle import read_verified
from textclf.data_options import DataOptions
from training.data.examples import Example
from training.data.read import read
from training.labels.encoder import BundleEncoder
from training.labels.features import compute_features, drop_markup, list_kinds
from training.labels.judge import judge_labels

HEADLINES = str(ROOT / "data" / "headlines.csv")
NO_OPTIONS = DataOptions()
SHARE = 0.05


def main(
    source: str = HEADLINES,
    /,
    *,
    data: Annotated[DataOptions, Parameter(name="*")] = NO_OPTIONS,
    max_rows: int = 5_000,
    repeats: int = 5,
) -> None:
    """Measure how many wrong labels are found.

    Args:
        source: A file of labelled texts.
        data: Which columns it has, and how it is written.
        max_rows: Use at most this many rows.
        repeats: How many draws of flipped labels.
    """
    dataset = read(source, data.find_task(), data.read_options())
    drawn = np.random.default_rng(0).permutation(len(dataset.examples))[:max_rows]
    rows = [dataset.examples[row] for row in sorted(drawn)]
    texts, count = [row.text for row in rows], len(dataset.task.labels)
    texts = drop_markup(texts, dataset.task.markup)
    encoder = BundleEncoder(read_verified(SAMPLE_MODEL))
    print("| features | log loss | precision | least | greatest | recall |")
    print("|---|---:|---:|---:|---:|---:|")
    for kind in list_kinds(texts, encoder):
        features = compute_features(kind, texts, encoder)
        losses, precisions, recalls = [], [], []
        for seed in range(repeats):
            flipped, wrong = flip(rows, count, seed)
            judgement = judge_labels(flipped, features, count)
            suspects = [suspect.row for suspect in judgement.suspects]
            losses.append(judgement.loss)
            precisions.append(len(wrong & set(suspects[: len(wrong)])) / len(wrong))
            recalls.append(len(wrong & set(suspects)) / len(wrong))
        print(
            f"| {kind} | {np.mean(losses):.2f} | {np.mean(precisions):.2f} | "
            f"{min(precisions):.2f} | {max(precisions):.2f} | {np.mean(recalls):.2f} |",
            flush=True,
        )


def flip(rows: list[Example], count: int, seed: int) -> tuple[list[Example], set[int]]:
    """Replace the labels of some rows by other ones, and return which rows those are."""
    random = np.random.default_rng(seed)
    wrong = random.permutation(len(rows))[: round(SHARE * len(rows))]
    flipped = list(rows)
    for row in wrong:
        label = (rows[row].label + int(random.integers(1, count))) % count
        flipped[row] = replace(rows[row], label=label)
    return flipped, set(map(int, wrong))


if __name__ == "__main__":
    cyclopts.run(main)
