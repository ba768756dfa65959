"""Choose the temperature, so that a confidence of 0.9 means 90 % on other people's texts, too.

A model is surer of the publishers and the year that it has learnt than of others, at the same
confidence. A temperature fitted on held-out rows alone is therefore too low for other texts.
One that is fitted on rows of both lies between, and is right on neither to the last point.

Richer maps were tried on headlines of others: a share of the uniform distribution, a bias for each
label, and temperatures that depend on the logits. None was better beyond chance (see
docs/evaluate.md), so there is one number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.data.examples import Example, labels_of
from training.evaluate.results import CalibrationChoice

NOTHING = "nothing"  # what a temperature of 1 is fitted on


@dataclass(frozen=True)
class Source:
    """Rows to calibrate on, or to test a calibration on."""

    name: str
    logits: NDArray[np.float32]  # shape (rows, labels)
    labels: NDArray[Any]  # one of each row; shape (rows, labels) where a text may have several

    @classmethod
    def of(cls, name: str, logits: NDArray[np.float32], rows: Sequence[Example]) -> Self:
        """Take the labels of rows."""
        return cls(name, logits, labels_of(rows))

    def select(self, mask: NDArray[np.bool_]) -> Self:
        """Return some of the rows."""
        return replace(self, logits=self.logits[mask], labels=self.labels[mask])


@dataclass(frozen=True)
class Fitted:
    """The temperature, and the one that validation rows alone would give."""

    temperature: float
    temperature_of_validation: float
    names: tuple[str, ...]  # of all sources

    def compare(self, sources: Sequence[Source]) -> list[CalibrationChoice]:
        """Compare the temperature with others by what they give on rows they were not fitted on.

        Returns an empty list if the validation rows are the only source.
        """
        if len(self.names) == 1:
            return []
        choices = {
            NOTHING: 1.0,
            self.names[0]: self.temperature_of_validation,
            join_names(self.names): self.temperature,
        }
        return [
            CalibrationChoice(
                fitted_on=name,
                temperature=temperature,
                errors={
                    source.name: metrics.calibration_error(
                        metrics.softmax(source.logits, temperature), source.labels
                    )
                    for source in sources
                },
            )
            for name, temperature in choices.items()
        ]


def fit(validation: Source, further: Sequence[Source] = ()) -> Fitted:
    """Fit the temperature on validation rows and, each counting as much, on further sources."""
    alone = metrics.fit_temperature(validation.logits, validation.labels)
    temperature = alone
    if further:
        temperature = metrics.fit_temperature(
            validation.logits,
            validation.labels,
            [(source.logits, source.labels) for source in further],
        )
    return Fitted(temperature, alone, (validation.name, *(source.name for source in further)))


def join_names(names: Sequence[str]) -> str:
    """Name each source once, with how often it counts if that is more than once."""
    return " and ".join(
        f"{names.count(name)} times {name}" if names.count(name) > 1 else name
        for name in dict.fromkeys(names)
    )
