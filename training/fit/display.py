"""What a training run shows while it runs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tqdm import tqdm

from inference.model.windows import Windows
from inference.tables.describe import describe_bad_rows, describe_balance, describe_reading
from inference.tables.rows import Reject
from training.data.examples import LONGEST_TEXT, Dataset, list_labels
from training.data.read import count_bad_rows
from training.data.split import LEAST_TEST_ROWS, Split, explain_few_rows
from training.data.unlabelled import Unlabelled
from training.fit.epoch_rows import EpochRows
from training.fit.process_group import Group
from training.fit.record import MANY_CUT, MANY_UNKNOWN
from training.fit.settings import Settings
from training.fit.training_state import Progress
from training.fit.training_texts import TrainingTexts
from training.labels.names import name_some
from training.tasks import Task

SMOOTHING = 0.99  # of the loss that is shown


class Display:
    """A progress bar with the smoothed loss, and a line for each validation.

    Only the leader of the group shows anything.
    """

    def __init__(
        self, progress: Progress, total: int, group: Group, *, is_trial: bool = False
    ) -> None:
        self._total = total
        self._leads = group.leads and not is_trial
        self._loss, self._weight = 0.0, 0.0
        # Without the argument, TQDM_DISABLE in the environment decides.
        hidden: dict[str, Any] = {} if group.leads else {"disable": True}
        self._bar = tqdm(
            total=total,
            initial=progress.step,
            desc="try" if is_trial else "train",
            leave=not is_trial,
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
        self._loss = SMOOTHING * self._loss + (1 - SMOOTHING) * loss
        self._weight = SMOOTHING * self._weight + (1 - SMOOTHING)
        self._bar.set_postfix(loss=f"{self.loss:.4f}", f1=f"{progress.best:.4f}", refresh=False)
        self._bar.update()

    @property
    def loss(self) -> float:
        """The mean of the last losses; the first steps weigh no more than others.

        An exponential mean that starts at 0 or at the first loss is biased towards it; dividing by
        the sum of the weights corrects that (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980).
        """
        return self._loss / self._weight if self._weight else math.nan

    def show_validation(self, progress: Progress) -> None:
        """Print the result of the last validation."""
        if self._leads:
            step, f1 = progress.history[-1]
            self._bar.write(
                f"step {step}/{self._total}: loss {self.loss:.4f}, validation macro-F1 {f1:.4f}"
            )

    def show_early_stop(self, progress: Progress) -> None:
        """Say that the run ends before its last step, and why."""
        if self._leads:
            self._bar.write(
                f"stopped early at step {progress.step} of {self._total}: the last "
                f"{progress.stale} validations were no better than the best (--patience)"
            )


def describe_files(
    data: str, dataset: Dataset, unlabelled: Unlabelled | None, listed_in: Path
) -> None:
    """Print how the files were read, and what became of every row.

    Args:
        data: the data file.
        dataset: its rows, and those of new files.
        unlabelled: the texts without labels, if there are any.
        listed_in: the file that lists all rows that cannot be used.
    """
    if dataset.layout:
        print(describe_reading(data, dataset.layout, dataset.note))
    _describe_bad_rows(data, dataset.file_rows, dataset.rejects, listed_in)
    for file in dataset.new_files:
        if file.rejects:
            _describe_bad_rows(file.name, file.rows + file.held_out, file.rejects, listed_in)
    if unlabelled:
        location, rejects = unlabelled.location, unlabelled.rejects
        print(describe_reading(location, unlabelled.layout, unlabelled.note))
        _describe_bad_rows(location, unlabelled.rows - len(rejects), rejects, listed_in)


def _describe_bad_rows(
    location: str, usable: int, rejects: Sequence[Reject], listed_in: Path
) -> None:
    bad_rows = count_bad_rows(rejects, location)
    print(describe_balance(usable, "usable", bad_rows))
    if bad_rows.count:
        print(describe_bad_rows(bad_rows, str(listed_in)))


def describe_rows(dataset: Dataset, rows: Split, unlabelled: Unlabelled | None = None) -> None:
    """Print what became of every row, and which labels cannot be tested."""
    labels = dataset.task.labels
    print(
        f"{dataset.task.name} ({name_some(labels)}): {len(rows.train):,} training, "
        f"{len(rows.validation):,} validation, {len(rows.test):,} test rows"
    )
    for reason in (*dataset.hints, *list_left_out(dataset, rows)):
        print(f"note: {reason}")
    if dataset.task.is_multi_label:
        print(_describe_answers(dataset))
    for file in dataset.new_files:
        if file.problem:
            print(f"note: set aside: {file.problem}")
    tested = {label for example in rows.test for label in list_labels(example)}
    untested = [label for number, label in enumerate(labels) if number not in tested]
    if untested:
        names = repr(untested[0]) if len(untested) == 1 else f"any of {name_some(untested)}"
        print(f"note: no test row is labelled {names}, so its F1 counts as 0")
    if len(rows.test) < LEAST_TEST_ROWS:
        print(f"note: {explain_few_rows(len(rows.test))}")
    if unlabelled:
        print(_account_for(unlabelled))


def _describe_answers(dataset: Dataset) -> str:
    """Say how many labels the texts have, where they may have several."""
    counts = [len(list_labels(example)) for example in dataset.examples]
    return (
        f"each text may have several labels: {sum(counts) / len(counts):.1f} on average, "
        f"{max(counts)} at most, none in {counts.count(0):,} of {len(counts):,} texts"
    )


def _account_for(unlabelled: Unlabelled) -> str:
    """Say what became of all texts of a file without labels."""
    left_out = unlabelled.left_out
    reasons = [
        (left_out.held_out, "held out for validation or testing"),
        (left_out.labelled, "in the training rows already"),
        (left_out.repeated, "repeated"),
        (left_out.blank, "blank"),
    ]
    parts = [f"{len(unlabelled.examples):,} to learn from"]
    parts += [f"{count:,} {what}" for count, what in reasons if count]
    texts = unlabelled.rows - len(unlabelled.rejects)
    return f"{unlabelled.name}: {texts:,} texts without labels = {' + '.join(parts)}"


def describe_epochs(chosen: float, settings: Settings, epochs: EpochRows) -> None:
    """Say how many rows an epoch has if not all, and if a run takes more epochs than usual."""
    if epochs.most:
        rows = "1 row" if epochs.most == 1 else f"{epochs.most:,} rows"
        print(
            f"an epoch has {epochs.count:,} rows, at most {rows} of each group, drawn anew for "
            f"each: {epochs.count_steps(settings.batch_size):,} steps"
        )
    if settings.epochs > chosen:
        print(
            f"note: few rows make few steps, so there are {settings.epochs:g} epochs instead of "
            f"{chosen:g}; --epochs sets another number"
        )


def list_left_out(dataset: Dataset, rows: Split) -> list[str]:
    """Say how many rows are in no part of the split, one sentence for each reason."""
    held_out = sum(file.held_out for file in dataset.new_files)
    reasons = [
        (rows.dropped.repeated, "repeat the text and the label of another training row"),
        (rows.dropped.learnt, "would be held out, but their text is in a training row"),
        (held_out, "are new, but the data set holds out their text"),
        (dataset.not_sampled, "are not in the sample that --max-rows draws"),
    ]
    left_out = [f"{count:,} rows are left out: they {why}" for count, why in reasons if count]
    if dataset.cut_texts:
        left_out.append(
            f"{dataset.cut_texts:,} texts are cut to the {LONGEST_TEXT:,} characters that the API "
            "accepts (MAX_CHARACTERS)"
        )
    return left_out


def describe_texts(texts: TrainingTexts, task: Task, max_length: int) -> None:
    """Warn if the model cannot read much of the texts."""
    if texts.unknown > MANY_UNKNOWN:
        print(
            f"warning: {texts.unknown:.0%} of the wordpieces are unknown to the base model, so it "
            "cannot tell many texts apart: give a --base-model for this language"
        )
    if texts.cut > MANY_CUT:
        limit = f"{max_length} wordpieces"
        remedy = "raise --max-length (up to 512), or give --long-texts windows to read all of them"
        if texts.windows.has_several:
            limit = f"{texts.windows.most} windows of {limit}"
            remedy = "raise --max-windows to read more of them"
        end = "beginning" if task.truncation_side == "left" else "end"
        print(
            f"warning: {texts.cut:.0%} of the texts have more than {limit} and "
            f"lose their {end}: {remedy}"
        )


def describe_result(
    progress: Progress, output: Path, windows: Windows | None, settings: Settings
) -> None:
    """Print how good the model is on the validation rows, and where it is."""
    if windows:
        print(f"the answers to a text's windows are pooled by {windows.describe()}")
    print(f"best validation macro-F1 {progress.best:.4f}; model in {output}")
    if progress.best == 0:
        remedy = "train longer (--epochs), with a higher --learning-rate,"
        if settings.fits_head:
            remedy = "fine-tune encoder and head together (--method fine-tune),"
        print(f"warning: the model gets no validation row right: {remedy} or learn from more rows")
