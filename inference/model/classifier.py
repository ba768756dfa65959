"""Classify texts with a loaded bundle. Knows tokenizers and onnxruntime, but not AWS or HTTP."""

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.model.abstention import ANSWERED, Abstention, decide
from inference.model.batches import group_by_length
from inference.model.bundle import MODEL, TOKENIZER, Bundle, BundleError, ClassifierSpec
from inference.model.explanation import (
    Explanation,
    ExplanationError,
    Occlusion,
    find_hiding_token,
)
from inference.model.labelling import Labelling
from inference.model.long_texts import ReadText, read_texts
from inference.model.pooling import pool
from inference.model.windows import SlowTextsError

UNKNOWN = ("[UNK]", "<unk>")  # tokens of everything that a vocabulary lacks, BERT's first


@dataclass(frozen=True)
class Prediction:
    """The probabilities of one text, and how much of the text was read."""

    # By label, in output order. They sum to 1, unless a text may have several labels.
    probabilities: dict[str, float]
    truncated: bool  # whether the text was longer than the model reads
    tokens: int  # wordpieces read, [CLS] and [SEP] included
    unknown_tokens: int = 0  # how many of them the vocabulary lacks
    can_abstain: bool = False  # whether the bundle has thresholds
    abstention: Abstention | None = None  # why not to act on the label
    scope_score: float | None = None  # high for texts unlike those that the model knows
    explanation: Explanation | None = None  # of the label, if it was asked for
    # All labels, the most probable first, if a text may have several or none; None if it has one.
    labels: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """The most probable label; where a text may have several, of those that it has, if any."""
        if self.labels:
            return self.labels[0]
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        """The probability of the label."""
        return self.probabilities[self.label]

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The label or, where a text may have several or none, all of them."""
        return (self.label,) if self.labels is None else self.labels

    @property
    def abstained(self) -> bool | None:
        """Whether the label should not be acted on; None if the bundle has no thresholds."""
        return self.abstention is not None if self.can_abstain else None

    @property
    def outcome(self) -> str | None:
        """One of OUTCOMES; None if the bundle has no thresholds."""
        return (self.abstention or ANSWERED) if self.can_abstain else None


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
                self._tokenizer = open_tokenizer(folder / TOKENIZER, spec.max_length, spec.overlap)
                self._unknown = find_unknown_id(self._tokenizer)
                self._hiding = find_hiding_token(self._tokenizer)
                self._session = session.result()
            # The model must know even the last token of the tokenizer.
            logits, scores = self._run([[self._tokenizer.get_vocab_size() - 1]])
        except Exception as error:  # neither library has a base class for its errors
            raise BundleError(f"cannot load the model: {error}") from error
        if logits.shape != (1, len(spec.labels)):
            outputs, labels = logits.shape[-1], len(spec.labels)
            raise BundleError(f"the model has {outputs} outputs for {labels} labels")
        if not np.isfinite(logits).all():
            raise BundleError("the model's logits are not finite")
        if scores is not None and (scores.shape != (1,) or not np.isfinite(scores).all()):
            raise BundleError("the model's out-of-scope score is not one finite number")

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

    @property
    def labelling(self) -> Labelling | None:
        """How a text gets several labels; None if it gets one."""
        return self._spec.labelling

    @property
    def can_abstain(self) -> bool:
        """Whether the bundle has thresholds, so that predictions say if they abstain."""
        return self._spec.can_abstain

    @property
    def has_windows(self) -> bool:
        """Whether a long text is read in windows, so that it takes several runs of the model."""
        return self._spec.windows is not None

    def predict(self, texts: Sequence[str], seconds: float = math.inf) -> list[Prediction]:
        """Classify texts; the predictions come in the order of the texts.

        Args:
            texts: The texts.
            seconds: After which no more runs of the model are begun.

        Raises:
            SlowTextsError: The texts take longer.
        """
        deadline = time.monotonic() + seconds
        read = self.read(texts)
        token_ids = [text.token_ids for text in read]
        try:
            probabilities, scores = self._measure(token_ids, deadline)
        except TimeoutError:
            raise SlowTextsError(
                "the model cannot read its long texts in time, send fewer or shorter ones"
            ) from None
        return [
            self._judge(
                Prediction(
                    probabilities=dict(zip(self.labels, probabilities[row], strict=True)),
                    truncated=read[row].is_truncated,
                    tokens=sum(map(len, windows)),
                    unknown_tokens=sum(ids.count(self._unknown) for ids in windows),
                    scope_score=scores.get(row),
                )
            )
            for row, windows in enumerate(token_ids)
        ]

    def read(self, texts: Sequence[str]) -> list[ReadText]:
        """Turn texts into the tokens that the model reads of them."""
        return read_texts(self._tokenizer, texts, self._spec.most_windows)

    def explain(
        self,
        texts: Sequence[str],
        predictions: Sequence[Prediction],
        seconds: float = math.inf,
    ) -> list[Explanation]:
        """Return what each word of each text contributes to the label of its prediction.

        Args:
            texts: The texts.
            predictions: The prediction of each.
            seconds: After which no more runs of the model are begun.

        Raises:
            ExplanationError: A text is too long, or all take longer than they may.
        """
        deadline = time.monotonic() + seconds
        plans = [
            Occlusion.plan(text, [(one.ids, one.offsets) for one in read.windows], self._hiding)
            for text, read in zip(texts, self.read(texts), strict=True)
        ]
        variants = [variant for plan in plans for variant in plan.variants]
        try:
            probabilities, _ = self._measure(variants, deadline)
        except TimeoutError:
            raise ExplanationError(
                f"explaining takes longer than {seconds:.0f} s: ask for fewer or shorter texts"
            ) from None
        explanations, start = [], 0
        for plan, prediction in zip(plans, predictions, strict=True):
            label = self.labels.index(prediction.label)
            rows = range(start, start + len(plan.variants))
            shares = [probabilities[row][label] for row in rows]
            explanations.append(plan.explain(prediction.confidence, shares))
            start = rows.stop
        return explanations

    def _measure(
        self, texts: Sequence[Sequence[Sequence[int]]], deadline: float = math.inf
    ) -> tuple[dict[int, list[float]], dict[int, float]]:
        """Compute the probabilities of texts, and their out-of-scope scores, by row.

        Args:
            texts: The windows of each, as token ids.
            deadline: After which no more runs of the model are begun (monotonic).

        Raises:
            TimeoutError: It passed before the last run began.
        """
        probabilities: dict[int, list[float]] = {}  # by row
        scores: dict[int, float] = {}  # by row, if the bundle has an out-of-scope limit
        windows, rows_of = _list_windows(texts)
        logits: dict[int, list[float]] = {}  # by window
        window_scores: dict[int, float] = {}
        for rows in group_by_length([len(ids) for ids in windows]):
            if time.monotonic() > deadline:
                raise TimeoutError
            batch, of_batch = self._run([windows[row] for row in rows])
            logits.update(zip(rows, batch.tolist(), strict=True))
            if of_batch is not None:
                window_scores.update(zip(rows, of_batch.tolist(), strict=True))
        for text, of_text in enumerate(rows_of):
            pooled = self._pool([logits[row] for row in of_text])
            probabilities[text] = self._to_probabilities(pooled)
            if window_scores:
                scores[text] = sum(window_scores[row] for row in of_text) / len(of_text)
        return probabilities, scores

    def _pool(self, logits: list[list[float]]) -> list[float]:
        """Pool the logits of a text's windows."""
        if self._spec.windows is None or len(logits) == 1:
            return logits[0]
        first = np.zeros(1, np.intp)  # each text alone, so that its answer depends on no other
        pooled = pool(np.array(logits), first, self._spec.windows.sharpness)
        of_text: list[float] = pooled[0].tolist()
        return of_text

    def _to_probabilities(self, logits: Sequence[float]) -> list[float]:
        if self._spec.labelling is None:
            return _softmax(logits, self._spec.temperature)
        return self._spec.labelling.to_probabilities(logits, self.labels)

    def _judge(self, prediction: Prediction) -> Prediction:
        """Add the labels, if there may be several, and whether to act on the label."""
        if self._spec.labelling is not None:
            labels = self._spec.labelling.choose(prediction.probabilities)
            prediction = replace(prediction, labels=labels)
        if not self._spec.can_abstain:
            return prediction
        reason = decide(
            prediction.label,
            prediction.confidence,
            prediction.scope_score,
            self._spec.label_thresholds,
            self._spec.out_of_scope,
        )
        return replace(prediction, can_abstain=True, abstention=reason)

    def _run(
        self, token_ids: Sequence[Sequence[int]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Compute the logits of texts of equal length, shape (texts, labels).

        If the bundle has an out-of-scope limit, the second value is the score of each text.
        """
        outputs: list[NDArray[np.float32]]
        outputs = self._session.run(None, {"input_ids": np.array(token_ids, np.int64)})
        logits, scope = outputs[0], self._spec.out_of_scope
        if scope is None:
            return logits, None
        return logits, _energy(logits) if scope.score == "energy" else outputs[1]


def open_tokenizer(path: Path, max_length: int, overlap: int = 0) -> Tokenizer:
    """Open a tokenizer that cuts texts to this many wordpieces, at the side that its file says.

    What it cuts off overflows, in windows that overlap by so many wordpieces.
    """
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    direction = (tokenizer.truncation or {}).get("direction", "right")
    tokenizer.enable_truncation(max_length, stride=overlap, direction=direction)
    return tokenizer


def find_unknown_id(tokenizer: Tokenizer) -> int:
    """Return the id of the token for what the vocabulary lacks; -1 if it lacks nothing."""
    ids = [tokenizer.token_to_id(token) for token in UNKNOWN]
    return next((token_id for token_id in ids if token_id is not None), -1)


def _open_session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    # A headline is too little work to share, and waiting threads would spin on Lambda's share of
    # a CPU. On several cores, one classifier per core is faster than one for all.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _list_windows(
    texts: Sequence[Sequence[Sequence[int]]],
) -> tuple[list[Sequence[int]], list[Sequence[int]]]:
    """List the windows of all texts, and the rows of each text in this list.

    The variants of a text in several windows have most of these in common, so each is listed once.
    """
    windows: list[Sequence[int]] = []
    rows_of: list[Sequence[int]] = []
    seen: dict[tuple[int, ...], int] = {}
    for text in texts:
        rows = []
        for ids in text:
            row = len(windows) if len(text) == 1 else seen.setdefault(tuple(ids), len(windows))
            if row == len(windows):
                windows.append(ids)
            rows.append(row)
        rows_of.append(rows)
    return windows, rows_of


def _softmax(logits: Sequence[float], temperature: float) -> list[float]:
    # For so few numbers, plain Python is faster than numpy.
    greatest = max(logits)
    exponentials = [math.exp((logit - greatest) / temperature) for logit in logits]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]


def _energy(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    greatest = logits.max(axis=1)
    energies: NDArray[np.float32] = -greatest - np.log(np.exp(logits.T - greatest).sum(axis=0))
    return energies
