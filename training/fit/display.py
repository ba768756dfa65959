"""What a training run shows while it runs."""

import math
from typing import Any, Self

from tqdm import tqdm

from training.data.examples import Dataset
from training.data.split import Split
from training.fit.process_group import Group
from training.fit.training_state import Progress


class Display:
    """A progress bar with the smoothed loss, and a line for each validation.

    Only the leader of the group shows anything.
    """

    def __init__(self, progress: Progress, total: int, group: Group) -> None:
        self._total = total
        self._leads = group.leads
        self._loss = math.nan
        # Without the argument, TQDM_DISABLE in the environment decides.
        hidden: dict[str, Any] = {} if group.leads else {"disable": True}
        self._bar = tqdm(
            total=total,
            initial=progress.step,
            desc="train",
            unit="step",
            dynamic_ncols=True,
            **hidden,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show_step(self, progress: Progress, loss: float) -> None:
        """Advance the bar by one step."""
        self._loss = loss if math.isnan(self._loss) else 0.99 * self._loss + 0.01 * loss
        self._bar.update()
        self._bar.set_postfix(loss=f"{self._loss:.4f}", f1=f"{progress.best:.4f}")

    def show_validation(self, progress: Progress, f1: float) -> None:
        """Print the result of a validation."""
        if self._leads:
            self._bar.write(
                f"step {progress.step}/{self._total}: "
                f"loss {self._loss:.4f}, validation macro-F1 {f1:.4f}"
            )


def describe_rows(dataset: Dataset, rows: Split) -> None:
    """Print the sizes of the split, and which labels cannot be tested."""
    labels = dataset.task.labels
    print(
        f"{dataset.task.name} ({', '.join(labels)}): {len(rows.train):,} training, "
        f"{len(rows.validation):,} validation, {len(rows.test):,} test rows"
    )
    tested = {example.label for example in rows.test}
    for number, label in enumerate(labels):
        if number not in tested:
            print(f"note: no test row is labelled {label!r}, so its F1 will count as 0")
