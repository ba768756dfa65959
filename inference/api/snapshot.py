"""Prepare the function for SnapStart, which starts environments from one snapshot of its memory.

The Python runtime calls the hooks; the base image has the library that registers them:
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
What must not be the same in all environments: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
"""

import os
import random
from collections.abc import Callable

from inference.api.loader import ClassifierLoader
from inference.errors import TextClassifierError


class SnapshotError(TextClassifierError):
    """The environment is not worth a snapshot; Lambda then does not publish the version."""


def is_snapshot_taken() -> bool:
    """Tell whether Lambda initializes this environment in order to take a snapshot of it."""
    return os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"


def register_hooks(loader: ClassifierLoader, renew_clients: Callable[[], None]) -> None:
    """Register what happens before the snapshot and after each restore.

    Args:
        loader: It must have loaded the model by the time of the snapshot.
        renew_clients: Replaces the clients of AWS services.
    """
    from snapshot_restore_py import register_after_restore, register_before_snapshot

    register_before_snapshot(require_model, loader)
    register_after_restore(renew_randomness)
    register_after_restore(renew_clients)


def require_model(loader: ClassifierLoader) -> None:
    """Load the model if that has failed before, or else prevent the snapshot.

    Raises:
        SnapshotError: The model cannot be loaded; the log says why.
    """
    loader.load()
    if not loader.is_loaded:
        raise SnapshotError("no snapshot is taken, because the model is not loaded: see above")


def renew_randomness() -> None:
    """Seed the generator that the pauses between attempts come from.

    Ids come from the operating system (``secrets``, ``uuid``), which never repeats itself.
    """
    random.seed()
