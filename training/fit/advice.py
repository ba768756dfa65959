"""Which options to try, judging by the rows of a training run."""

from collections import Counter

from training.data.examples import Dataset, list_labels
from training.data.split import LEAST_TEST_ROWS, Split
from training.fit.rows import choose_split
from training.fit.settings import Settings
from training.multi_label import LEAST_ROWS_OF_LABEL, THRESHOLD

RARE = 0.02  # share of the training rows
FEW_ROWS = 1_000  # training rows, with which another method may well be better


def print_advice(settings: Settings, dataset: Dataset, rows: Split) -> None:
    """Print notes on options that may suit few rows, or rare labels."""
    for note in list_advice(settings, dataset, rows):
        print(f"note: {note}")


def list_advice(settings: Settings, dataset: Dataset, rows: Split) -> list[str]:
    """List notes on options that the run does not use, one sentence for each."""
    notes = []
    rarest = find_rare_label(dataset, rows)
    if rarest and not settings.class_weights:
        label, count = rarest
        notes.append(
            f"only {count:,} of {len(rows.train):,} training rows are labelled {label!r}: "
            "--class-weights balanced lets rare labels weigh as much as the others"
        )
    is_few = len(rows.test) < LEAST_TEST_ROWS or rarest is not None
    if is_few and choose_split(settings, dataset) == "story" and not settings.new_rows:
        notes.append("--split stratified gives every part its share of every label")
    if (
        settings.class_weights
        and settings.is_multi_label
        and len(rows.validation) < LEAST_ROWS_OF_LABEL
        and not settings.fits_head
    ):
        notes.append(
            f"{len(rows.validation):,} validation rows are too few to choose thresholds, so each is"
            f" {THRESHOLD}: with --class-weights balanced, a model that is not sure gives a text "
            "most labels; --method frozen, which is surer with few rows, or more rows help"
        )
    if len(rows.train) < FEW_ROWS and settings.method == "fine-tune" and not settings.teachers:
        notes.append(
            f"with fewer than {FEW_ROWS:,} training rows, a logistic head may do better, on an "
            "encoder as it is or one that learns from pairs of texts: --method auto tries each"
        )
    return notes


def find_rare_label(dataset: Dataset, rows: Split) -> tuple[str, int] | None:
    """Return the rarest label and its training rows, if it is far rarer than the others.

    Of a hundred labels that are equally frequent, none is rare.
    """
    counts = Counter(label for row in rows.train for label in list_labels(row))
    labels = dataset.task.labels
    number = min(range(len(labels)), key=lambda label: counts[label])
    share = counts[number] / len(rows.train)
    fair = 1.0 if dataset.task.is_multi_label else 1 / len(labels)
    return (labels[number], counts[number]) if share < min(RARE, fair / 2) else None
