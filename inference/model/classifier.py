"""Texts to probabilities. Knows tokenizers and onnxruntime, nothing of AWS or HTTP."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.model.bundle import MODEL, TOKENIZER, BundleError, Manifest

# Tokens in one run of the model: more is slower per text on one core.
BATCH_TOKENS = 384
UNKNOWN = "[UNK]"  # the wordpiece of all that has none


@dataclass(frozen=True)
class Prediction:
    """The probabilities of one text, and how much of it was read."""

    probabilities: dict[str, float]  # by label, in output order; they sum to 1
    truncated: bool  # whether a part was cut off
    tokens: int  # wordpieces read, [CLS] and [SEP] included
    unknown_tokens: int = 0  # of them, those that the vocabulary lacks

    @property
    def label(self) -> str:
        """The most probable label."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        """The probability of the label."""
        return self.probabilities[self.label]


class Classifier:
    """A loaded bundle."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Load the model and tokenizer of a verified bundle.

        Raises:
            BundleError: the files are genuine and yet no classifier.
        """
        self.manifest = manifest
        try:
            with ThreadPoolExecutor(1) as background:  # onnxruntime lets go of the GIL
                session = background.submit(_session, folder / MODEL)
                self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
                self._tokenizer.no_padding()
                direction = (self._tokenizer.truncation or {}).get("direction", "right")
                self._tokenizer.enable_truncation(manifest.max_length, direction=direction)
                self._unknown = self._tokenizer.token_to_id(UNKNOWN)
                self._session = session.result()
            # The tokenizer's last token is one that the model must know.
            logits = self._run([[self._tokenizer.get_vocab_size() - 1]])
        except Exception as error:  # neither library has a base class for its errors
            raise BundleError(f"cannot load the model: {error}") from error
        if logits.shape != (1, len(manifest.labels)):
            outputs, labels = logits.shape[-1], len(manifest.labels)
            raise BundleError(f"the model has {outputs} outputs for {labels} labels")
        if not np.isfinite(logits).all():
            raise BundleError("the model's logits are not finite")

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Classify texts; the answers are in the order of the texts."""
        encodings = self._tokenizer.encode_batch(list(texts))
        token_ids = [encoding.ids for encoding in encodings]  # each time a new list
        probabilities: dict[int, list[float]] = {}  # by row
        for rows in _batches([len(ids) for ids in token_ids]):
            batch = self._run([token_ids[row] for row in rows]).tolist()
            for row, logits in zip(rows, batch, strict=True):
                probabilities[row] = _softmax(logits, self.manifest.temperature)
        return [
            Prediction(
                dict(zip(self.manifest.labels, probabilities[row], strict=True)),
                bool(encoding.overflowing),
                len(ids),
                ids.count(self._unknown),
            )
            for row, (ids, encoding) in enumerate(zip(token_ids, encodings, strict=True))
        ]

    def _run(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """The logits of texts of one length, shape (texts, labels)."""
        inputs = {"input_ids": np.array(token_ids, np.int64)}
        logits: NDArray[np.float32] = self._session.run(None, inputs)[0]
        return logits


def _session(model: Path) -> Any:
    options = onnxruntime.SessionOptions()
    # A headline is too little work to share, and waiting threads would spin on Lambda's CPU
    # share; where there are more cores, a classifier a core is faster.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers in batches of equal length, so that no token is padding."""
    by_length: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        by_length.setdefault(length, []).append(row)
    for length, rows in sorted(by_length.items()):
        size = max(1, BATCH_TOKENS // length)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


def _softmax(logits: Sequence[float], temperature: float) -> list[float]:
    # For so few numbers, Python itself is faster than numpy.
    greatest = max(logits)
    exponentials = [math.exp((logit - greatest) / temperature) for logit in logits]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]
