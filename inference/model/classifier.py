"""Classify texts with a loaded bundle. Knows tokenizers and onnxruntime, but not AWS or HTTP."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.model.bundle import MODEL, TOKENIZER, Bundle, BundleError, ClassifierSpec
from inference.model.long_texts import encode_texts, is_truncated

BATCH_TOKENS = 384  # in one run of the model; more is slower per text on one core
UNKNOWN = "[UNK]"  # the token of everything that the vocabulary lacks


@dataclass(frozen=True)
class Prediction:
    """The probabilities of one text, and how much of the text was read."""

    probabilities: dict[str, float]  # by label, in output order; they sum to 1
    truncated: bool  # whether the text was longer than the model reads
    tokens: int  # wordpieces read, [CLS] and [SEP] included
    unknown_tokens: int = 0  # how many of them the vocabulary lacks

    @property
    def label(self) -> str:
        """The most probable label."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        """The probability of the label."""
        return self.probabilities[self.label]


class Classifier:
    """A bundle, loaded into memory."""

    def __init__(self, folder: Path, spec: ClassifierSpec, version: str) -> None:
        """Load the model and the tokenizer in a folder.

        Raises:
            BundleError: The files do not make a classifier with the labels of the spec.
        """
        self.version = version
        self._spec = spec
        try:
            with ThreadPoolExecutor(1) as background:  # onnxruntime releases the GIL
                session = background.submit(_open_session, folder / MODEL)
                self._tokenizer = _open_tokenizer(folder / TOKENIZER, spec.max_length)
                self._unknown = self._tokenizer.token_to_id(UNKNOWN)
                self._session = session.result()
            # The model must know even the last token of the tokenizer.
            logits = self._run([[self._tokenizer.get_vocab_size() - 1]])
        except Exception as error:  # neither library has a base class for its errors
            raise BundleError(f"cannot load the model: {error}") from error
        if logits.shape != (1, len(spec.labels)):
            outputs, labels = logits.shape[-1], len(spec.labels)
            raise BundleError(f"the model has {outputs} outputs for {labels} labels")
        if not np.isfinite(logits).all():
            raise BundleError("the model's logits are not finite")

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Load a verified bundle.

        Raises:
            BundleError: The files are the right ones, and still do not make a classifier.
        """
        return cls(bundle.folder, bundle.manifest, bundle.version)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in output order."""
        return self._spec.labels

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Classify texts; the predictions come in the order of the texts."""
        encodings = encode_texts(self._tokenizer, texts)
        token_ids = [encoding.ids for encoding in encodings]  # the property copies its list
        probabilities: dict[int, list[float]] = {}  # by row
        for rows in _batches([len(ids) for ids in token_ids]):
            batch = self._run([token_ids[row] for row in rows]).tolist()
            for row, logits in zip(rows, batch, strict=True):
                probabilities[row] = _softmax(logits, self._spec.temperature)
        return [
            Prediction(
                probabilities=dict(zip(self.labels, probabilities[row], strict=True)),
                truncated=is_truncated(texts[row], encoding),
                tokens=len(ids),
                unknown_tokens=ids.count(self._unknown),
            )
            for row, (ids, encoding) in enumerate(zip(token_ids, encodings, strict=True))
        ]

    def _run(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Compute the logits of texts of equal length, shape (texts, labels)."""
        inputs = {"input_ids": np.array(token_ids, np.int64)}
        logits: NDArray[np.float32] = self._session.run(None, inputs)[0]
        return logits


def _open_tokenizer(path: Path, max_length: int) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    direction = (tokenizer.truncation or {}).get("direction", "right")
    tokenizer.enable_truncation(max_length, direction=direction)
    return tokenizer


def _open_session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    # A headline is too little work to share, and waiting threads would spin on Lambda's share of
    # a CPU. On several cores, one classifier per core is faster than one for all.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield row numbers in batches of equal length, so that nothing needs padding."""
    by_length: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        by_length.setdefault(length, []).append(row)
    for length, rows in sorted(by_length.items()):
        size = max(1, BATCH_TOKENS // length)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


def _softmax(logits: Sequence[float], temperature: float) -> list[float]:
    # For so few numbers, plain Python is faster than numpy.
    greatest = max(logits)
    exponentials = [math.exp((logit - greatest) / temperature) for logit in logits]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]
