"""The trained model as PyTorch runs it, in fp32."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.examples import Example
from training.fit import text_model
from training.fit.record import TrainingRecord
from training.fit.windows import ONE_WINDOW, TextWindows


class Fp32Model:
    """A trained model, on a GPU if there is one."""

    def __init__(self, folder: Path) -> None:
        self._model, self._tokenizer = text_model.load(folder)
        self._windows = TrainingRecord.read(folder).windows or ONE_WINDOW
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model.to(self._device)

    def compute_logits(self, rows: Sequence[Example]) -> NDArray[np.float32]:
        """Compute the logits of rows, shape (rows, labels)."""
        texts = [row.text for row in rows]
        windows = TextWindows.encode(self._tokenizer, texts, self._windows.most)
        logits = text_model.compute_logits(self._model, windows.token_ids, self._device)
        return windows.pool(logits, self._windows.sharpness)
