"""How a model was made: by which code, on which rows."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.data.examples import DataError, Dataset
from training.data.split import Split
from training.fit.settings import Settings

# The settings that decide which rows are held out; with the data's digest they name the rows.
ROW_SETTINGS = ("task", "text_column", "label_column", "group_column", "max_rows", "seed")


def source_commit() -> str | None:
    """The commit of this code, with a mark if it was changed since.

    Outside git, as in a training job, what SOURCE_COMMIT says, or none.
    """
    try:
        command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--match="]
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("SOURCE_COMMIT")
    return done.stdout.strip()


def record(settings: Settings, dataset: Dataset, rows: Split) -> dict[str, Any]:
    """The part of a training record that is known before the first step."""
    return {
        "settings": asdict(settings),
        "labels": list(dataset.task.labels),
        "dataset_sha256": dataset.sha256,
        "split": settings.split or dataset.task.default_split,
        "new_rows": sum(file.rows for file in dataset.new_files),
        "rows": {
            "train": len(rows.train),
            "validation": len(rows.validation),
            "test": len(rows.test),
        },
    }


def base_sha256(base_model: str) -> str | None:
    """The digest of a base model's weights; none of one on a hub, or in another format."""
    try:
        return weights_sha256(Path(base_model))
    except OSError:
        return None


def public_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with names in the place of the paths of this machine."""
    found = {**settings, "data": Path(settings["data"]).name}
    if Path(settings["base_model"]).is_dir():
        found["base_model"] = Path(settings["base_model"]).name
    if settings.get("new_rows"):
        found["new_rows"] = Path(settings["new_rows"]).name
    teachers = settings.get("teachers", "").split(",")
    found["teachers"] = ",".join(Path(teacher).name for teacher in teachers)
    del found["output"]
    return found


def read_record(folder: Path) -> dict[str, Any]:
    """The training record of a model folder.

    Raises:
        DataError: the folder holds no finished model.
    """
    file = folder / "training.json"
    if not file.is_file() or not (folder / "model.safetensors").is_file():
        raise DataError(f"no trained model in {folder}: run training.fit.train first")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def require_same_stories(training: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Refuse two models that held out other stories, whatever rows each was trained on.

    By its seed alone is a story held out, so a model trained on more rows held out the same ones.

    Raises:
        DataError: they did not, or one of the training records does not say.
    """
    known = ("dataset_sha256", "rows")
    named, other_named = (
        {name: value for name, value in _rows_named(each).items() if name not in known}
        for each in (training, other)
    )
    _require_equal(named, other_named, "stories")
    if not _by_story(named):
        raise DataError("only a story split of all rows holds out the same stories again")


def require_same_rows(training: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Refuse two models of which one may have learnt what the other is tested on.

    Raises:
        DataError: their training records name other rows, or one of them names none.
    """
    _require_equal(_rows_named(training), _rows_named(other), "rows")


def require_base_held_out(training: Mapping[str, Any]) -> None:
    """Refuse to go on from a model of the same task that learnt what is held out now.

    Raises:
        DataError: it held out other rows, and of a story split also other stories.
    """
    folder = Path(training["settings"]["base_model"])
    base = read_record(folder) if (folder / "training.json").is_file() else None
    if base is None or base["settings"]["task"] != training["settings"]["task"]:
        return
    if _by_story(_rows_named(training)):
        require_same_stories(training, base)
    else:
        require_same_rows(training, base)


def _by_story(named: Mapping[str, Any]) -> bool:
    """Whether the seed alone decides which stories are held out."""
    return named["split"] == "story" and not named["max_rows"]


def _require_equal(named: Mapping[str, Any], other: Mapping[str, Any], what: str) -> None:
    differ = [name for name in named if named[name] != other[name]]
    if differ:
        raise DataError(f"the models did not hold out the same {what}: {', '.join(differ)}")


def _rows_named(training: Mapping[str, Any]) -> dict[str, Any]:
    try:
        settings = {name: training["settings"][name] for name in ROW_SETTINGS}
        names = ("dataset_sha256", "labels", "split", "rows")
        return {**settings, **{name: training[name] for name in names}}
    except KeyError as error:
        raise DataError(f"a bundle's manifest does not say its {error}") from None


def weights_sha256(folder: Path) -> str:
    """The digest of a model's weights."""
    with (folder / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
