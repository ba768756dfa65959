"""A trained model: its folder, how it was made and the rows it was made with."""

import json
from dataclasses import dataclass
from pathlib import Path

from inference.errors import TextClassifierError
from training.atomic import write_text
from training.data.examples import Dataset
from training.data.split import Split, split
from training.fit.record import RECORD, WEIGHTS, RowCounts, TrainingRecord
from training.fit.rows import ROWS, load_dataset, read_row_numbers, save_row_numbers

# What a finished run leaves, and what `evaluate` adds.
RESULTS = (RECORD, WEIGHTS, ROWS, "evaluation.json")


class StaleError(TextClassifierError):
    """The files of a model folder do not belong together; the message says what to run."""


@dataclass(frozen=True)
class TrainedModel:
    """A folder that `train` wrote, and the rows it was trained, validated and tested on."""

    folder: Path
    record: TrainingRecord
    dataset: Dataset
    rows: Split

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in output order."""
        return self.dataset.task.labels

    def save(self) -> None:
        """Write the row numbers and the record, which completes the folder."""
        save_row_numbers(self.rows, self.folder)
        write_text(self.folder / RECORD, json.dumps(self.record.to_json(), indent=2) + "\n")


def open_trained_model(folder: Path) -> TrainedModel:
    """Read how a model was made, and the rows it was made with.

    Raises:
        DataError: the folder holds no finished model, or its data cannot be read.
        StaleError: the data file has changed since, or the folder has another model's rows.
    """
    record = TrainingRecord.read(folder)
    settings = record.settings
    dataset = load_dataset(settings)
    if dataset.sha256 != record.dataset_sha256:
        raise StaleError(f"{settings.data} has changed since the model was trained on it")
    numbers = read_row_numbers(folder)
    if numbers is None:
        rows = split(dataset, record.split, settings.seed)
    elif RowCounts.count(numbers) == record.rows:
        rows = Split.select(dataset, numbers)
    else:
        raise StaleError(f"{folder / ROWS} is not of the model in {folder}: train it again")
    return TrainedModel(folder, record, dataset, rows)


def delete_results(folder: Path) -> None:
    """Delete the results of an earlier run, so that they cannot be taken for those of a new one."""
    for name in RESULTS:
        (folder / name).unlink(missing_ok=True)
