"""The targets of the training rows: their labels, mixed with what teachers predict.

A teacher's probabilities say which other labels come close for a text, and cast doubt on labels
that are noise (Hinton et al. 2015, https://arxiv.org/abs/1503.02531). A teacher of the student's
own size helps too, and several help more (Furlanello et al. 2018,
https://arxiv.org/abs/1805.04770).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training import metrics
from training.data.examples import DataError, Example, labels_of
from training.fit import distilbert
from training.fit.record import TrainingRecord, hash_weights, require_same_rows
from training.fit.settings import Settings


def hash_teachers(settings: Settings) -> dict[str, str]:
    """Return the SHA-256 of each teacher's weights by the name of its folder.

    Raises:
        DataError: a folder holds no finished model.
    """
    try:
        return {folder.name: hash_weights(folder) for folder in list_teachers(settings)}
    except OSError as error:
        raise DataError(f"no trained model in {error.filename}") from None


def list_teachers(settings: Settings) -> list[Path]:
    """Return the folders of the teachers."""
    return [Path(folder.strip()) for folder in settings.teachers.split(",") if folder.strip()]


def make_targets(
    examples: Sequence[Example],
    record: TrainingRecord,
    device: torch.device,
    precision: torch.dtype | None,
) -> NDArray[np.float32]:
    """Return the probabilities to learn, shape (rows, labels).

    Teachers predict rows that they were trained on. An overfitted teacher's outputs are nearly
    one-hot there, so they add little.

    Args:
        examples: the training rows.
        record: how the student is trained, and by which teachers.
        device: where the teachers run.
        precision: the type of the teachers' matrix products; None for fp32.

    Raises:
        DataError: a teacher was trained on other rows, so it may know those that are held out.
    """
    labels = np.eye(len(record.labels), dtype=np.float32)[labels_of(examples)]
    teachers = list_teachers(record.settings)
    for teacher in teachers:
        require_same_rows(TrainingRecord.read(teacher), record)
    predictions = [_predict(teacher, examples, device, precision) for teacher in teachers]
    if not predictions:
        return labels
    share = record.settings.distillation
    mixed: NDArray[np.float32] = (1 - share) * labels + share * np.mean(predictions, axis=0)
    return mixed.astype(np.float32)


def _predict(
    teacher: Path,
    examples: Sequence[Example],
    device: torch.device,
    precision: torch.dtype | None,
) -> NDArray[np.float64]:
    model, tokenizer = distilbert.load(teacher)
    token_ids = distilbert.encode(tokenizer, [example.text for example in examples])
    logits = distilbert.compute_logits(model.to(device), token_ids, device, precision)
    return metrics.softmax(logits)
