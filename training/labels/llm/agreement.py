"""How well the labels that a model writes agree with people's."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from training.atomic import replacing

NO_LABEL = ""  # of a text that the model gave none


class Disagreement(NamedTuple):
    """A row whose label a person and the model see differently."""

    line: int
    label: str
    model_label: str
    text: str


@dataclass(frozen=True)
class Agreement:
    """A model's labels next to people's; a text without a label counts as a disagreement."""

    rows: int
    agreed: int
    without_label: int
    interval: tuple[float, float]  # of the share that agrees, 95 %
    kappa: float  # Cohen's
    disagreements: tuple[Disagreement, ...]

    @property
    def accuracy(self) -> float:
        """The share of rows with the same label."""
        return self.agreed / self.rows

    def describe(self) -> str:
        """Return the figures in a sentence."""
        low, high = self.interval
        text = (
            f"{self.agreed:,} of {self.rows:,} rows have the label that people gave them: "
            f"{self.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), Cohen's kappa "
            f"{self.kappa:.2f}"
        )
        return f"{text}; {self.without_label:,} without a label" if self.without_label else text


def measure_agreement(
    rows: Sequence[tuple[int, str]], labels: Sequence[str], model_labels: Sequence[str]
) -> Agreement:
    """Compare the labels of people and of a model for the same rows.

    The interval is Wilson's (https://doi.org/10.1080/01621459.1927.10502953), which holds for few
    rows, too. Kappa (Cohen 1960, https://doi.org/10.1177/001316446002000104) is 0 if they agree no
    more often than chance would have it, and 1 if they always agree.

    Args:
        rows: the lines and texts.
        labels: those of people.
        model_labels: those of the model, or NO_LABEL.
    """
    pairs = list(zip(rows, labels, model_labels, strict=True))
    disagreements = tuple(
        Disagreement(line, label, model_label, text)
        for (line, text), label, model_label in pairs
        if label != model_label
    )
    agreed = len(pairs) - len(disagreements)
    interval = binomtest(agreed, len(pairs)).proportion_ci(method="wilson")
    is_constant = len({*labels, *model_labels}) == 1  # where kappa is not defined
    return Agreement(
        rows=len(pairs),
        agreed=agreed,
        without_label=sum(label == NO_LABEL for label in model_labels),
        interval=(float(interval.low), float(interval.high)),
        kappa=1.0 if is_constant else float(cohen_kappa_score(labels, model_labels)),
        disagreements=disagreements,
    )


def write_disagreements(path: Path, agreement: Agreement) -> None:
    """Write the rows with different labels as a CSV file."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Disagreement._fields)
        writer.writerows(agreement.disagreements)
