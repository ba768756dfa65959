"""Fine-tune an encoder on pairs of texts, so that a head fitted to few rows tells them apart.

Texts of the same label are brought closer together, and those of different labels apart. A few
rows make many pairs, so an encoder learns more from them than from their labels alone (SetFit,
Tunstall et al. 2022, https://arxiv.org/abs/2209.11055).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import mse_loss
from tqdm import tqdm

from inference.errors import InterruptedRunError, TextClassifierError
from training.data.examples import Example, multi_hot
from training.fit.batches import pad
from training.fit.class_weights import weigh_outcomes
from training.fit.encoder import EncoderClassifier
from training.fit.interrupts import stop_requests
from training.fit.process_group import Group
from training.fit.settings import Settings
from training.fit.windows import TextWindows, encode_windows

PAIRS = 16  # in a step, half of them of texts with the same labels
STEPS_OF_ROW = 2.5  # so that each row begins 20 pairs of each kind, as in SetFit
LEAST_STEPS, MOST_STEPS = 60, 300
RATE = 2e-5
WARM_UP = 0.1  # share of the steps
DECAY = 0.01
MAX_NORM = 1.0
AGAIN = "give the same command again"


class PairsError(TextClassifierError):
    """Pairs of these rows cannot teach an encoder; the message says why, and what to do."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}; {remedy}" if remedy else reason)
        self.reason = reason


@dataclass(frozen=True)
class Pairs:
    """Draws pairs of rows that have the same labels, and of rows that have none in common.

    A text without labels may be about anything, so two of them make no pair.
    """

    hot: NDArray[np.bool_]  # (rows, labels)
    kinds: NDArray[np.intp]  # equal for rows of the same labels, (rows,)
    shares: NDArray[np.float64]  # how likely each row is drawn, (rows,)

    @classmethod
    def of(cls, rows: Sequence[Example], labels: int, settings: Settings) -> Self:
        """Compare the labels of rows; with balanced weights, rare ones are drawn as often."""
        hot = multi_hot(rows, labels)
        kinds = np.unique(hot, axis=0, return_inverse=True)[1].reshape(-1)
        kinds = np.where(hot.any(axis=1), kinds, len(rows) + np.arange(len(rows)))
        weights = weigh_outcomes(settings, rows, labels)
        shares = np.ones(len(rows))
        if weights is not None:  # of each label, or of each label and then of its absence
            shares = np.hstack([hot, ~hot])[:, : len(weights)] @ weights.double().numpy()
        return cls(hot, kinds, shares / shares.sum())

    @property
    def can_teach(self) -> bool:
        """Whether two rows have the same labels, and two have none in common."""
        has_same = len(np.unique(self.kinds)) < len(self.kinds)
        firsts = np.unique(self.kinds, return_index=True)[1]  # a row of each kind
        return has_same and any(len(self.list_different(row)) for row in firsts)

    def list_same(self, row: int) -> NDArray[np.intp]:
        """List the other rows that have the same labels as a row."""
        has_same = self.kinds == self.kinds[row]
        has_same[row] = False
        same: NDArray[np.intp] = np.flatnonzero(has_same)
        return same

    def list_different(self, row: int) -> NDArray[np.intp]:
        """List the rows that have no label in common with a row, though one of them has some."""
        has_labels = self.hot.any(axis=1) | self.hot[row].any()
        shares_some = (self.hot & self.hot[row]).any(axis=1)
        different: NDArray[np.intp] = np.flatnonzero(has_labels & ~shares_some)
        return different

    def draw(self, random: np.random.Generator, count: int) -> list[tuple[int, int, bool]]:
        """Draw pairs, each with whether they are the same; half of them are, as far as possible.

        A row without a partner of one kind gets one of the other; a row without any is left out.
        `can_teach` must hold.
        """
        pairs: list[tuple[int, int, bool]] = []
        while len(pairs) < count:
            first = int(random.choice(len(self.kinds), p=self.shares))
            partners = {True: self.list_same(first), False: self.list_different(first)}
            is_same = len(pairs) % 2 == 0
            if not len(partners[is_same]):
                is_same = not is_same
            if len(partners[is_same]):
                pairs.append((first, int(random.choice(partners[is_same])), is_same))
        return pairs


def fine_tune_on_pairs(
    model: EncoderClassifier,
    tokenizer: Tokenizer,
    rows: Sequence[Example],
    settings: Settings,
    group: Group,
    precision: torch.dtype | None,
    *,
    name: str = "learn pairs",
    remedy: str = AGAIN,
) -> int:
    """Fine-tune the encoder of a model, not its head; returns the number of steps.

    Every process of a group takes the same steps.

    Args:
        model: gets the weights.
        tokenizer: reads the texts.
        rows: with their labels, each once.
        settings: of the run.
        group: the processes of the run.
        precision: of matrix products; None for fp32.
        name: what the progress bar says.
        remedy: how to continue after an interruption.

    Raises:
        PairsError: no two rows have the same labels, or different ones, or the loss is no number.
        InterruptedRunError: SIGINT or SIGTERM came.
    """
    pairs = Pairs.of(rows, model.classifier.out_features, settings)
    if not pairs.can_teach:
        raise PairsError(
            "--method contrastive needs two rows of the same label, and two of different ones: "
            "add rows, or give --method frozen"
        )
    torch.manual_seed(settings.seed)
    windows = encode_windows(tokenizer, [row.text for row in rows], settings)
    learner = PairLearner(model.to(group.device), windows, pairs, settings, precision)
    total = count_steps(len(rows))
    _take_steps(learner, total, group, name, remedy)
    return total


def _take_steps(learner: "PairLearner", total: int, group: Group, name: str, remedy: str) -> None:
    hidden: dict[str, Any] = {} if group.leads else {"disable": True}
    bar = tqdm(total=total, desc=name, unit="step", leave=False, dynamic_ncols=True, **hidden)
    with bar, stop_requests() as stop_requested:
        for step in range(total):
            loss = learner.take_step(step, get_rate(step, total))
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            bar.update()
            if group.reduce_any(not math.isfinite(loss)):
                raise PairsError(
                    f"learning from pairs diverged at step {step + 1}: the loss is no longer a "
                    "number",
                    remedy="give --precision fp32, or another --base-model",
                )
            if group.reduce_any(stop_requested()):
                raise InterruptedRunError(f"interrupted while learning from pairs; {remedy}")


class PairLearner:
    """Takes steps of AdamW that bring the states of texts together, or apart."""

    def __init__(
        self,
        model: EncoderClassifier,
        windows: TextWindows,
        pairs: Pairs,
        settings: Settings,
        precision: torch.dtype | None,
    ) -> None:
        """Prepare for the first step."""
        self._model, self._windows, self._pairs = model, windows, pairs
        self._seed, self._precision = settings.seed, precision
        self._device = model.classifier.weight.device
        self._weights = list(model.base_model.parameters())
        self._optimizer = torch.optim.AdamW(self._weights, weight_decay=DECAY, fused=True)
        is_fp16 = precision is torch.float16
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=is_fp16)

    def take_step(self, step: int, rate: float) -> float:
        """Compare the texts of some pairs, and change the encoder accordingly; returns the loss.

        It is NaN if the gradients are not finite, so that the weights are not, either.
        """
        drawn = self._pairs.draw(np.random.default_rng((self._seed, step)), PAIRS)
        rows = [first for first, _, _ in drawn] + [second for _, second, _ in drawn]
        same = torch.tensor([is_same for _, _, is_same in drawn], device=self._device)
        for parameters in self._optimizer.param_groups:
            parameters["lr"] = rate
        self._model.train()
        loss = compute_loss(self._read(rows, step), same)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self._weights, MAX_NORM)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        # As in fine-tuning: without a scaler, infinite gradients end up in the weights.
        is_lost = not self._scaler.is_enabled() and not bool(norm.isfinite())
        return math.nan if is_lost else loss.item()

    def _read(self, rows: Sequence[int], step: int) -> Tensor:
        """Return what the head would read of texts, (rows, dim); of long ones, a random window."""
        drawn = [self._windows.draw(row, 1, (self._seed, step))[0] for row in rows]
        inputs, mask = pad(drawn, self._model.config.pad_token_id)
        inputs, mask = inputs.to(self._device), mask.to(self._device)
        is_mixed = self._precision is not None
        with torch.autocast(self._device.type, self._precision, enabled=is_mixed):
            states = self._model.base_model(input_ids=inputs, attention_mask=mask)
        return self._model.extract_features(states.last_hidden_state, mask)


def compute_loss(features: Tensor, same: Tensor) -> Tensor:
    """Compute the mean squared error of cosines, from 1 for the same and 0 for different texts.

    Args:
        features: of the first texts of all pairs, and then of the second ones, (2 * pairs, dim).
        same: which pairs are the same, (pairs,).
    """
    firsts, seconds = features.chunk(2)
    return mse_loss((firsts * seconds).sum(dim=1), same.to(features))


def count_steps(rows: int) -> int:
    """Return how many steps to take on so many rows."""
    return min(max(round(STEPS_OF_ROW * rows), LEAST_STEPS), MOST_STEPS)


def get_rate(step: int, total: int) -> float:
    """Return the learning rate of a step: linear warm-up, then linear decay."""
    warm = max(1, round(WARM_UP * total))
    return RATE * min((step + 1) / warm, (total - step) / (total - warm + 1))
