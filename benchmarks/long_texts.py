r"""Compare models that read one window of a long text, or several, with one that reads words.

    python -m benchmarks.long_texts build/one build/windows

The folders are those of models that were trained on the same rows, evaluated and exported; each
text has one label. Accuracy is that of the test rows, in fp32. The cost is CPU time per text of the
int8 bundles on one thread, the median of several runs in turn over the same random test rows. The
first row of the table is the linear baseline, which reads all of a text; it is fitted again to
measure its time.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
from cyclopts import Parameter, validators

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from training.data.examples import clusters_of, labels_of
from training.evaluate import baseline
from training.evaluate.intervals import measure_difference
from training.evaluate.predictions import HeldOutPredictions
from training.evaluate.results import PairedComparison
from training.fit.record import require_same_rows
from training.fit.trained_model import BUNDLE, TrainedModel, open_trained_model

Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Predict = Callable[[Sequence[str]], object]


def main(first: Path, /, *others: Path, texts: Count = 200, rounds: Count = 5) -> None:
    """Print the table.

    Args:
        first: Folder of the model that the others are compared with.
        others: Folders of other models.
        texts: How many test rows the time is measured on.
        rounds: How many times each of them is classified.
    """
    models = [open_trained_model(folder) for folder in (first, *others)]
    for model in models[1:]:
        require_same_rows(models[0].record, model.record)
    rows = models[0].rows
    drawn = np.random.default_rng(0).permutation(len(rows.test))[:texts]
    sample = [rows.test[row].text for row in drawn]
    settings = models[0].record.settings
    linear = baseline.fit(models[0].dataset.task, rows.train, rows.validation, settings.seed)
    predictors: list[Predict] = [linear.predict]
    for model in models:
        predictors.append(Classifier.load(read_verified(model.folder / BUNDLE)).predict)
    times = measure_times(predictors, sample, rounds)
    print(f"| {len(rows.test):,} test rows | accuracy | against {first.name} | CPU, ms per text |")
    print("|---|---:|---:|---:|")
    accuracy = np.mean(HeldOutPredictions.read(first).baseline == labels_of(rows.test))
    print(f"| {linear.name}, which reads all | {accuracy:.2%} | | {times[0]:.1f} |")
    for model, milliseconds in zip(models, times[1:], strict=True):
        found = compare(model, models[0])
        difference = describe_difference(found) if model is not models[0] else ""
        print(
            f"| {model.folder.name}: {describe_reading(model)} | {found.accuracy:.2%} | "
            f"{difference} | {milliseconds:.1f} |"
        )


def measure_times(predictors: Sequence[Predict], texts: Sequence[str], rounds: int) -> list[float]:
    """Measure how long each takes for a text, in milliseconds of CPU time."""
    seconds: list[list[float]] = [[] for _ in predictors]
    for _ in range(rounds):
        for number, predict in enumerate(predictors):
            started = time.process_time()
            predict(texts)
            seconds[number].append(time.process_time() - started)
    return [1000 * float(np.median(each)) / len(texts) for each in seconds]


def compare(model: TrainedModel, other: TrainedModel) -> PairedComparison:
    """Compare the labels of two models, in fp32, on their test rows."""
    rows = model.rows.test
    right = [
        HeldOutPredictions.read(each.folder).logits.argmax(axis=1) == labels_of(rows)
        for each in (model, other)
    ]
    return measure_difference(right[0], right[1], clusters_of(rows))


def describe_difference(found: PairedComparison) -> str:
    """Return a difference of accuracies in points, with its interval."""
    low, high = found.difference_interval
    return f"{100 * found.difference:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


def describe_reading(model: TrainedModel) -> str:
    """Say how a model reads long texts."""
    settings, windows = model.record.settings, model.record.windows
    size = f"{settings.max_length or model.dataset.task.max_length} wordpieces"
    if windows is None:
        return f"one window of {size}"
    return f"up to {windows.most} windows of {size}, pooled by {windows.describe()}"


if __name__ == "__main__":
    cyclopts.run(main)
