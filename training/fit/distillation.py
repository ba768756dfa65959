"""What a training row should be answered with: its label, or teachers' answers beside it.

A teacher's probabilities say of each text which labels come close, and doubt labels that are
noise (Hinton et al. 2015, https://arxiv.org/abs/1503.02531); a teacher of the student's own size
helps too, and several more so (Furlanello et al. 2018, https://arxiv.org/abs/1805.04770).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.examples import DataError, Dataset, Example, labels_of
from training.data.split import Split
from training.evaluate import metrics
from training.fit import distilbert
from training.fit.record import read_record, record, require_same_rows, weights_sha256
from training.fit.settings import Settings


def digests(settings: Settings) -> dict[str, str]:
    """The SHA-256 of each teacher's weights, by the name of its folder.

    Raises:
        DataError: a folder holds no finished model.
    """
    try:
        return {folder.name: weights_sha256(folder) for folder in _folders(settings)}
    except OSError as error:
        raise DataError(f"no trained model in {error.filename}") from None


def _folders(settings: Settings) -> list[Path]:
    return [Path(folder.strip()) for folder in settings.teachers.split(",") if folder.strip()]


def targets(
    rows: Split,
    dataset: Dataset,
    settings: Settings,
    device: torch.device,
    precision: torch.dtype | None,
) -> NDArray[np.float32]:
    """The probability that each training row should give to each label, shape (rows, labels).

    Teachers answer rows that they have learnt, so one that knows them by heart teaches no doubt.

    Raises:
        DataError: a teacher was not trained on these very rows, so may know the ones held out.
    """
    truth = np.eye(len(dataset.task.labels), dtype=np.float32)[labels_of(rows.train)]
    teachers = _folders(settings)
    for teacher in teachers:
        require_same_rows(read_record(teacher), record(settings, dataset, rows))
    answers = [_answers(teacher, rows.train, device, precision) for teacher in teachers]
    if not answers:
        return truth
    share = settings.distillation
    mixed: NDArray[np.float32] = (1 - share) * truth + share * np.mean(answers, axis=0)
    return mixed.astype(np.float32)


def _answers(
    teacher: Path,
    rows: Sequence[Example],
    device: torch.device,
    precision: torch.dtype | None,
) -> NDArray[np.float64]:
    model, tokenizer = distilbert.load(teacher)
    token_ids = distilbert.encode(tokenizer, [row.text for row in rows])
    scores = distilbert.logits(model.to(device), token_ids, device, precision)
    return metrics.softmax(scores)
