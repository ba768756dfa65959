"""The container of a training job: its folders and its hyperparameters.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from inference.errors import TextClassifierError
from training.fit.record import RECORD
from training.fit.settings import Settings
from training.fit.trained_model import CHECKPOINT


class ChannelError(TextClassifierError):
    """The data channel does not hold exactly one file."""


@dataclass(frozen=True)
class Container:
    """The folders that SageMaker prepares.

    It mirrors ``checkpoints`` in S3 and restores it on the next instance when a spot instance is
    interrupted. What lies in the model folder at the end becomes the job's artifact.
    """

    root: Path

    @classmethod
    def current(cls) -> Self:
        """Return the container that this process runs in."""
        return cls(Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")))  # the toolkit's variable

    @property
    def checkpoints(self) -> Path:
        """The folder in which the model is trained."""
        return self.root / "checkpoints"

    @property
    def new_rows(self) -> Path:
        """The copy of the new rows that all instances of a job share."""
        return self.checkpoints / "new"

    @property
    def bundle(self) -> Path:
        """The folder of the finished bundle."""
        return self.root / "model" / "bundle"

    @property
    def failure(self) -> Path:
        """The file whose text SageMaker shows as the reason of a failure."""
        return self.root / "output" / "failure"

    @property
    def has_checkpoint(self) -> bool:
        """Whether an earlier instance left a checkpoint."""
        return (self.checkpoints / CHECKPOINT).is_file()

    @property
    def has_trained_model(self) -> bool:
        """Whether an earlier instance finished the training."""
        return (self.checkpoints / RECORD).is_file()

    def channel(self, name: str) -> Path:
        """Return the folder of an input."""
        return self.root / "input" / "data" / name

    def keep_new_rows(self) -> None:
        """Copy the new rows into the checkpoints, unless an earlier instance began with its copy.

        The channel of a later instance also holds the files that arrived in the meantime, but a
        run continues only with the data that it began with.
        """
        if self.has_checkpoint or self.has_trained_model or not self.channel("new").is_dir():
            return
        shutil.rmtree(self.new_rows, ignore_errors=True)
        shutil.copytree(self.channel("new"), self.new_rows)


class Delivery(BaseModel):
    """The hyperparameters that say where the bundle goes, and under which condition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: str
    publish: bool  # false where the network is isolated
    allow_worse: bool = False  # whether a bundle may be worse than a linear model
    previous: str | None = None  # model URI; the bundle is published if it is no worse
    verdict: str | None = None  # S3 URI of the answer

    @model_validator(mode="after")
    def _check_retraining(self) -> Self:
        if (self.previous is None) != (self.verdict is None):
            raise ValueError("give both previous and verdict, or neither")
        return self


def read_hyperparameters(container: Container, variable: str) -> tuple[Settings, Delivery]:
    """Read the settings of the training and of the delivery.

    Args:
        container: its folders are filled in.
        variable: the toolkit's ``SM_HPS``, the hyperparameters as a JSON object
            (https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md).

    Raises:
        ChannelError: the data channel does not hold exactly one file.
        ValidationError: a hyperparameter is unknown or has a wrong value.
    """
    values = {name.replace("-", "_"): value for name, value in json.loads(variable).items()}
    delivery = {name: values.pop(name) for name in Delivery.model_fields if name in values}
    settings = Settings.model_validate(values | _find_placed_settings(container))
    return settings, Delivery.model_validate(delivery)


def _find_placed_settings(container: Container) -> dict[str, Any]:
    """Find the settings that the container decides."""
    files = sorted(container.channel("training").iterdir())
    if len(files) != 1:
        raise ChannelError(f"the data must be one file, not {len(files)}: check --data")
    placed: dict[str, Any] = {
        "data": str(files[0]),
        "output": str(container.checkpoints),
        "resume": container.has_checkpoint,
    }
    if container.new_rows.is_dir():
        placed["new_rows"] = str(container.new_rows)
    if container.channel("model").is_dir():
        placed["base_model"] = str(container.channel("model"))
    return placed
