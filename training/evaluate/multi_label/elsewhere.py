"""How good a model of several labels is on further files: texts of other sources than its own."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from training import multi_label
from training.atomic import replacing
from training.data.examples import clusters_of, list_labels
from training.evaluate.elsewhere import FILE, read_rows
from training.evaluate.further import FurtherFile
from training.evaluate.multi_label import summary
from training.evaluate.multi_label.baseline import Baseline
from training.evaluate.multi_label.calibration import Source
from training.evaluate.multi_label.results import (
    BaselineMetrics,
    Elsewhere,
    FurtherSummary,
    LabelChoice,
)
from training.evaluate.results import Result
from training.metrics import Probabilities
from training.multi_label import Answers


@dataclass(frozen=True)
class FurtherOutputs:
    """What the model and the baseline answer for a further file, shapes (rows, labels)."""

    file: FurtherFile
    logits: NDArray[np.float32]
    baseline_name: str
    baseline_scores: NDArray[np.float64]
    baseline_answers: Answers

    @classmethod
    def collect(cls, file: FurtherFile, logits: NDArray[np.float32], baseline: Baseline) -> Self:
        """Add the answers of the baseline to the logits of the model."""
        texts = [row.text for row in file.rows]
        return cls(file, logits, baseline.name, baseline.score(texts), baseline.predict(texts))

    @property
    def for_calibration(self) -> Source:
        """The rows that the temperatures are fitted on."""
        return self._source.select(self.file.for_calibration)

    @property
    def for_test(self) -> Source:
        """The other rows."""
        return self._source.select(~self.file.for_calibration)

    @property
    def _source(self) -> Source:
        return Source.of(self.file.name, self.logits, self.file.rows)

    def measure(self, choices: dict[str, LabelChoice]) -> FurtherSummary:
        """Measure the model and the baseline.

        If temperatures were fitted on half of the rows, all but ``whole`` is of the other half.
        """
        probabilities = multi_label.sigmoid(
            self.logits, [choice.temperature for choice in choices.values()]
        )
        answers = multi_label.decide(
            probabilities, [choice.threshold for choice in choices.values()]
        )
        labels, clusters = self._source.labels, clusters_of(self.file.rows)
        guesses = self.baseline_answers
        test = ~self.file.for_calibration
        measured = summary.summarise(
            probabilities[test],
            answers[test],
            labels[test],
            list(choices),
            clusters[test],
            only_present=True,
        )
        baseline = summary.measure(
            guesses[test],
            self.baseline_scores[test],
            labels[test],
            clusters[test],
            only_present=True,
        )
        is_halved = not test.all()
        return FurtherSummary(
            **dict(measured),
            against_baseline=summary.compare(
                answers[test], guesses[test], labels[test], clusters[test]
            ),
            baseline=BaselineMetrics(**dict(baseline), name=self.baseline_name),
            calibration_rows=int((~test).sum()),
            whole=summary.compare(answers, guesses, labels, clusters) if is_halved else None,
            reading=self.file.reading,
            bad_rows=self.file.bad_rows,
            known_rows=self.file.known_rows,
            learnt_rows=self.file.learnt_rows,
        )


class FurtherRows(Result):
    """A further file, as it is saved for `export`: its rows, and the baseline's labels."""

    name: str
    texts: list[str]
    labels: list[list[int]]
    clusters: list[int]
    for_calibration: list[bool]
    baseline: list[list[int]]

    @classmethod
    def collect(cls, outputs: FurtherOutputs) -> Self:
        """Collect what measuring a bundle on a file needs."""
        rows = outputs.file.rows
        return cls(
            name=outputs.file.name,
            texts=[row.text for row in rows],
            labels=[list_labels(row) for row in rows],
            clusters=clusters_of(rows).tolist(),
            for_calibration=outputs.file.for_calibration.tolist(),
            baseline=[np.flatnonzero(answer).tolist() for answer in outputs.baseline_answers],
        )

    def measure(
        self, probabilities: Probabilities, answers: Answers, names: Sequence[str]
    ) -> Elsewhere:
        """Measure a bundle by its probabilities and labels for these rows; micro-F1 is of all."""
        labels, guesses = (_to_answers(each, len(names)) for each in (self.labels, self.baseline))
        clusters, test = np.array(self.clusters), ~np.array(self.for_calibration, bool)
        measured = summary.summarise(
            probabilities[test],
            answers[test],
            labels[test],
            names,
            clusters[test],
            only_present=True,
        )
        compared = summary.compare(answers, guesses, labels, clusters)
        return Elsewhere(
            name=self.name,
            texts=compared.texts,
            labels=tuple(name for name, label in measured.per_label.items() if label.texts),
            micro_f1=compared.micro_f1,
            micro_f1_interval=summary.micro_f1_interval(answers, labels, clusters),
            baseline_micro_f1=compared.other_micro_f1,
            difference=compared.difference,
            difference_interval=compared.difference_interval,
            macro_f1=measured.macro_f1,
            macro_f1_interval=measured.macro_f1_interval,
            calibration_error=measured.calibration_error,
            calibration_error_interval=measured.calibration_error_interval,
            calibration_texts=measured.texts,
            calibrated_on=int((~test).sum()),
        )


_SAVED = TypeAdapter(list[FurtherRows])


def write_rows(folder: Path, files: Sequence[FurtherOutputs]) -> None:
    """Save the rows of further files, if there are any."""
    if files:
        saved = [FurtherRows.collect(file) for file in files]
        with replacing(folder / FILE) as temporary:
            temporary.write_bytes(gzip.compress(_SAVED.dump_json(saved), mtime=0))


def measure_bundle(
    folder: Path,
    names: Sequence[str],
    answer: Callable[[list[str]], tuple[Probabilities, Answers]],
) -> list[Elsewhere]:
    """Measure a bundle on the further files that its model was evaluated on.

    Args:
        folder: the model's folder.
        names: the names of the labels.
        answer: computes the bundle's probabilities and labels for texts.

    Raises:
        StaleError: their rows were saved by another version of this code.
    """
    files = read_rows(folder, _SAVED)
    return [file.measure(*answer(file.texts), names) for file in files]


def _to_answers(rows: Sequence[Sequence[int]], count: int) -> Answers:
    answers = np.zeros((len(rows), count), bool)
    for row, labels in enumerate(rows):
        answers[row, list(labels)] = True
    return answers
