"""The rows of a training run: read and split once, then found again by their numbers."""

import csv
import io
from pathlib import Path

import numpy as np

from inference.tables.rows import Reject
from training.atomic import replacing, write_text
from training.data.examples import DataError, Dataset, cut_long_texts
from training.data.new_rows import join
from training.data.read import read
from training.data.split import RowNumbers, Split, sample, split
from training.data.text_key import TextKey
from training.data.unlabelled import Unlabelled, read_unlabelled
from training.fit.settings import Settings

ROWS = "rows.npz"
BAD_ROWS = "bad-rows.csv"

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
        dataset = join(
            dataset,
            Path(settings.new_rows),
            settings.seed,
            key,
            settings.read_options(),
            skip_bad_rows=settings.skip_bad_rows,
        )
    if settings.max_rows:
        dataset = sample(dataset, settings.max_rows, settings.seed)
    # Earlier versions compared whole texts.
    return dataset if key is TextKey.WORDS else cut_long_texts(dataset)


def load_unlabelled(settings: Settings, dataset: Dataset, rows: Split) -> Unlabelled | None:
    """Read the texts without labels, if the settings name a file of them.

    Raises:
        DataError: the file cannot be read, or has no text to learn from.
    """
    if not settings.unlabelled:
        return None
    return read_unlabelled(
        settings.unlabelled,
        dataset,
        rows,
        settings.read_options(),
        skip_bad_rows=settings.skip_bad_rows,
    )


def choose_split(settings: Settings, dataset: Dataset) -> str:
    """Return how to hold out rows: as the settings say, or as the task does by default."""
    split = settings.split or dataset.task.default_split
    # New rows must not move the others, and how these are stratified depends on all rows.
    return "story" if split == "stratified" and settings.new_rows else split


def save_bad_rows(settings: Settings, dataset: Dataset, unlabelled: Unlabelled | None) -> Path:
    """Write the table of the rows of all files that cannot be used; without any there is none."""
    files = [(settings.data, dataset.rejects)]
    files += [(file.name, file.rejects) for file in dataset.new_files]
    if unlabelled:
        files.append((unlabelled.location, unlabelled.rejects))
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("file", *Reject._fields))
    writer.writerows((name, *reject) for name, rejects in files for reject in rejects)
    path = Path(settings.output) / BAD_ROWS
    if any(rejects for _, rejects in files):
        write_text(path, table.getvalue())
    else:
        path.unlink(missing_ok=True)
    return path


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
