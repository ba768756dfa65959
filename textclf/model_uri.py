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
    require_bundle(folder, option, "a bundle's folder or an S3 URI")
    return folder.resolve().as_uri()


def require_bundle(folder: Path, option: str, otherwise: str = "a bundle's folder") -> None:
    """Refuse a folder without a bundle; of a trained model's folder, say where its bundle is.

    Args:
        folder: What the user gave.
        option: Where.
        otherwise: What to give if the folder is not that of a trained model.

    Raises:
        ModelError: There is no bundle in the folder.
    """
    if (folder / "manifest.json").is_file():
        return
    bundle = folder / "bundle"
    if (bundle / "manifest.json").is_file():
        otherwise = str(bundle)
    elif (folder / "training.json").is_file():
        otherwise = f"{bundle}, which textclf export {folder} makes"
    raise ModelError(f"there is no model in {folder}: give {option} {otherwise}")
