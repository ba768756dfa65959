"""Show how many errors on a random split the labels themselves may explain.

    python -m benchmarks.label_noise newsCorpora.csv
    python -m benchmarks.label_noise newsCorpora.csv --model build/random

The first table is that of a linear model on words and word pairs; the second is that of a model
which `textclf train --split random` made of the same file. A row may be in several lines of a
table. A reason explains errors only if it is more common among them than among right answers, so
the table has both shares. *Extra* is how many errors there are beyond the error rate of the rows
without any reason. *As named* counts the errors in which the model gives one of the other labels
that the reason names.

An oracle gives each text the most frequent label of its equal texts, its own row included. No model
of texts can do better, except by luck. A second oracle does so with all nearly equal texts; a model
that tells these apart can do better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import cyclopts
import numpy as np
from cyclopts import Parameter, validators
from numpy.typing import NDArray

from benchmarks.near_duplicates import find_near_duplicates
from textclf.data_options import DataOptions
from training.data.examples import DataError, Dataset, Example, clusters_of, labels_of
from training.data.read import read
from training.data.split import Split, split
from training.data.text_key import normalise
from training.evaluate import baseline
from training.fit.record import TrainingRecord
from training.fit.rows import read_row_numbers
from training.labels.conflicts import find_labels_of_groups

NO_OPTIONS = DataOptions()
Share = Annotated[float, Parameter(validator=validators.Number(gt=0, lte=1))]
Count = Annotated[int, Parameter(validator=validators.Number(gte=2))]
COLUMNS = ("test rows", "of right answers", "of errors", "errors", "extra", "as named", "accuracy")

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


def main(
    source: str,
    /,
    *,
    data: Annotated[DataOptions, Parameter(name="*")] = NO_OPTIONS,
    model: Path | None = None,
    similarity: Share = 0.8,
    groups: Count = 5,
    seed: int = 42,
) -> None:
    """Show how many errors on a random split the labels themselves may explain.

    Args:
        source: A file of labelled texts.
        data: Which columns it has, and how it is written.
        model: Folder of a model that `textclf train --split random` made of this file.
        similarity: Share of words from which on two texts are nearly equal (Jaccard index).
        groups: A text that is in this many groups (stories) is a standing heading.
        seed: Of the split.
    """
    dataset = read(source, data.find_task(), data.read_options(), skip_bad_rows=data.skip_bad_rows)
    if dataset.task.is_multi_label:
        raise DataError("texts that may have several labels are not supported")
    rows = split(dataset, "random", seed)
    if model is not None:
        require_rows(model, dataset, rows)
    noise = Noise.find(dataset, rows.test, similarity, groups)
    texts = [row.text for row in rows.test]
    linear = baseline.fit_words(dataset.task, rows.train, seed)
    print_table(linear.name, linear.predict(texts), noise)
    if model is not None:
        from training.evaluate.fp32 import Fp32Model  # imports torch, which takes seconds

        logits = Fp32Model(model).compute_logits(rows.test)
        print_table(f"`{model.name}`", logits.argmax(axis=1), noise)
    print(f"\nOracle of equal texts: {noise.equal_oracle:.2%}")
    print(f"Oracle of nearly equal texts: {noise.near_oracle:.2%}")


def require_rows(folder: Path, dataset: Dataset, rows: Split) -> None:
    """Refuse a model that was not trained and tested on these very rows."""
    record, numbers = TrainingRecord.read(folder), read_row_numbers(folder)
    if (record.dataset_sha256, numbers) != (dataset.sha256, rows.numbers):
        raise DataError(
            f"{folder} was trained on other rows (split: {record.split}, seed: "
            f"{record.settings.seed}): train it on this file with --split random"
        )


@dataclass(frozen=True)
class Reason:
    """What may explain an error, the rows it holds for, and the other labels it names."""

    name: str
    others: Flags  # shape (rows, labels)
    holds: Flags  # shape (rows,)

    @classmethod
    def of_labels(cls, name: str, labels: Flags, own: Counts) -> Self:
        """Make a reason that holds where a row has other labels than its own."""
        others = labels.copy()
        others[np.arange(len(own)), own] = False
        holds: Flags = np.any(others, axis=1)
        return cls(name, others, holds)


@dataclass(frozen=True)
class Titles:
    """The distinct texts of a data set, and what its rows say about each."""

    numbers: dict[str, int]  # by the normalised text
    labels: Counts  # how many rows have each label, shape (titles, labels)
    groups: Counts  # how many groups (stories) have the text, shape (titles,)

    @classmethod
    def count(cls, dataset: Dataset) -> Self:
        """Count the labels and the groups of each text."""
        numbers: dict[str, int] = {}
        rows = np.array(
            [numbers.setdefault(normalise(e.text), len(numbers)) for e in dataset.examples]
        )
        labels = np.zeros((len(numbers), len(dataset.task.labels)), np.int64)
        np.add.at(labels, (rows, labels_of(dataset.examples)), 1)
        pairs = np.unique(np.stack([rows, clusters_of(dataset.examples)]), axis=1)
        groups = np.bincount(pairs[0], minlength=len(numbers))
        return cls(numbers, labels, groups)

    def find(self, rows: Sequence[Example]) -> NDArray[np.intp]:
        """Return which of the texts each row has."""
        return np.array([self.numbers[normalise(row.text)] for row in rows])

    def count_near(self, titles: NDArray[np.intp], similarity: float) -> Counts:
        """Count the labels of the texts that are similar to some, shape (titles, labels)."""
        distinct, inverse = np.unique(titles, return_inverse=True)
        similar = find_near_duplicates(list(self.numbers), distinct, similarity)
        counts: Counts = (similar @ self.labels)[inverse]
        return counts


@dataclass(frozen=True)
class Noise:
    """What the labels of a data set say against those of the test rows."""

    labels: Counts  # of the test rows
    reasons: tuple[Reason, ...]
    equal_oracle: float
    near_oracle: float

    @classmethod
    def find(
        cls, dataset: Dataset, test: Sequence[Example], similarity: float, groups: int
    ) -> Self:
        """Find the test rows whose text, or a similar one, has another label in the data set."""
        titles, own = Titles.count(dataset), labels_of(test)
        tested = titles.find(test)
        equal, near = titles.labels[tested], titles.count_near(tested, similarity)
        of_group = np.zeros_like(equal, bool)
        for row, labels in enumerate(find_labels_of_groups(test, dataset.examples)):
            of_group[row, list(labels)] = True
        is_heading = titles.groups[tested] >= groups
        reasons = (
            Reason.of_labels("equal texts have another label", equal > 0, own),
            Reason.of_labels("nearly equal texts have another label", near > equal, own),
            Reason(f"the text is in {groups} groups or more", np.zeros_like(of_group), is_heading),
            Reason.of_labels("its group shares a text with another label", of_group, own),
        )
        return cls(own, reasons, score_oracle(equal, own), score_oracle(near, own))


def score_oracle(counts: Counts, labels: Counts) -> float:
    """Return the expected accuracy of the most frequent label of each row; ties are drawn."""
    greatest = counts == counts.max(axis=1, keepdims=True)
    return float((greatest[np.arange(len(labels)), labels] / greatest.sum(axis=1)).mean())


@dataclass(frozen=True)
class Line:
    """How a reason, or all of them, is spread over right and wrong answers."""

    rows: int
    errors: int
    share_of_right: float
    share_of_errors: float
    extra: float | None = None  # errors more than at the rate of the rows without any reason
    as_named: int | None = None  # errors with one of the labels that the reason names

    @property
    def accuracy(self) -> float:
        """The share of right answers; not a number without any rows."""
        return 1 - self.errors / self.rows if self.rows else float("nan")

    def to_cells(self) -> list[str]:
        """Return the cells of a table."""
        return [
            f"{self.rows:,}",
            f"{self.share_of_right:.1%}",
            f"{self.share_of_errors:.1%}",
            f"{self.errors:,}",
            "" if self.extra is None else f"{self.extra:,.0f}",
            "" if self.as_named is None else f"{self.as_named:,}",
            f"{self.accuracy:.2%}",
        ]


def count_lines(predicted: Counts, noise: Noise) -> dict[str, Line]:
    """Count the rows and errors of each reason, of any of them, of none, and of all rows."""
    wrong = predicted != noise.labels
    unexplained = ~np.any([reason.holds for reason in noise.reasons], axis=0)
    rate = wrong[unexplained].mean() if unexplained.any() else 0.0

    def count(holds: Flags, others: Flags | None = None, *, compare: bool = True) -> Line:
        errors = int(wrong[holds].sum())
        named = None
        if others is not None and others.any():
            named = int(others[np.arange(len(predicted)), predicted][wrong & holds].sum())
        return Line(
            rows=int(holds.sum()),
            errors=errors,
            share_of_right=float(holds[~wrong].mean()) if not wrong.all() else 0.0,
            share_of_errors=float(holds[wrong].mean()) if wrong.any() else 0.0,
            extra=float(errors - rate * holds.sum()) if compare else None,
            as_named=named,
        )

    lines = {reason.name: count(reason.holds, reason.others) for reason in noise.reasons}
    lines["any of these"] = count(~unexplained)
    lines["none of these"] = count(unexplained, compare=False)
    lines["all"] = count(np.ones_like(wrong), compare=False)
    return lines


def print_table(name: str, predicted: Counts, noise: Noise) -> None:
    """Print the lines of a model."""
    print(f"\n{name}\n\n| | {' | '.join(COLUMNS)} |\n|---|{'---:|' * len(COLUMNS)}")
    for reason, line in count_lines(predicted, noise).items():
        print(f"| {reason} |", " | ".join(line.to_cells()), "|", flush=True)


if __name__ == "__main__":
    cyclopts.run(main)
