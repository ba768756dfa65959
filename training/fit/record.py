"""How a model was made: by which code, with which settings, on which rows.

`train` writes it to `training.json`; a bundle's manifest holds it as `training`.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from inference.model.bundle import MANIFEST, Manifest, read_verified
from inference.model.windows import Windows
from training.data.examples import DataError, Dataset
from training.data.split import RowNumbers, Split
from training.data.text_key import TextKey
from training.data.unlabelled import Unlabelled
from training.fit.option_needs import drop_unmet
from training.fit.rows import choose_split
from training.fit.settings import Settings

RECORD, WEIGHTS = "training.json", "model.safetensors"
MANY_UNKNOWN, MANY_CUT = 0.05, 0.10  # shares that are worth a warning
OTHER_KEY = (
    "one was trained by a version that found equal texts by their letters and digits alone, so it "
    "may have learned what the other is tested on; train it again"
)
# The settings that decide which rows are held out; with the data's digest they identify the rows.
ROW_SETTINGS = (
    *("task", "text_column", "label_column", "group_column", "max_rows", "seed"),
    *("label_separator", "label_columns"),
    *("delimiter", "quoting", "encoding", "no_header", "skip_bad_rows"),
)


def _read_windows(value: object) -> Windows:
    try:
        return msgspec.convert(value, Windows)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


# A struct of the serving half, which pydantic does not know.
RecordedWindows = Annotated[
    Windows, PlainValidator(_read_windows), PlainSerializer(msgspec.to_builtins)
]


class RowCounts(BaseModel):
    """The sizes of a split."""

    model_config = ConfigDict(frozen=True)

    train: int
    validation: int
    test: int

    @classmethod
    def count(cls, numbers: RowNumbers) -> Self:
        """Count the rows of each part."""
        return cls(
            train=len(numbers.train), validation=len(numbers.validation), test=len(numbers.test)
        )


class UnlabelledTexts(BaseModel):
    """The texts without labels that teachers answered."""

    model_config = ConfigDict(frozen=True)

    file: str  # its name
    sha256: str  # of its uncompressed content
    rows: int  # in the file
    used: int  # the others are blank, repeated, held out or training rows already

    @classmethod
    def of(cls, texts: Unlabelled) -> Self:
        """Identify texts by their file."""
        used = len(texts.examples)
        return cls(file=texts.name, sha256=texts.sha256, rows=texts.rows, used=used)


TriedMethod = Literal["fine-tune", "contrastive", "frozen"]


class MethodComparison(BaseModel):
    """How well methods did on rows that they had not learnt; `--method auto` compares them."""

    model_config = ConfigDict(frozen=True)

    fine_tune: float  # macro-F1
    frozen: float
    contrastive: float | None = None
    left_out: str = ""  # why there is no figure for contrastive; not recorded by older versions
    rows: int  # that were predicted
    folds: int  # of the training rows; 0: the validation rows were predicted

    @property
    def best(self) -> TriedMethod:
        """The best method; of equal ones, the one that takes the least time."""
        scores: dict[TriedMethod, float] = {"frozen": self.frozen}
        if self.contrastive is not None:
            scores["contrastive"] = self.contrastive
        scores["fine-tune"] = self.fine_tune
        return max(scores, key=scores.__getitem__)

    def describe(self) -> str:
        """Say which method was chosen, and why."""
        named = {
            "fine-tune": f"fine-tuning (macro-F1 {self.fine_tune:.4f})",
            "frozen": f"a frozen encoder with a logistic head (macro-F1 {self.frozen:.4f})",
        }
        if self.contrastive is not None:
            what = "an encoder fine-tuned on pairs of texts with a logistic head"
            named["contrastive"] = f"{what} (macro-F1 {self.contrastive:.4f})"
        chosen = named.pop(self.best)
        where = "validation rows"
        if self.folds:
            where = f"training rows, cross-validated in {self.folds} parts"
        reason = f"; --method contrastive was left out: {self.left_out}" if self.left_out else ""
        others = " or ".join(named.values())
        return f"{chosen} rather than {others}, on {self.rows:,} {where}{reason}"


class TrainingRecord(BaseModel):
    """Everything that is known about how a model was made.

    Fields that are None were not recorded: by an older version, or because they mean nothing for
    this model (a soup takes no steps). An invalid record raises DataError.
    """

    model_config = ConfigDict(frozen=True)

    settings: Settings
    labels: tuple[str, ...]  # in output order
    dataset_sha256: str  # of the data file, and of new rows that were joined to it
    split: str
    new_rows: int = 0
    rows: RowCounts
    # By which key equal texts were found; None for versions that knew only the first one.
    text_key: TextKey | None = None
    rows_without_group: int | None = None  # they are held out by their text
    unknown_wordpieces: float | None = None  # share of those of the training rows
    cut_texts: float | None = None  # share of the training rows that are longer than what is read
    unlabelled: UnlabelledTexts | None = None
    base_sha256: str | None = None  # None for a base model from a hub
    # By folder name: the SHA-256 of the weights, or the version of a bundle.
    teachers: dict[str, str] = {}
    commit: str | None = None
    steps: int | None = None
    seconds: int | None = None
    # Of every validation, as (step, macro-F1); a soup is validated once.
    validation_macro_f1: float | list[tuple[int, float]] | None = None
    time: str | None = None  # ISO 8601, when the model was finished
    soup: tuple["SoupIngredient", ...] | None = None
    base_share: float | None = None
    windows: RecordedWindows | None = None  # how long texts are read; None if they are cut
    comparison: MethodComparison | None = None  # if `--method auto` chose the method

    @classmethod
    def begin(
        cls,
        settings: Settings,
        dataset: Dataset,
        rows: Split,
        unlabelled: Unlabelled | None = None,
    ) -> Self:
        """Record what is known before the first step."""
        return cls(
            settings=settings,
            labels=dataset.task.labels,
            dataset_sha256=dataset.sha256,
            split=choose_split(settings, dataset),
            new_rows=sum(file.rows for file in dataset.new_files),
            rows=RowCounts.count(rows.numbers),
            text_key=TextKey.CURRENT,
            unlabelled=UnlabelledTexts.of(unlabelled) if unlabelled else None,
            rows_without_group=sum(not example.group for example in dataset.examples),
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the record of a trained model.

        Raises:
            DataError: the folder holds no finished model.
        """
        file = folder / RECORD
        if is_bundle(folder):
            raise DataError(f"{folder} is a bundle: give the folder that `textclf train` wrote")
        if not file.is_file() or not (folder / WEIGHTS).is_file():
            raise DataError(f"no trained model in {folder}: run `textclf train` first")
        return cls._parse(json.loads(file.read_text()), str(file))

    @classmethod
    def of_bundle(cls, manifest: Manifest, version: str) -> Self:
        """Read the record that a bundle was published with.

        Raises:
            DataError: it is not valid.
        """
        return cls._parse(manifest.training, f"bundle {version}")

    @classmethod
    def _parse(cls, content: object, location: str) -> Self:
        """Validate a record; errors say where it is."""
        try:
            return cls.model_validate(content)
        except DataError as error:
            raise DataError(f"{location}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON types, without what is unknown."""
        no_output = {
            "soup": {"__all__": {"settings": {"output", "overwrite"}}}
        }  # ingredients are published
        return self.model_dump(mode="json", exclude_none=True, exclude=no_output)

    def for_publication(self) -> dict[str, Any]:
        """Return the record as JSON types, with file names in place of this machine's paths."""
        return {**self.to_json(), "settings": public_settings(self.settings)}

    @property
    def key(self) -> TextKey:
        """The key by which equal texts were found."""
        return self.text_key or TextKey.WORDS

    @property
    def is_split_by_story(self) -> bool:
        """Whether the seed alone decides which stories are held out."""
        return self.split == "story" and not self.settings.max_rows

    @property
    def best_validation(self) -> float:
        """The best macro-F1 on the validation rows."""
        found = self.validation_macro_f1
        if isinstance(found, list):
            return max(f1 for _, f1 in found)
        return found or 0.0

    @field_validator("settings", mode="before")
    @classmethod
    def _accept_published_settings(cls, value: object) -> object:
        """Accept settings without an output folder, and with options that are no longer accepted.

        Such options do not exist any more, or had no effect on this model.
        """
        if not isinstance(value, Mapping):
            return value
        known = {name: value[name] for name in Settings.model_fields if name in value}
        useful = drop_unmet(Settings.model_construct(**known))
        return {"output": "", **{name: getattr(useful, name) for name in known}}

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Turn a validation error into one that `textclf` prints."""
        try:
            return handler(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise DataError(f"a training record is invalid: {name}: {first['msg']}") from error


class SoupIngredient(TrainingRecord):
    """The published record of a model that went into a soup."""

    model: str  # the folder's name
    weights_sha256: str


TrainingRecord.model_rebuild()


def is_bundle(folder: Path) -> bool:
    """Whether a folder holds a bundle rather than what `train` writes."""
    return (folder / MANIFEST).is_file() and not (folder / RECORD).is_file()


def read_bundle_record(folder: Path) -> TrainingRecord:
    """Read how a bundle's model was made, with the labels that it answers.

    Raises:
        BundleError: the bundle is incomplete or altered.
        DataError: its record is not valid.
    """
    bundle = read_verified(folder)
    record = TrainingRecord.of_bundle(bundle.manifest, bundle.version)
    return record.model_copy(update={"labels": bundle.manifest.labels})


def find_source_commit() -> str | None:
    """Return the commit of this code, marked if files have changed since.

    Outside git, as in a training job, SOURCE_COMMIT says it.
    """
    try:
        command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--match="]
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("SOURCE_COMMIT")
    return done.stdout.strip()


def hash_weights(folder: Path) -> str:
    """Return the SHA-256 of a model's weights."""
    with (folder / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_base(base_model: str) -> str | None:
    """Return the SHA-256 of a base model's weights, unless it comes from a hub."""
    try:
        return hash_weights(Path(base_model))
    except OSError:
        return None


def public_settings(settings: Settings) -> dict[str, Any]:
    """Return settings with file names in place of this machine's paths."""
    found = settings.model_dump(mode="json", exclude={"output", "overwrite"})
    found["data"] = Path(settings.data).name
    if Path(settings.base_model).is_dir():
        found["base_model"] = Path(settings.base_model).name
    found["new_rows"] = Path(settings.new_rows).name
    found["unlabelled"] = Path(settings.unlabelled).name
    found["teachers"] = ",".join(Path(teacher).name for teacher in settings.teachers.split(","))
    return found


def require_same_rows(record: TrainingRecord, other: TrainingRecord) -> None:
    """Refuse two models if one may have learnt what the other is tested on.

    Raises:
        DataError: they held out different rows; the message says by which settings.
    """
    _require_equal(
        record, other, (*ROW_SETTINGS, "dataset_sha256", "labels", "split", "key", "rows")
    )


def require_same_stories(record: TrainingRecord, other: TrainingRecord) -> None:
    """Refuse two models that held out different stories, whatever rows they were trained on.

    The seed alone decides whether a story is held out, so a model that was trained on more rows
    still held out the same stories. Rows without a story are held out by their text, so they need
    the same key of equal texts, too.

    Raises:
        DataError: they held out different stories, or were not split by story.
    """
    has_only_stories = 0 in (record.rows_without_group, other.rows_without_group)
    keys = () if has_only_stories else ("key",)
    _require_equal(record, other, (*ROW_SETTINGS, "labels", "split", *keys), what="stories")
    if not record.is_split_by_story:
        raise DataError("only a story split of all rows holds out the same stories again")


def require_held_out(record: TrainingRecord, other: TrainingRecord) -> None:
    """Refuse to learn from another model if it may know rows that are held out now.

    Raises:
        DataError: the other held out other rows or, after a story split, other stories.
    """
    if record.is_split_by_story:
        require_same_stories(record, other)
    else:
        require_same_rows(record, other)


def require_base_held_out(record: TrainingRecord) -> None:
    """Refuse to start from a model of the same task that learnt rows which are held out now.

    Raises:
        DataError: the base model held out other rows or, after a story split, other stories.
    """
    folder = Path(record.settings.base_model)
    if not (folder / RECORD).is_file():
        return
    base = TrainingRecord.read(folder)
    if base.settings.task != record.settings.task:
        return
    require_held_out(record, base)


def _require_equal(
    record: TrainingRecord, other: TrainingRecord, names: Sequence[str], what: str = "rows"
) -> None:
    differ = [name for name in names if _get(record, name) != _get(other, name)]
    if differ:
        reason = f": {OTHER_KEY}" if "key" in differ else ""
        raise DataError(f"the models did not hold out the same {what}: {', '.join(differ)}{reason}")


def _get(record: TrainingRecord, name: str) -> object:
    return getattr(record.settings if name in ROW_SETTINGS else record, name)
