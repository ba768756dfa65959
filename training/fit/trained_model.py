"""A trained model: its folder, how it was made and the rows it was made with."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inference.errors import TextClassifierError
from training.atomic import REPEAT, OutputError, naming, write_text
from training.data.examples import Dataset
from training.data.split import Split, split
from training.fit.record import RECORD, WEIGHTS, RowCounts, TrainingRecord
from training.fit.rows import ROWS, load_dataset, read_row_numbers, save_row_numbers

CHECKPOINT = "checkpoint.safetensors"
MODEL_FILES = (
    *(RECORD, WEIGHTS, ROWS, "config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
)
# What `evaluate` and `export` say about a model: none of it may outlive the model.
EVALUATION_FILES = (
    *("evaluation.json", "predictions.npz", "report.md", "errors.csv"),
    *("confusion.png", "confusion.csv", "labels.csv", "reliability.png"),
    *("elsewhere.json.gz", "coverage.png"),
)
BUNDLE = "bundle"
ANSWERS = "answers"  # the folder of what students have asked the model
RESULTS = (*MODEL_FILES, *EVALUATION_FILES, "gate.md")
ASIDE = ".new"  # a new model until it is complete


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

    def save(self, folder: Path) -> None:
        """Write the row numbers and the record into a folder with the weights."""
        save_row_numbers(self.rows, folder)
        write_text(folder / RECORD, json.dumps(self.record.to_json(), indent=2) + "\n")


def open_trained_model(folder: Path) -> TrainedModel:
    """Read how a model was made, and the rows it was made with.

    Raises:
        DataError: the folder holds no finished model, or its data cannot be read.
        StaleError: the data file has changed since, or the folder has another model's rows.
    """
    record = TrainingRecord.read(folder)
    settings = record.settings
    dataset = load_dataset(settings, record.key)
    if dataset.sha256 != record.dataset_sha256:
        raise StaleError(f"{settings.data} has changed since the model was trained on it")
    numbers = read_row_numbers(folder)
    if numbers is None:
        rows = split(dataset, record.split, settings.seed, record.key)
    elif RowCounts.count(numbers) == record.rows:
        rows = Split.select(dataset, numbers)
    else:
        raise StaleError(f"{folder / ROWS} is not of the model in {folder}: train it again")
    return TrainedModel(folder, record, dataset, rows)


def require_no_earlier_work(folder: Path) -> None:
    """Refuse to write where a model or an unfinished run is.

    Raises:
        OutputError: there is one; the message says what it is and how to go on.
    """
    if (folder / CHECKPOINT).is_file():
        raise OutputError(
            f"{folder} has the checkpoint of an unfinished run: add --resume to continue it, or "
            "--overwrite to start again"
        )
    for name in (RECORD, WEIGHTS, "config.json"):
        if (folder / name).exists():
            raise OutputError(
                f"{folder} has a model already ({name}): give another --output, or --overwrite to "
                "replace it"
            )


@contextmanager
def replacing_model(folder: Path, remedy: str = REPEAT) -> Iterator[Path]:
    """Yield an empty folder; its files replace the model in ``folder`` when the block ends.

    An earlier model stays whole until then, and takes its reports and its bundle with it. The
    record goes last: a folder that has one is complete.

    Raises:
        OutputError: the files cannot be written.
    """
    with naming(folder, remedy):
        folder.mkdir(parents=True, exist_ok=True)
        with _writing_aside(folder, last=RECORD) as aside:
            yield aside
            delete_results(folder)


@contextmanager
def replacing_evaluation(folder: Path) -> Iterator[Path]:
    """Yield an empty folder; its files replace the evaluation of the model in ``folder``.

    Raises:
        OutputError: the files cannot be written.
    """
    with naming(folder), _writing_aside(folder, last=EVALUATION_FILES[0]) as aside:
        yield aside
        for name in EVALUATION_FILES:
            (folder / name).unlink(missing_ok=True)


@contextmanager
def _writing_aside(folder: Path, last: str) -> Iterator[Path]:
    """Yield a folder whose files are moved into ``folder`` in the end, one of them last."""
    aside = folder / ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        for file in sorted(aside.iterdir(), key=lambda file: (file.name == last, file.name)):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def delete_results(folder: Path) -> None:
    """Delete a model, and all that was made of it, the record first."""
    for name in RESULTS:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / ANSWERS, ignore_errors=True)
    if (folder / BUNDLE / "manifest.json").is_file():
        shutil.rmtree(folder / BUNDLE)
