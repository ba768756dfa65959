"""The state of a training run in one file, so that a run can end and go on.

Safetensors for all tensors and JSON in its header for the rest: nothing is pickled.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from training.atomic import replacing
from training.fit.objective import Objective
from training.fit.settings import Settings

# Settings that may change between two runs of one training.
_FREE = {"data", "new_rows", "output", "teachers", "resume", "threads", "checkpoint_minutes"}


class CheckpointError(Exception):
    """The checkpoint cannot be resumed; the message says why."""


@dataclass
class Progress:
    """How far a run has come."""

    step: int = 0
    best: float = 0.0  # validation macro-F1
    stale: int = 0  # validations since the best one
    seconds: float = 0.0
    history: list[tuple[int, float]] = field(default_factory=list)  # step, macro-F1

    def record(self) -> dict[str, object]:
        """What the training record says of it."""
        seconds = round(self.seconds)
        return {"steps": self.step, "seconds": seconds, "validation_macro_f1": self.history}


@dataclass(frozen=True)
class Training:
    """What changes as a run goes on: weights, their running mean, moments, loss scale."""

    objective: Objective
    replica: torch.nn.Module  # the objective as a step calls it; the same weights
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler

    @property
    def averaged(self) -> Objective:
        """The objective with the mean of its weights."""
        objective: Objective = self.average.get_submodule("module")  # type: ignore[assignment]
        return objective


@dataclass(frozen=True)
class Checkpoint:
    """The file that holds a run's state, and what a run must share with it to go on from it."""

    path: Path
    settings: Settings
    dataset_sha256: str
    teachers: dict[str, str]  # SHA-256 of their weights

    def save(self, training: Training, progress: Progress) -> None:
        """Write the state, in the place of the last one."""
        tensors = {
            f"objective.{name}": value for name, value in training.objective.state_dict().items()
        }
        tensors |= {
            f"average.{name}": value for name, value in training.average.state_dict().items()
        }
        for index, state in training.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        header = {
            "identity": json.dumps(self._identity()),
            "progress": json.dumps(asdict(progress)),
            "scaler": json.dumps(training.scaler.state_dict()),
        }
        whole = {name: value.contiguous() for name, value in tensors.items()}
        with replacing(self.path) as temporary:
            save_file(whole, temporary, header)

    def load(self, training: Training) -> Progress:
        """Put the state into the model, optimizer, scaler and random generators.

        Raises:
            CheckpointError: there is no whole checkpoint, or other settings or data made it.
        """
        if not self.path.is_file():
            raise CheckpointError(f"no checkpoint to resume: {self.path}")
        try:
            with safe_open(self.path, "pt") as file:
                header = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise CheckpointError(f"{self.path} is damaged: {error}") from error
        self._check(json.loads(header["identity"]))
        training.objective.load_state_dict(_under("objective.", tensors))
        training.average.load_state_dict(_under("average.", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer.", tensors).items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        groups = training.optimizer.state_dict()["param_groups"]
        training.optimizer.load_state_dict({"state": state, "param_groups": groups})
        training.scaler.load_state_dict(json.loads(header["scaler"]))
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        progress = json.loads(header["progress"])
        progress["history"] = [(step, score) for step, score in progress["history"]]
        return Progress(**progress)

    def _identity(self) -> dict[str, object]:
        fixed = {name: value for name, value in asdict(self.settings).items() if name not in _FREE}
        digests = {"teachers": sorted(self.teachers.values())}
        return fixed | digests | {"dataset_sha256": self.dataset_sha256}

    def _check(self, saved: dict[str, object]) -> None:
        for name, value in self._identity().items():
            if saved.get(name) != value:
                what = name.replace("_", "-")
                raise CheckpointError(
                    f"{self.path} was made with {what} {saved.get(name)}, not {value}"
                )


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
