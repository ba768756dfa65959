"""The targets of the training rows: their labels, mixed with what teachers predict.

A teacher's probabilities say which other labels come close for a text, and cast doubt on labels
that are noise (Hinton et al. 2015, https://arxiv.org/abs/1503.02531). A teacher of the student's
own size helps too, and several help more (Furlanello et al. 2018,
https://arxiv.org/abs/1805.04770). A text without a label has their predictions as its only target.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inference.model.bundle import read_verified
from training import metrics, multi_label
from training.data.examples import DataError, Example, has_answer, multi_hot
from training.fit.bundle_teacher import ask_bundle
from training.fit.process_group import Group
from training.fit.record import (
    TrainingRecord,
    hash_weights,
    is_bundle,
    read_bundle_record,
    require_held_out,
)
from training.fit.settings import Settings
from training.fit.teacher_answers import Answers, ask_teacher


@dataclass(frozen=True)
class Targets:
    """What to learn of each row.

    The outcomes are the labels or, where each label applies or not on its own, first that every
    label applies and then that every label does not: (rows, 2 * labels).
    """

    labels: NDArray[np.float32]  # probabilities, (rows, outcomes)
    # What teachers add to the labels at another temperature, (rows, outcomes); None at 1, where
    # the sum of both parts is in ``labels``.
    softened: NDArray[np.float32] | None = None
    states: NDArray[np.float16] | None = None  # of the teachers one after the other, (rows, size)

    @property
    def state_size(self) -> int:
        """The size of a row's states."""
        return 0 if self.states is None else self.states.shape[1]


def hash_teachers(settings: Settings) -> dict[str, str]:
    """Return the SHA-256 of each teacher's weights, or its version, by the name of its folder.

    The second folder of a name counts as NAME-2.

    Raises:
        DataError: a folder holds no finished model.
        BundleError: a bundle is incomplete or altered.
    """
    folders = list_teachers(settings)
    seen: Counter[str] = Counter()
    names = []
    for folder in folders:
        seen[folder.name] += 1
        names.append(f"{folder.name}-{seen[folder.name]}" if seen[folder.name] > 1 else folder.name)
    try:
        return {name: _identify(folder) for name, folder in zip(names, folders, strict=True)}
    except OSError as error:
        raise DataError(f"no trained model in {error.filename}, and no bundle either") from None


def _identify(teacher: Path) -> str:
    return read_verified(teacher).version if is_bundle(teacher) else hash_weights(teacher)


def list_teachers(settings: Settings) -> list[Path]:
    """Return the folders of the teachers."""
    return [Path(folder.strip()) for folder in settings.teachers.split(",") if folder.strip()]


def make_targets(
    examples: Sequence[Example],
    rows: NDArray[np.intp],
    record: TrainingRecord,
    group: Group,
    precision: torch.dtype | None,
) -> Targets:
    """Return what to learn of each row; every process of the group calls this.

    Teachers predict rows that they were trained on. An overfitted teacher's outputs are nearly
    one-hot there, so they add little.

    Args:
        examples: the training rows.
        rows: the numbers of those that teachers answer; the others have only their labels.
        record: how the student is trained, and by which teachers.
        group: the processes that share the teachers' work.
        precision: the type of the teachers' matrix products; None for fp32.

    Raises:
        DataError: a teacher may know rows that are held out, or answers with other labels; or
            states are wanted, and no teacher has any.
        BundleError: a bundle is incomplete or altered.
    """
    settings = record.settings
    is_unlabelled = np.array([not has_answer(example) for example in examples])
    labels = multi_hot(examples, len(record.labels)).astype(np.float32)
    if settings.is_multi_label:
        labels = np.hstack([labels, 1 - labels])
        labels[is_unlabelled] = 0
    answers = _ask_teachers([examples[row].text for row in rows], record, group, precision)
    if not answers:
        return Targets(_smooth(labels, 1.0, settings))
    temperature = settings.distillation_temperature
    shares = np.zeros((len(examples), 1))  # of the target, from the teachers
    shares[rows] = settings.distillation
    labels = ((1 - shares) * labels).astype(np.float32)
    shares[is_unlabelled] = 1
    softened = np.zeros(labels.shape)
    probabilities = [_read_answers(each.logits, temperature, settings) for each in answers]
    softened[rows] = np.mean(probabilities, axis=0)
    softened *= shares
    states = _join_states(answers, rows, len(examples)) if settings.embedding_loss else None
    if temperature == 1:
        return Targets(_smooth(labels + softened, 1.0, settings), None, states)
    smoothed = _smooth(labels, 1 - shares, settings)
    return Targets(smoothed, _smooth(softened, shares, settings), states)


def _read_answers(
    logits: NDArray[np.float32], temperature: float, settings: Settings
) -> NDArray[np.float64]:
    """Return the probability that a teacher gives each outcome."""
    if not settings.is_multi_label:
        return metrics.softmax(logits, temperature)
    probabilities = multi_label.sigmoid(logits, temperature)
    return np.hstack([probabilities, 1 - probabilities])


def _smooth(
    part: NDArray[np.floating], shares: NDArray[np.float64] | float, settings: Settings
) -> NDArray[np.float32]:
    """Spread a part of the targets, whose rows sum to these shares, over all labels.

    Where each label applies or not on its own, it is spread over these two outcomes.
    """
    smoothing = settings.label_smoothing
    part = part.astype(np.float32)
    outcomes = 2 if settings.is_multi_label else part.shape[1]
    smoothed = part * (1 - smoothing) + shares * smoothing / outcomes
    result: NDArray[np.float32] = smoothed.astype(np.float32)
    return result


def _join_states(
    answers: Sequence[Answers], rows: NDArray[np.intp], count: int
) -> NDArray[np.float16]:
    """Return the states of all teachers one after the other, zeros for other rows."""
    sizes = [answer.states.shape[1] for answer in answers]
    states = np.zeros((count, sum(sizes)), np.float16)
    for answer, end, size in zip(answers, np.cumsum(sizes), sizes, strict=True):
        states[rows, end - size : end] = answer.states
    return states


def _ask_teachers(
    texts: Sequence[str], record: TrainingRecord, group: Group, precision: torch.dtype | None
) -> list[Answers]:
    teachers = list_teachers(record.settings)
    for teacher in teachers:
        _require_fitting(teacher, record)
    with_states = record.settings.embedding_loss > 0
    if with_states and all(map(is_bundle, teachers)):
        raise DataError(
            "--embedding-loss compares states, and bundles have none: give --teachers the folder "
            "of a trained model, too"
        )
    return [
        ask_bundle(one, texts, group)
        if is_bundle(one)
        else ask_teacher(one, texts, group, precision, with_states=with_states)
        for one in teachers
    ]


def _require_fitting(teacher: Path, record: TrainingRecord) -> None:
    """Refuse a teacher that answers with other labels, or may know rows that are held out."""
    found = read_bundle_record(teacher) if is_bundle(teacher) else TrainingRecord.read(teacher)
    if differences := _compare_labels(found.labels, record.labels):
        raise DataError(f"teacher {teacher} has other labels than the data: {differences}")
    if found.settings.is_multi_label != record.settings.is_multi_label:
        raise DataError(f"only one of teacher {teacher} and the data gives a text several labels")
    require_held_out(record, found)


def _compare_labels(found: Sequence[str], wanted: Sequence[str]) -> str:
    """Say how a teacher's labels differ from those that are wanted; nothing if they do not."""
    differences = []
    if more := [label for label in found if label not in wanted]:
        differences.append(f"it also has {', '.join(more)}")
    if fewer := [label for label in wanted if label not in found]:
        differences.append(f"it lacks {', '.join(fewer)}")
    if not differences and tuple(found) != tuple(wanted):
        differences.append(f"{', '.join(found)} instead of {', '.join(wanted)}")
    return ", and ".join(differences)
