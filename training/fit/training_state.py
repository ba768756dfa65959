"""What changes while a model is trained, and how far the run has come."""

from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from inference.model.windows import MEAN
from training.fit.objective import Objective
from training.fit.optimizer import make_adamw, make_averaging
from training.fit.process_group import Group
from training.fit.settings import Settings
from training.fit.text_model import TextModel
from training.fit.training_texts import TrainingTexts

# A validation on fewer rows is too noisy, and one after fewer steps too early, to stop a run by.
LEAST_VALIDATION_ROWS = 100
LEAST_STEPS = 100


@dataclass
class Progress:
    """How far a run has come."""

    step: int = 0
    best: float = 0.0  # validation macro-F1
    stale: int = 0  # validations since the best one that count for early stopping
    seconds: float = 0.0
    history: list[tuple[int, float]] = field(default_factory=list)  # step, macro-F1
    # Of the pooling of windows: as the last validation chose it, and for the best weights.
    sharpness: float = MEAN
    best_sharpness: float = MEAN

    def add_validation(self, f1: float, *, counts: bool = True, few_rows: bool = False) -> bool:
        """Add the macro-F1 of a validation; returns whether to keep these weights.

        The best ones are kept: of several, the first ones, but the last ones if all are at 0 or a
        few rows cannot tell them apart, because these have learnt for longer.

        Args:
            f1: the macro-F1.
            counts: whether one that is no better counts for early stopping.
            few_rows: whether it was measured on few rows.
        """
        self.history.append((self.step, f1))
        is_better, is_tie = f1 > self.best, f1 == self.best
        if is_better:
            self.best, self.stale = f1, 0
        elif counts:
            self.stale += 1
        return is_better or (is_tie and (few_rows or f1 == 0))


def counts_for_stopping(step: int, warm: int, validation_rows: int) -> bool:
    """Whether a validation after this step may end a run early."""
    return step > max(warm, LEAST_STEPS) and validation_rows >= LEAST_VALIDATION_ROWS


@dataclass(frozen=True)
class TrainingState:
    """The weights, their mean, and the state of the optimizer and the loss scaler."""

    settings: Settings
    group: Group
    precision: torch.dtype | None  # of matrix products; None for fp32
    objective: Objective
    replica: torch.nn.Module  # the objective as a step calls it; shares its weights
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    best: dict[str, Tensor] = field(default_factory=dict)  # weights of the best validation

    @classmethod
    def start(
        cls,
        model: TextModel,
        texts: TrainingTexts,
        settings: Settings,
        group: Group,
        precision: torch.dtype | None,
        weights: Tensor | None = None,
    ) -> Self:
        """Prepare a model for its first step on these texts; outcomes may have weights."""
        state_size = texts.targets.state_size
        objective = Objective(model, settings, texts.count_groups(), state_size, weights)
        objective = objective.to(group.device)
        return cls(
            settings,
            group,
            precision,
            objective,
            group.replicate(objective),
            AveragedModel(objective, multi_avg_fn=make_averaging(settings.averaging)),
            make_adamw(objective, settings),
            torch.amp.GradScaler(group.device.type, enabled=precision is torch.float16),
        )

    @property
    def averaged_model(self) -> TextModel:
        """The classifier with the mean of its weights."""
        objective: Objective = self.average.get_submodule("module")  # type: ignore[assignment]
        return objective.model

    @property
    def best_model(self) -> TextModel:
        """The classifier with the weights of the best validation; training cannot go on after."""
        self.averaged_model.load_state_dict(self.best)
        return self.averaged_model

    def keep_best(self) -> None:
        """Keep a copy of the mean of the weights, which does best so far."""
        weights = self.averaged_model.state_dict()
        self.best.update({name: value.detach().cpu().clone() for name, value in weights.items()})
