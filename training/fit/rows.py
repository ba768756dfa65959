"""The rows of a training run: read and split once, then found again by their numbers."""

from pathlib import Path

import numpy as np

from training.atomic import replacing
from training.data.examples import DataError, Dataset, cut_long_texts
from training.data.new_rows import join
from training.data.read import read
from training.data.split import RowNumbers, Split, sample, split
from training.data.text_key import TextKey
from training.fit.settings import Settings

ROWS = "rows.npz"

LoadedRows = tuple[Dataset, Split]


def load_rows(settings: Settings, key: TextKey = TextKey.CURRENT) -> LoadedRows:
    """Read the data set and split it; the same settings and key give the same rows.

    Raises:
        DataError: the data set is not what its task describes, or cannot be split this way.
    """
    dataset = load_dataset(settings, key)
    return dataset, split(dataset, choose_split(settings, dataset), settings.seed, key)


def load_dataset(settings: Settings, key: TextKey = TextKey.CURRENT) -> Dataset:
    """Read the data set, with the new rows or sampled if the settings say so.

    Raises:
        DataError: the data set is not what its task describes.
    """
    dataset = read(
        settings.data,
        settings.find_task(),
        settings.read_options(),
        skip_bad_rows=settings.skip_bad_rows,
    )
    if settings.new_rows:
        if choose_split(settings, dataset) != "story":
            raise DataError("--new-rows needs a split by story: give --split story")
        dataset = join(dataset, Path(settings.new_rows), settings.seed, key)
    if settings.max_rows:
        dataset = sample(dataset, settings.max_rows, settings.seed)
    # Earlier versions compared whole texts.
    return dataset if key is TextKey.WORDS else cut_long_texts(dataset)


def choose_split(settings: Settings, dataset: Dataset) -> str:
    """Return how to hold out rows: as the settings say, or as the task does by default."""
    return settings.split or dataset.task.default_split


def save_row_numbers(rows: Split, folder: Path) -> None:
    """Save which rows of the data set are in which part of the split."""
    numbers = rows.numbers
    with replacing(folder / ROWS) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            train=np.array(numbers.train, np.int64),
            validation=np.array(numbers.validation, np.int64),
            test=np.array(numbers.test, np.int64),
        )


def read_row_numbers(folder: Path) -> RowNumbers | None:
    """Read the row numbers that `train` saved; None for a model of an older version."""
    if not (folder / ROWS).is_file():
        return None
    with np.load(folder / ROWS, allow_pickle=False) as saved:
        parts = {name: saved[name].tolist() for name in ("train", "validation", "test")}
    return RowNumbers(**parts)
