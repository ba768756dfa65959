"""What changes while a model is trained, and how far the run has come."""

from dataclasses import dataclass, field
from typing import Self

import torch
from torch.optim.swa_utils import AveragedModel
from transformers import DistilBertForSequenceClassification

from training.fit.objective import Objective
from training.fit.optimizer import make_adamw, make_averaging
from training.fit.process_group import Group
from training.fit.settings import Settings


@dataclass
class Progress:
    """How far a run has come."""

    step: int = 0
    best: float = 0.0  # validation macro-F1
    stale: int = 0  # validations since the best one
    seconds: float = 0.0
    history: list[tuple[int, float]] = field(default_factory=list)  # step, macro-F1

    def add_validation(self, f1: float) -> bool:
        """Add the macro-F1 of a validation; returns whether it is the best so far."""
        self.history.append((self.step, f1))
        self.stale += 1
        if f1 > self.best:
            self.best, self.stale = f1, 0
        return self.stale == 0


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

    @classmethod
    def start(
        cls,
        model: DistilBertForSequenceClassification,
        groups: int,
        settings: Settings,
        group: Group,
        precision: torch.dtype | None,
    ) -> Self:
        """Prepare a model for its first step; ``groups`` is how many of them the rows have."""
        objective = Objective(model, groups, settings.group_loss, settings.label_smoothing)
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
    def averaged_model(self) -> DistilBertForSequenceClassification:
        """The classifier with the mean of its weights."""
        objective: Objective = self.average.get_submodule("module")  # type: ignore[assignment]
        return objective.model
