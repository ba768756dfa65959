"""Compare ways to train, and a linear model of words, on few rows or rare labels.

    python -m benchmarks.few_rows --rows 200 --base-model sentence-transformers/all-MiniLM-L6-v2
    python -m benchmarks.few_rows reviews.csv --text-column text --label-column label --each 8
    python -m benchmarks.few_rows --rows 400 --rare Health --share 0.05 --class-weights balanced

By default, the texts are the headlines in `data/`. For each seed, rows are drawn to learn from;
one in seventeen of them, but at least one of each label, is for validation. All other rows, or as
many as `--test-rows`, are for testing. The table has the means of all seeds, and in brackets the
least and the greatest figure.

The frozen encoder reads each text once for all draws, and `auto` takes the figures of the method
that it chooses. What is done, and how long it took, is shown on stderr.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import cyclopts
import numpy as np
import torch
from cyclopts import Parameter
from cyclopts.validators import Number
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score

from inference.errors import TextClassifierError
from inference.local.checkout import ROOT
from inference.model.windows import MEAN
from textclf.data_options import DataOptions
from training.data.examples import Dataset, clusters_of, labels_of
from training.data.read import read
from training.data.split import RowNumbers, Split
from training.evaluate import baseline
from training.evaluate.fp32 import Fp32Model
from training.fit import text_model
from training.fit.encoder import EncoderClassifier
from training.fit.frozen import apply_head, fit_features
from training.fit.initialise import initialise
from training.fit.option_needs import drop_unmet
from training.fit.precision import choose_precision
from training.fit.process_group import Group, process_group
from training.fit.settings import Settings
from training.fit.train import begin_record, choose_between_methods, train
from training.fit.windows import encode_windows
from training.tasks import with_labels

HEADLINES = str(ROOT / "data" / "headlines.csv")
NO_OPTIONS = DataOptions()
VALIDATION = 1 / 17
METHODS = ("fine-tune", "contrastive", "frozen", "auto")

Count = Annotated[int, Parameter(validator=Number(gte=1))]
CountOrNone = Annotated[int, Parameter(validator=Number(gte=0))]


class FewRowsError(TextClassifierError):
    """The rows or the methods cannot be compared; the message says why."""


def main(
    source: str = HEADLINES,
    /,
    *,
    data: Annotated[DataOptions, Parameter(name="*")] = NO_OPTIONS,
    rows: CountOrNone = 0,
    each: CountOrNone = 0,
    rare: str = "",
    share: Annotated[float, Parameter(validator=Number(gt=0, lt=1))] = 0.017,
    base_model: str = "sentence-transformers/all-MiniLM-L6-v2",
    methods: str = ",".join(METHODS),
    class_weights: Literal["", "balanced"] = "",
    learning_rate: float = 1e-4,
    max_length: int = 0,
    test_rows: Count = 2_000,
    seeds: Count = 3,
    threads: Count = 1,
) -> None:
    """Compare methods on few rows.

    Args:
        source: A file of labelled texts.
        data: Which columns it has, and how it is written.
        rows: How many rows to draw, at random.
        each: How many rows of each label to draw instead, two at least.
        rare: The label that is made rare; all others become one.
        share: The share of its rows, of those to learn from and of those to test on.
        base_model: The encoder.
        methods: What to compare with the linear model, separated by commas.
        class_weights: "balanced" for fine-tuning and for the head.
        learning_rate: The rate of fine-tuning; that of learning from pairs of texts is fixed.
        max_length: Wordpieces read of each text; 0 for the task's own limit.
        test_rows: How many rows to test on, at most.
        seeds: How many draws.
        threads: How many threads to compute with.
    """
    chosen = choose_methods(methods)
    dataset, numbers = read_rows(source, data, rare, share)
    splits = [draw(dataset, numbers, rows, each, test_rows, seed) for seed in range(seeds)]
    settings = Settings(
        data=source,
        output="unused",
        task=dataset.task.name,
        text_column=data.text_column,
        label_column=data.label_column,
        group_column=data.group_column,
        base_model=base_model,
        class_weights=class_weights,
        learning_rate=learning_rate,
        max_length=max_length,
        threads=threads,
    )
    torch.set_num_threads(threads)
    trials = Trials(settings, dataset)
    rarest = int(np.bincount(labels_of([dataset.examples[row] for row in numbers])).argmin())
    print(f"| method | accuracy | macro-F1 | F1 of {dataset.task.labels[rarest]} |")
    print("|---|---:|---:|---:|")
    for method in ["linear", *chosen]:
        figures = []
        for seed, split in enumerate(splits):
            with timed(f"{method}, draw {seed + 1} of {seeds}"):
                found = trials.predict(method, split, seed)
            figures.append(measure(labels_of(split.test), found, rarest))
        cells = [
            f"{np.mean(c):.3f} ({min(c):.3f} to {max(c):.3f})" for c in zip(*figures, strict=True)
        ]
        print(f"| {method} | {' | '.join(cells)} |", flush=True)


def choose_methods(names: str) -> list[str]:
    """Return the methods that a user names, each once.

    Raises:
        FewRowsError: one does not exist, or there are none.
    """
    methods = [name.strip() for name in names.split(",")]
    if not set(methods) <= set(METHODS):
        raise FewRowsError(f"--methods: give some of {', '.join(METHODS)}, separated by commas")
    return list(dict.fromkeys(methods))


def read_rows(source: str, data: DataOptions, rare: str, share: float) -> tuple[Dataset, list[int]]:
    """Read a file, and return it with the numbers of the rows to draw from.

    Raises:
        DataError: the file cannot be read.
        FewRowsError: texts may have several labels, or there is no such rare label.
    """
    dataset = read(source, data.find_task(), data.read_options())
    numbers = distinct(dataset)
    if dataset.task.is_multi_label:
        raise FewRowsError("texts with several labels are not compared: give one label for each")
    if rare and rare not in dataset.task.labels:
        raise FewRowsError(f"--rare: give one of the labels, {', '.join(dataset.task.labels)}")
    return make_rare(dataset, numbers, rare, share) if rare else (dataset, numbers)


def distinct(dataset: Dataset) -> list[int]:
    """Return the numbers of rows, no two of which share a group or a text."""
    numbers: list[int] = np.unique(clusters_of(dataset.examples), return_index=True)[1].tolist()
    return numbers


def make_rare(
    dataset: Dataset, numbers: list[int], label: str, share: float
) -> tuple[Dataset, list[int]]:
    """Make one label rare, join all others into one, and draw rows in which it has its share."""
    kept = dataset.task.labels.index(label)
    examples = [replace(row, label=int(row.label == kept)) for row in dataset.examples]
    task = with_labels(dataset.task, ("other", label))
    random = np.random.default_rng(0)
    of_label = [[number for number in numbers if examples[number].label == one] for one in (0, 1)]
    others = random.permutation(of_label[0])
    count = min(len(of_label[1]), round(len(others) * share / (1 - share)))
    chosen = random.permutation(of_label[1])[:count]
    others = others[: round(count * (1 - share) / share)]
    return replace(dataset, task=task, examples=examples), [*others.tolist(), *chosen.tolist()]


def draw(dataset: Dataset, numbers: list[int], rows: int, each: int, most: int, seed: int) -> Split:
    """Draw rows to learn from, each label in its share or as often as the others.

    Raises:
        FewRowsError: a label has too few rows to learn from and to be tested with.
    """
    random = np.random.default_rng(seed)
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    labels = labels_of([dataset.examples[number] for number in numbers])
    for label in np.unique(labels):
        of_label = random.permutation(np.array(numbers)[labels == label]).tolist()
        count = max(2, each or round((rows or len(numbers) / 2) * len(of_label) / len(numbers)))
        held_out = max(1, round(VALIDATION * count))
        if len(of_label) <= count:
            raise FewRowsError(
                f"{dataset.task.labels[label]!r} has {len(of_label):,} rows of different groups "
                f"and texts, which leaves none to test with: draw fewer than {count:,} of it"
            )
        parts["validation"] += of_label[:held_out]
        parts["train"] += of_label[held_out:count]
        parts["test"] += of_label[count:]
    parts["test"] = random.permutation(parts["test"])[:most].tolist()
    return Split.select(dataset, RowNumbers(**parts))


class Trials:
    """Tries methods on draws, and keeps what several of them need."""

    def __init__(self, settings: Settings, dataset: Dataset) -> None:
        self._settings, self._dataset = settings, dataset
        self._features: dict[int, NDArray[np.float32]] = {}  # of the frozen encoder, by row
        self._found: dict[tuple[str, int], NDArray[np.int64]] = {}

    def predict(self, method: str, split: Split, seed: int) -> NDArray[np.int64]:
        """Learn from a draw's training rows, and return what is predicted for its test rows."""
        if (method, seed) not in self._found:
            ways: dict[str, Callable[[Split, int], NDArray[np.int64]]] = {
                "linear": self._fit_linear,
                "frozen": self._fit_frozen,
                "fine-tune": partial(self._train, method),
                "contrastive": partial(self._train, method),
                "auto": self._choose,
            }
            self._found[method, seed] = ways[method](split, seed)
        return self._found[method, seed]

    def _fit_linear(self, split: Split, seed: int) -> NDArray[np.int64]:
        """Return what the baseline of every report predicts."""
        fitted = baseline.fit(self._dataset.task, split.train, split.validation, seed)
        return fitted.predict([row.text for row in split.test])

    def _fit_frozen(self, split: Split, seed: int) -> NDArray[np.int64]:
        settings = self._settings.model_copy(update={"method": "frozen", "seed": seed})
        learnt, tested = split.numbers.train, split.numbers.test
        self._read([*learnt, *tested], settings)
        head = torch.nn.Linear(len(self._features[learnt[0]]), len(self._dataset.task.labels))
        fit_features(head, self._stack(learnt), split.train, settings)
        found: NDArray[np.int64] = apply_head(head, self._stack(tested)).argmax(axis=1)
        return found

    def _train(self, method: str, split: Split, seed: int) -> NDArray[np.int64]:
        with self._run(seed, method) as (settings, group):
            trained = train(settings, group, (self._dataset, split))
            logits = Fp32Model(trained.folder).compute_logits(split.test)
        found: NDArray[np.int64] = logits.argmax(axis=1)
        return found

    def _choose(self, split: Split, seed: int) -> NDArray[np.int64]:
        """Return what the method predicts that `auto` chooses."""
        with self._run(seed, "auto") as (settings, group):
            record = begin_record(settings, self._dataset, split, None)
            choice = choose_between_methods(record, self._dataset, split, group)
        return self.predict(choice.settings.method, split, seed)

    @contextmanager
    def _run(self, seed: int, method: str) -> Iterator[tuple[Settings, Group]]:
        """Prepare a run into a folder that is gone afterwards; what it prints goes to stderr."""
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.redirect_stdout(sys.stderr),
            process_group() as group,
        ):
            changes = {"output": folder, "seed": seed, "method": method}
            yield drop_unmet(self._settings.model_copy(update=changes)), group

    def _read(self, numbers: Sequence[int], settings: Settings) -> None:
        """Let the encoder read rows that it has not read before."""
        missing = [number for number in numbers if number not in self._features]
        if not missing:
            return
        rows = [self._dataset.examples[number] for number in missing]
        model, tokenizer = initialise(settings, self._dataset.task, rows)
        assert isinstance(model, EncoderClassifier)  # `initialise` raises otherwise
        windows = encode_windows(tokenizer, [row.text for row in rows], settings)
        device = torch.device("cpu")
        precision = choose_precision(settings.precision, device)
        features = text_model.compute_features(model, windows.token_ids, device, precision)
        self._features |= zip(missing, windows.pool(features, MEAN), strict=True)

    def _stack(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        return np.stack([self._features[number] for number in numbers])


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say on stderr what is done, and how long it took."""
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def measure(
    truth: NDArray[np.int64], found: NDArray[np.int64], rarest: int
) -> tuple[float, float, float]:
    """Return the accuracy, the macro-F1 and the F1 of the rarest label."""
    scores = [
        f1_score(truth, found, average="macro", zero_division=0),
        f1_score(truth == rarest, found == rarest, zero_division=0),
    ]
    return float(accuracy_score(truth, found)), float(scores[0]), float(scores[1])


if __name__ == "__main__":
    try:
        cyclopts.run(main)
    except TextClassifierError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
