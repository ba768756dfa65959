"""Choose how to train: by how well each method predicts rows that it has not seen.

Which one is better depends on the texts as much as on their number, so all are tried: fine-tuning,
a frozen encoder and, with few rows, one that learns from pairs of texts. There is one trial of each
or, with few validation rows, three. A trial of fine-tuning costs about as much as the run, and one
of pairs takes up to 300 steps of 32 texts. All are left out where fine-tuning has enough rows to
win.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.atomic import write_text
from training.data.examples import Dataset
from training.data.split import RowNumbers, Split
from training.fit.checkpoint import FREE, CheckpointError, describe_differences
from training.fit.contrastive import Pairs, PairsError, fine_tune_on_pairs
from training.fit.encoder import EncoderClassifier
from training.fit.epoch_rows import EpochRows, draw_first, draw_once
from training.fit.frozen import FOLDS, apply_head, find_strata, fit_features
from training.fit.head import compute_text_features
from training.fit.initialise import initialise
from training.fit.option_needs import drop_unmet
from training.fit.precision import choose_precision
from training.fit.process_group import Group
from training.fit.record import MethodComparison, TrainingRecord
from training.fit.settings import Settings, list_differences
from training.fit.validation import score
from training.labels.folds import Folds

MOST_ROWS = 5_000  # training rows with which methods are compared
MOST_ROWS_IN_PAIRS = 1_000  # with more, fine-tuning on pairs of texts is not tried
LEAST_VALIDATION_ROWS = 200  # with fewer, training rows are predicted, too
COMPARISON = "comparison.json"  # in the output folder, for a run that is resumed

# Fine-tunes with the settings on a split, and returns the logits of its test rows.
FineTune = Callable[[Settings, Split], NDArray[np.float32]]


@dataclass(frozen=True)
class Choice:
    """The method that was chosen, and the comparison behind it, if there was one."""

    settings: Settings  # which name the method
    comparison: MethodComparison | None

    def add_to(self, record: TrainingRecord) -> TrainingRecord:
        """Add the comparison to a record."""
        return record.model_copy(update={"comparison": self.comparison})

    def describe(self) -> str:
        """Say which method was chosen, and why."""
        if self.comparison is None:
            return f"method: fine-tuning, as for all data with over {MOST_ROWS:,} training rows"
        return f"method: {self.comparison.describe()}"


def choose_method(
    settings: Settings, dataset: Dataset, rows: Split, group: Group, fine_tune: FineTune
) -> Choice:
    """Try all methods where there are few rows; every process of the group calls this.

    A run that is resumed keeps to the method that it began with.

    Raises:
        CheckpointError: the run to resume was of other settings or data.
        InterruptedRunError: SIGINT or SIGTERM came.
    """
    if len(rows.train) > MOST_ROWS:
        return Choice(settings.model_copy(update={"method": "fine-tune"}), None)
    file = Path(settings.output) / COMPARISON
    identity = _identify(settings, dataset)
    found = _read(file, identity) if settings.resume else None
    comparison = found or compare_methods(settings, dataset, rows, group, fine_tune)
    if group.leads and not found:
        saved = {"identity": identity, "comparison": comparison.model_dump()}
        write_text(file, json.dumps(saved, indent=2) + "\n")
    chosen = settings.model_copy(update={"method": comparison.best})
    return Choice(drop_unmet(chosen), comparison)


def compare_methods(
    settings: Settings, dataset: Dataset, rows: Split, group: Group, fine_tune: FineTune
) -> MethodComparison:
    """Measure the methods on rows that they have not learnt."""
    rounds = list_rounds(rows, len(dataset.task.labels), settings.seed)
    predicted = [row for each in rounds for row in each.test]

    def measure(logits: Sequence[NDArray[np.float32]]) -> float:
        return group.broadcast(score(np.concatenate(logits), predicted))

    frozen = measure(predict_frozen(settings, dataset, rows, rounds, group.device))
    contrastive, left_out = None, ""
    try:
        contrastive = measure(try_pairs(settings, dataset, rows, rounds, group))
    except PairsError as error:
        left_out = error.reason  # the remedy is for a run of this method
    tuned = settings.model_copy(update={"method": "fine-tune"})
    return MethodComparison(
        fine_tune=measure([fine_tune(tuned, each) for each in rounds]),
        frozen=frozen,
        contrastive=contrastive,
        left_out=left_out,
        rows=len(predicted),
        folds=len(rounds) if len(rounds) > 1 else 0,
    )


def list_rounds(rows: Split, labels: int, seed: int) -> list[Split]:
    """Return what to learn from, and as test rows what to predict, once or for several parts.

    These are the validation rows or, where they are too few to tell two methods apart, each third
    of the training rows in turn. Fine-tuning still chooses its weights on the validation rows.
    """
    numbers, groups = (
        rows.numbers,
        Folds.make(rows.train, find_strata(rows.train, labels), seed, FOLDS),
    )
    parts = np.unique(groups.numbers)
    if len(rows.validation) >= LEAST_VALIDATION_ROWS or len(parts) < FOLDS:
        validation = RowNumbers(numbers.train, numbers.validation, numbers.validation)
        return [Split(rows.train, rows.validation, rows.validation, validation)]
    rounds = []
    for part in parts:
        train = groups.train_rows(part).tolist()
        held_out = np.flatnonzero(groups.numbers == part).tolist()
        of_part = RowNumbers(
            [numbers.train[row] for row in train],
            numbers.validation,
            [numbers.train[row] for row in held_out],
        )
        learnt, predicted = ([rows.train[row] for row in each] for each in (train, held_out))
        rounds.append(Split(learnt, rows.validation, predicted, of_part))
    return rounds


def predict_frozen(
    settings: Settings,
    dataset: Dataset,
    rows: Split,
    rounds: Sequence[Split],
    device: torch.device,
) -> list[NDArray[np.float32]]:
    """Return the logits of each round's test rows from a head that is fitted to its training rows.

    The encoder reads every row once.
    """
    frozen = drop_unmet(settings.model_copy(update={"method": "frozen"}))
    model, tokenizer = initialise(frozen, dataset.task, rows.train)
    assert isinstance(model, EncoderClassifier)  # noqa: S101 - `initialise` raises otherwise
    numbers = [*rows.numbers.train, *rows.numbers.validation]
    texts = [row.text for row in (*rows.train, *rows.validation)]
    precision = choose_precision(settings.precision, device)
    features = compute_text_features(model, tokenizer, texts, settings, device, precision)
    place = {number: row for row, number in enumerate(numbers)}
    logits = []
    for each in rounds:
        learnt = features[[place[number] for number in each.numbers.train]]
        drawn = EpochRows.of(each.train, frozen).draw(0)
        head = torch.nn.Linear(features.shape[1], len(dataset.task.labels))
        fit_features(head, learnt[drawn], [each.train[row] for row in drawn], frozen)
        logits.append(apply_head(head, features[[place[number] for number in each.numbers.test]]))
    return logits


def try_pairs(
    settings: Settings, dataset: Dataset, rows: Split, rounds: Sequence[Split], group: Group
) -> list[NDArray[np.float32]]:
    """Return the logits of each round's test rows after learning from pairs.

    Raises:
        PairsError: pairs are not tried, or a trial diverged, as the run could too.
        InterruptedRunError: SIGINT or SIGTERM came.
    """
    if len(rows.train) > MOST_ROWS_IN_PAIRS:
        raise PairsError(f"not tried with over {MOST_ROWS_IN_PAIRS:,} training rows")
    for each in (rows, *rounds):
        learnt = draw_once(each.train, settings)
        if not Pairs.of(learnt, len(dataset.task.labels), settings).can_teach:
            raise PairsError("there need to be more rows of the same labels, or of different ones")
    return [predict_contrastive(settings, dataset, each, group) for each in rounds]


def predict_contrastive(
    settings: Settings, dataset: Dataset, rows: Split, group: Group
) -> NDArray[np.float32]:
    """Return the logits of a split's test rows after learning from pairs of its training rows."""
    settings = drop_unmet(settings.model_copy(update={"method": "contrastive"}))
    model, tokenizer = initialise(settings, dataset.task, rows.train)
    assert isinstance(model, EncoderClassifier)  # noqa: S101 - `initialise` raises otherwise
    precision = choose_precision(settings.precision, group.device)
    paired, learnt = draw_once(rows.train, settings), draw_first(rows.train, settings)
    fine_tune_on_pairs(model, tokenizer, paired, settings, group, precision, name="try pairs")
    features, predicted = (
        compute_text_features(
            model, tokenizer, [row.text for row in part], settings, group.device, precision
        )
        for part in (learnt, rows.test)
    )
    fit_features(model.classifier, features, learnt, settings)
    return apply_head(model.classifier, predicted)


def _identify(settings: Settings, dataset: Dataset) -> dict[str, object]:
    fixed = settings.model_dump(exclude=FREE, exclude_defaults=True)
    return {**fixed, "dataset_sha256": dataset.sha256}


def _read(file: Path, identity: dict[str, object]) -> MethodComparison | None:
    """Read the comparison of the run that is resumed; None if it was interrupted before."""
    if not file.is_file():
        return None
    saved = json.loads(file.read_text())
    differences = list_differences(saved["identity"], identity)
    if differences:
        raise CheckpointError(describe_differences(file, differences))
    return MethodComparison.model_validate(saved["comparison"])
