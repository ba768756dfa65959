"""How good a model is on further files: texts of other sources than those it was trained on."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from training.atomic import replacing
from training.data.examples import clusters_of, has_groups, labels_of
from training.evaluate import summary
from training.evaluate.baseline import Baseline
from training.evaluate.further import FurtherFile
from training.evaluate.intervals import measure_difference
from training.evaluate.results import BaselineMetrics, Elsewhere, FurtherSummary, Result
from training.fit.trained_model import StaleError
from training.metrics import Probabilities

# The rows, so that `export` can measure the bundle on them. They quote the data, so they stay in
# the model folder.
FILE = "elsewhere.json.gz"

Rows = TypeVar("Rows")


class FurtherRows(Result):
    """A further file, as it is saved for `export`: its rows, and the baseline's labels."""

    name: str
    texts: list[str]
    labels: list[int]
    clusters: list[int]
    has_groups: bool
    for_calibration: list[bool]
    baseline_name: str
    baseline: list[int]
    reading: str
    bad_rows: int
    known_rows: int
    learnt_rows: int

    @classmethod
    def collect(cls, file: FurtherFile, baseline: Baseline) -> Self:
        """Collect what measuring a model on a file needs."""
        texts = [row.text for row in file.rows]
        return cls(
            name=file.name,
            texts=texts,
            labels=labels_of(file.rows).tolist(),
            clusters=clusters_of(file.rows).tolist(),
            has_groups=has_groups(file.rows),
            for_calibration=file.for_calibration.tolist(),
            baseline_name=baseline.name,
            baseline=baseline.predict(texts).tolist(),
            reading=file.reading,
            bad_rows=file.bad_rows,
            known_rows=file.known_rows,
            learnt_rows=file.learnt_rows,
        )

    def measure(self, probabilities: Probabilities, names: Sequence[str]) -> FurtherSummary:
        """Measure a model by its probabilities for these rows.

        If the temperature was fitted on half of the rows, all but ``whole`` is of the other half.

        Args:
            probabilities: of all rows, shape (rows, labels).
            names: the names of the labels.
        """
        labels, guesses, clusters = map(np.array, (self.labels, self.baseline, self.clusters))
        predicted = probabilities.argmax(axis=1)
        right, baseline_right = predicted == labels, guesses == labels
        test = ~np.array(self.for_calibration, bool)
        measured = summary.summarise(
            probabilities[test],
            labels[test],
            names,
            clusters[test],
            has_groups=self.has_groups,
            only_present=True,
        )
        baseline = summary.measure(
            guesses[test],
            labels[test],
            len(names),
            clusters[test],
            has_groups=self.has_groups,
            only_present=True,
        )
        is_halved = not test.all()
        return FurtherSummary(
            **dict(measured),
            baseline=BaselineMetrics(**dict(baseline), name=self.baseline_name),
            against_baseline=measure_difference(right[test], baseline_right[test], clusters[test]),
            calibration_rows=int((~test).sum()),
            whole=measure_difference(right, baseline_right, clusters) if is_halved else None,
            reading=self.reading,
            bad_rows=self.bad_rows,
            known_rows=self.known_rows,
            learnt_rows=self.learnt_rows,
        )


_SAVED = TypeAdapter(list[FurtherRows])


def write_rows(folder: Path, files: Sequence[FurtherRows]) -> None:
    """Save the rows of further files, if there are any."""
    if files:
        with replacing(folder / FILE) as temporary:
            temporary.write_bytes(gzip.compress(_SAVED.dump_json(list(files)), mtime=0))


def read_rows(folder: Path, saved: TypeAdapter[list[Rows]]) -> list[Rows]:
    """Read the rows of further files that `evaluate` saved, if there are any.

    Raises:
        StaleError: they were saved by another version of this code.
    """
    if not (folder / FILE).is_file():
        return []
    try:
        return saved.validate_json(gzip.decompress((folder / FILE).read_bytes()))
    except ValidationError:
        raise StaleError(
            f"{folder / FILE} is of another version of this code: run textclf evaluate {folder}"
        ) from None


def measure_bundle(
    folder: Path, names: Sequence[str], predict: Callable[[list[str]], Probabilities]
) -> list[Elsewhere]:
    """Measure a bundle on the further files that its model was evaluated on.

    Args:
        folder: the model's folder.
        names: the names of the labels.
        predict: computes the bundle's probabilities for texts.

    Raises:
        StaleError: their rows were saved by another version of this code.
    """
    files = read_rows(folder, _SAVED)
    return [publish(file.name, file.measure(predict(file.texts), names)) for file in files]


def publish(name: str, measured: FurtherSummary) -> Elsewhere:
    """Return what the manifest says about a file; accuracy is that of all its rows."""
    compared = measured.whole or measured.against_baseline
    if compared is None or measured.calibration_error_interval is None:
        raise ValueError(f"{name} was measured by an earlier version")
    return Elsewhere(
        name=name,
        texts=compared.texts,
        labels=tuple(measured.labels),
        accuracy=compared.accuracy,
        accuracy_interval=compared.accuracy_interval,
        macro_f1=measured.macro_f1,
        macro_f1_interval=measured.macro_f1_interval,
        baseline_accuracy=compared.other_accuracy,
        difference=compared.difference,
        difference_interval=compared.difference_interval,
        calibration_error=measured.calibration_error,
        calibration_error_interval=measured.calibration_error_interval,
        calibration_texts=measured.texts,
        calibrated_on=measured.calibration_rows,
    )
