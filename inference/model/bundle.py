"""The model bundle: the contract between training and serving.

A bundle is a folder with ``manifest.json`` and the files that it lists. Its version is the first
16 hex digits of the SHA-256 of the manifest's bytes. Since the manifest holds the digest of every
other file, the version identifies the whole content.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inference.errors import TextClassifierError
from inference.model.abstention import LabelThresholds, OutOfScope
from inference.model.labelling import Labelling

MANIFEST = "manifest.json"
MODEL = "model.onnx"
WEIGHTS = "model.onnx.data"  # ONNX external data: the weights that model.onnx leaves out, if any
TOKENIZER = "tokenizer.json"
VERSION_DIGITS = 16
SCHEMAS = (1, 2, 3)  # of manifests that can be read
# Fields that a reader of schema 2 does not know. A bundle that uses none of them is of schema 2.
FIELDS_OF_SCHEMA_3 = ("label_thresholds", "out_of_scope", "labelling")
# Bytes per read. A hashing thread waits for the GIL after each read, and during a cold start the
# importing thread holds it: with a sixteenth of this size, a start from disk took 20 % longer.
CHUNK = 1 << 22

_VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")

# A plain name, so that no manifest can make a reader write outside the bundle's folder.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=100)]


class BundleError(TextClassifierError):
    """The bundle is incomplete, altered or of an unknown format."""


class FileEntry(BaseModel):
    """The size in bytes and the hex digest of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    def verify(self, name: str, size: int, sha256: str) -> None:
        """Compare the file that was read with this entry.

        Raises:
            BundleError: Size or digest differ.
        """
        if size != self.size:
            raise BundleError(f"{name} has {size} bytes, not {self.size}")
        if sha256 != self.sha256:
            raise BundleError(f"{name} has digest {sha256}, not {self.sha256}")


class Example(BaseModel):
    """A text, and what the exported model answers; a deployment is checked with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, Field(min_length=1)]
    probabilities: dict[str, float]  # by label


class ClassifierSpec(BaseModel):
    """The facts about a model that classifying texts depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: Annotated[tuple[str, ...], Field(min_length=2)]  # in output order
    max_length: Annotated[int, Field(ge=3)]  # wordpieces, [CLS] and [SEP] included
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    label_thresholds: LabelThresholds | None = None
    out_of_scope: OutOfScope | None = None
    labelling: Labelling | None = None  # if a text may have several labels; None if it has one

    @model_validator(mode="after")
    def _require_labelling_of_labels(self) -> Self:
        if self.labelling is not None and not self.labelling.has_labels(self.labels):
            raise ValueError("labelling is not that of the labels")
        return self

    @model_validator(mode="after")
    def _require_distinct_labels(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        return self

    @model_validator(mode="after")
    def _require_threshold_for_each_label(self) -> Self:
        thresholds = self.label_thresholds
        if thresholds is not None and set(thresholds.least) != set(self.labels):
            raise ValueError("label_thresholds are not those of the labels")
        return self

    @property
    def can_abstain(self) -> bool:
        """Whether answers say if their label should be acted on."""
        return self.label_thresholds is not None or self.out_of_scope is not None

    @property
    def schema_needed(self) -> Literal[2, 3]:
        """The schema of a manifest with these facts."""
        return 3 if any(getattr(self, name) is not None for name in FIELDS_OF_SCHEMA_3) else 2


class _Header(BaseModel):
    """The fields that open the file. pydantic takes the fields of the last base class first."""

    schema_version: Literal[1, 2, 3] = 2  # 2: with examples; 3: with FIELDS_OF_SCHEMA_3
    task: Annotated[str, Field(min_length=1)]


class Manifest(ClassifierSpec, _Header):
    """The content of a bundle and how it was made. Serving reads only the files and the spec."""

    files: dict[FileName, FileEntry]

    training: dict[str, Any]  # base model, data set, split, seed, commit, time
    metrics: dict[str, Any]  # on held-out rows, with those of the baseline
    quantization: dict[str, Any]  # int8 against fp32
    reference: dict[str, Any]  # the distributions that drift is measured against
    examples: tuple[Example, ...] = ()  # of texts that are nobody's data

    @model_validator(mode="after")
    def _require_files(self) -> Self:
        if missing := {MODEL, TOKENIZER} - set(self.files):
            raise ValueError(f"files lack {', '.join(sorted(missing))}")
        return self

    @model_validator(mode="after")
    def _require_schema(self) -> Self:
        if self.schema_version < self.schema_needed and self.schema_needed > 2:
            raise ValueError(f"schema_version must be {self.schema_needed} for these fields")
        return self

    def to_bytes(self) -> bytes:
        """Return the bytes of ``manifest.json``; equal manifests give equal bytes."""
        missing = set() if self.examples else {"examples"}  # as in manifests of schema 1
        return self.model_dump_json(indent=2, exclude=self._unused | missing).encode() + b"\n"

    def to_json(self) -> dict[str, Any]:
        """Return the same as what ``json.dumps`` takes."""
        return self.model_dump(mode="json", exclude=self._unused)

    @property
    def _unused(self) -> set[str]:
        """The fields without a value that manifests of earlier schemas do not have."""
        return {name for name in FIELDS_OF_SCHEMA_3 if getattr(self, name) is None}


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on the local disk."""

    folder: Path
    manifest: Manifest
    version: str


def version_of(manifest: bytes) -> str:
    """Return the version of the bundle with these manifest bytes."""
    return hashlib.sha256(manifest).hexdigest()[:VERSION_DIGITS]


def is_version(text: str) -> bool:
    """Tell whether a text has the form of a version."""
    return _VERSION.fullmatch(text) is not None


def parse_manifest(data: bytes, version: str | None = None) -> Manifest:
    """Parse the bytes of a manifest, and compare their version with the given one.

    Raises:
        BundleError: The version differs, or the content is not a manifest of a known schema.
    """
    actual = version_of(data)
    if version is not None and actual != version:
        raise BundleError(f"{MANIFEST} is of version {actual}, not {version}")
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        if newer := _find_newer_schema(data):
            raise BundleError(
                f"{MANIFEST} is of schema {newer}, and this version reads schemas up to "
                f"{SCHEMAS[-1]}: deploy the code that made the bundle first"
            ) from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise BundleError(f"{MANIFEST}: {where}: {first['msg']}") from None


def _find_newer_schema(data: bytes) -> int | None:
    """Return the schema of a manifest if it is later than all that are known."""
    try:
        content = json.loads(data)
    except ValueError:
        return None
    schema = content.get("schema_version") if isinstance(content, dict) else None
    return schema if isinstance(schema, int) and schema > SCHEMAS[-1] else None


def read_verified(folder: Path, version: str | None = None) -> Bundle:
    """Read a bundle from disk and verify the size and digest of every file.

    Raises:
        BundleError: The manifest is of another version, a file is missing or differs from its
            entry, or there are weights that the manifest does not list.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
        manifest = parse_manifest(data, version)
        for name, entry in manifest.files.items():
            entry.verify(name, (folder / name).stat().st_size, _digest(folder / name))
        # onnxruntime would read them for a model that names them. It refuses by itself to read
        # files outside the folder.
        if WEIGHTS not in manifest.files and (folder / WEIGHTS).exists():
            raise BundleError(f"{WEIGHTS} exists, but {MANIFEST} does not list it")
    except OSError as error:
        raise BundleError(f"{error.filename}: {error.strerror}") from error
    return Bundle(folder, manifest, version_of(data))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
