"""The state of a training run in one file, so that the run can be interrupted and resumed.

Safetensors holds the tensors, and JSON in its header the rest: nothing is pickled.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from inference.errors import TextClassifierError
from training.atomic import REPEAT, replacing
from training.data.text_key import TextKey
from training.fit.record import RECORD, TrainingRecord
from training.fit.settings import Settings, list_differences
from training.fit.trained_model import CHECKPOINT
from training.fit.training_state import Progress, TrainingState

BEST = "best."  # the prefix of the best weights so far
# Settings that may change when a run is resumed. The digests of data and teachers may not.
FREE = {"data", "new_rows", "unlabelled", "output", "teachers", "resume", "overwrite", "threads"}
FREE |= {"checkpoint_minutes"}


class CheckpointError(TextClassifierError):
    """The checkpoint cannot be resumed; the message says why."""


@dataclass
class Checkpoint:
    """The file that holds the state of a run, and what a run must share with it to resume it."""

    path: Path
    settings: Settings
    dataset_sha256: str
    teachers: dict[str, str]  # SHA-256 of their weights, or version of a bundle
    unlabelled_sha256: str | None = None  # None without such texts
    saved_at: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, record: TrainingRecord) -> Self:
        """Return the checkpoint of a run with this record, in its output folder."""
        return cls(
            Path(record.settings.output) / CHECKPOINT,
            record.settings,
            record.dataset_sha256,
            record.teachers,
            record.unlabelled.sha256 if record.unlabelled else None,
        )

    def is_due(self) -> bool:
        """Whether the last checkpoint is older than the settings allow."""
        return time.monotonic() - self.saved_at > self.settings.checkpoint_minutes * 60

    def save(self, state: TrainingState, progress: Progress) -> None:
        """Write the state, replacing the last one."""
        tensors = {
            **_prefix("objective.", state.objective.state_dict()),
            **_prefix("average.", state.average.state_dict()),
            **_prefix(BEST, state.best),
        }
        for index, moments in state.optimizer.state_dict()["state"].items():
            tensors |= _prefix(f"optimizer.{index}.", moments)
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        header = {
            "identity": json.dumps(self._identify()),
            "progress": json.dumps(asdict(progress)),
            "scaler": json.dumps(state.scaler.state_dict()),
        }
        contiguous = {name: value.contiguous() for name, value in tensors.items()}
        with replacing(self.path, self.find_remedy()) as temporary:
            save_file(contiguous, temporary, header)
        self.saved_at = time.monotonic()

    def load(self, state: TrainingState) -> Progress:
        """Restore the model, optimizer, scaler and random generators.

        Raises:
            CheckpointError: there is no intact checkpoint, or it has other settings or data.
        """
        header, tensors = self._read()
        self._require_same_run(json.loads(header["identity"]))
        state.objective.load_state_dict(_select("objective.", tensors))
        state.average.load_state_dict(_select("average.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _select("optimizer.", tensors).items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = value
        groups = state.optimizer.state_dict()["param_groups"]
        state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        state.scaler.load_state_dict(json.loads(header["scaler"]))
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        progress = json.loads(header["progress"])
        progress["history"] = [(step, f1) for step, f1 in progress["history"]]
        state.best.update(_select(BEST, tensors))
        return Progress(**progress)

    def find_remedy(self) -> str:
        """Say how a run goes on that could not write its results."""
        return "then give the same command with --resume" if self.path.is_file() else REPEAT

    def delete(self) -> None:
        """Delete the file, which a finished run no longer needs."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> tuple[dict[str, str], dict[str, Tensor]]:
        if not self.path.is_file():
            done = (self.path.parent / RECORD).is_file()
            hint = " (the model there is finished)" if done else ""
            raise CheckpointError(f"no checkpoint to resume: {self.path}{hint}")
        try:
            with safe_open(self.path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return file.metadata(), tensors
        except SafetensorError as error:
            raise CheckpointError(f"{self.path} is damaged: {error}") from error

    def _identify(self) -> dict[str, object]:
        fixed = self.settings.model_dump(exclude=FREE, exclude_defaults=True)
        teachers = sorted(self.teachers.values())
        unlabelled = self.unlabelled_sha256
        return {
            **({"unlabelled_sha256": unlabelled} if unlabelled else {}),
            **fixed,
            "teachers": teachers,
            "dataset_sha256": self.dataset_sha256,
            "text_key": TextKey.CURRENT,
        }

    def _require_same_run(self, saved: dict[str, object]) -> None:
        if "text_key" not in saved:
            raise CheckpointError(
                f"{self.path} is of an earlier version, which held out other rows: start again "
                "with --overwrite"
            )
        differences = list_differences(saved, self._identify())
        if differences:
            raise CheckpointError(describe_differences(self.path, differences))


def describe_differences(file: Path, differences: Sequence[str]) -> str:
    """Say why a run cannot be resumed, and how to go on."""
    return (
        f"{file} was made with {'; '.join(differences)}: resume with the same settings and data, "
        "or start again with --overwrite"
    )


def _prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def _select(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
