"""Take a model from the command line: a folder or a URI."""

from pathlib import Path

from inference.errors import TextClassifierError
from inference.local.checkout import SAMPLE_MODEL


class ModelError(TextClassifierError):
    """There is no model where the user says."""


def locate_model(model: str, option: str = "--model-uri") -> str:
    """Return the URI of a model that is given as a URI or a folder; by default the sample model.

    Args:
        model: What the user gave.
        option: Where, for the message.

    Raises:
        ModelError: There is no bundle in the folder.
    """
    if "://" in model:
        return model
    folder = Path(model) if model else SAMPLE_MODEL
    if not (folder / "manifest.json").is_file():
        raise ModelError(
            f"there is no model in {folder}: give {option} a bundle's folder or an S3 URI"
        )
    return folder.resolve().as_uri()
