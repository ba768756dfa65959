"""Choose the temperatures where a text may have several labels, one for each label.

`training/evaluate/calibration.py` says why other people's texts may share in the choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from training import multi_label
from training.data.examples import Example, multi_hot
from training.evaluate import calibration
from training.evaluate.calibration import NOTHING, join_names
from training.evaluate.multi_label.results import CalibrationChoice


class Source(calibration.Source):
    """Rows whose texts may have several labels."""

    @classmethod
    def of(cls, name: str, logits: NDArray[np.float32], rows: Sequence[Example]) -> Self:
        """Take the labels of rows."""
        return cls(name, logits, multi_hot(rows, logits.shape[1]))


@dataclass(frozen=True)
class Fitted:
    """The temperature of each label, and those that validation rows alone would give."""

    temperatures: tuple[float, ...]
    temperatures_of_validation: tuple[float, ...]
    names: tuple[str, ...]  # of all sources

    def compare(self, sources: Sequence[Source]) -> list[CalibrationChoice]:
        """Compare the temperatures with others by what they give on rows they were not fitted on.

        Returns an empty list if the validation rows are the only source.
        """
        if len(self.names) == 1:
            return []
        choices = {
            NOTHING: (1.0,) * len(self.temperatures),
            self.names[0]: self.temperatures_of_validation,
            join_names(self.names): self.temperatures,
        }
        return [
            CalibrationChoice(
                fitted_on=name,
                temperatures=temperatures,
                errors={
                    source.name: multi_label.calibration_error(
                        multi_label.sigmoid(source.logits, temperatures), source.labels
                    )
                    for source in sources
                },
            )
            for name, temperatures in choices.items()
        ]


def fit(validation: Source, further: Sequence[Source] = ()) -> Fitted:
    """Fit temperatures on validation rows and, each counting as much, on further sources."""
    alone = multi_label.fit_temperatures(validation.logits, validation.labels)
    temperatures = alone
    if further:
        temperatures = multi_label.fit_temperatures(
            validation.logits,
            validation.labels,
            [(source.logits, source.labels) for source in further],
        )
    return Fitted(temperatures, alone, (validation.name, *(source.name for source in further)))
