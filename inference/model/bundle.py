"""The model bundle: the contract between training and serving.

A bundle is a folder with ``manifest.json`` and the files that it lists. Its version is the first
16 hex digits of the SHA-256 of the manifest's bytes. Since the manifest holds the digest of every
other file, the version identifies the whole content.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from inference.errors import TextClassifierError
from inference.model.abstention import LabelThresholds, OutOfScope
from inference.model.labelling import Labelling
from inference.model.windows import Windows

MANIFEST = "manifest.json"
MODEL = "model.onnx"
WEIGHTS = "model.onnx.data"  # ONNX external data: the weights that model.onnx leaves out, if any
TOKENIZER = "tokenizer.json"
VERSION_DIGITS = 16
SCHEMAS = (1, 2, 3)  # of manifests that can be read
# Fields that a reader of schema 2 does not know. A bundle that uses none of them is of schema 2.
FIELDS_OF_SCHEMA_3 = ("label_thresholds", "out_of_scope", "labelling", "windows")
FIRST_FIELDS = ("schema_version", "task")  # of the file
# Bytes per read. A hashing thread waits for the GIL after each read, and during a cold start the
# importing thread holds it: with 256 KiB, a start from disk took 20 % longer. More than this does
# not fit into the processor's cache until it is hashed.
CHUNK = 1 << 20

_VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")

# A plain name, so that no manifest can make a reader write outside the bundle's folder.
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*\Z", max_length=100)]


class BundleError(TextClassifierError):
    """The bundle is incomplete, altered or of an unknown format."""

    def __init__(self, problem: str) -> None:
        """Describe a problem; `locating` adds where the bundle is."""
        super().__init__(problem)
        self.problem, self.location = problem, ""

    def __str__(self) -> str:
        return f"{self.location}: {self.problem}" if self.location else self.problem


@contextmanager
def locating(location: object) -> Iterator[None]:
    """Let errors about a bundle name its folder or URI, unless they name one already."""
    try:
        yield
    except BundleError as error:
        error.location = error.location or str(location)
        raise


class FileEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """The size in bytes and the hex digest of a file."""

    size: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]

    def verify(self, name: str, size: int, sha256: str) -> None:
        """Compare the file that was read with this entry.

        Raises:
            BundleError: Size or digest differ.
        """
        if size != self.size:
            raise BundleError(f"{name} has {size} bytes, not {self.size}")
        if sha256 != self.sha256:
            raise BundleError(f"{name} has digest {sha256}, not {self.sha256}")


class Example(Struct, frozen=True, forbid_unknown_fields=True):
    """A text, and what the exported model answers; a deployment is checked with it."""

    text: Annotated[str, Meta(min_length=1)]
    probabilities: dict[str, float]  # by label


class ClassifierSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The facts about a model that classifying texts depends on."""

    labels: Annotated[tuple[str, ...], Meta(min_length=2)]  # in output order
    max_length: Annotated[int, Meta(ge=3)]  # wordpieces, [CLS] and [SEP] included
    temperature: Annotated[float, Meta(gt=0)]
    label_thresholds: LabelThresholds | None = None
    out_of_scope: OutOfScope | None = None
    labelling: Labelling | None = None  # if a text may have several labels; None if it has one
    windows: Windows | None = None  # how long texts are read; None if they are cut

    def __post_init__(self) -> None:
        """Require facts that go together.

        Raises:
            ValueError: They do not; a decoder makes it one of its own errors.
        """
        if self.labelling is not None and not self.labelling.has_labels(self.labels):
            raise ValueError("labelling is not that of the labels")
        if self.windows is not None and self.windows.overlap > self.max_length - 3:
            raise ValueError("windows overlap so much that they get no further")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        thresholds = self.label_thresholds
        if thresholds is not None and set(thresholds.least) != set(self.labels):
            raise ValueError("label_thresholds are not those of the labels")

    @property
    def can_abstain(self) -> bool:
        """Whether answers say if their label should be acted on."""
        return self.label_thresholds is not None or self.out_of_scope is not None

    @property
    def most_windows(self) -> int:
        """How many windows of a text are read."""
        return self.windows.most if self.windows else 1

    @property
    def overlap(self) -> int:
        """How many wordpieces two windows share."""
        return self.windows.overlap if self.windows else 0

    @property
    def schema_needed(self) -> Literal[2, 3]:
        """The schema of a manifest with these facts."""
        return 3 if any(getattr(self, name) is not None for name in FIELDS_OF_SCHEMA_3) else 2


class Manifest(ClassifierSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of a bundle and how it was made. Serving reads only the files and the spec."""

    schema_version: Literal[1, 2, 3] = 2  # 2: with examples; 3: with FIELDS_OF_SCHEMA_3
    task: Annotated[str, Meta(min_length=1)]
    files: dict[FileName, FileEntry]

    training: dict[str, Any]  # base model, data set, split, seed, commit, time
    metrics: dict[str, Any]  # on held-out rows, with those of the baseline
    quantization: dict[str, Any]  # int8 against fp32
    reference: dict[str, Any]  # the distributions that drift is measured against
    examples: tuple[Example, ...] = ()  # of texts that are nobody's data

    def __post_init__(self) -> None:
        """Require a schema that has the fields, and the files that serving needs."""
        ClassifierSpec.__post_init__(self)
        if missing := {MODEL, TOKENIZER} - set(self.files):
            raise ValueError(f"files lack {', '.join(sorted(missing))}")
        if self.schema_version < self.schema_needed and self.schema_needed > 2:
            raise ValueError(f"schema_version must be {self.schema_needed} for these fields")

    def to_bytes(self) -> bytes:
        """Return the bytes of ``manifest.json``; equal manifests give equal bytes."""
        content = self.to_json()
        if not self.examples:  # as in manifests of schema 1
            del content["examples"]
        return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"

    def to_json(self) -> dict[str, Any]:
        """Return the same as what ``json.dumps`` takes."""
        content: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        content = {name: content[name] for name in FIRST_FIELDS} | content
        for name in FIELDS_OF_SCHEMA_3:  # which manifests of earlier schemas do not have
            if content[name] is None:
                del content[name]
        return content


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
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if newer := _find_newer_schema(data):
            raise BundleError(
                f"{MANIFEST} is of schema {newer}, and this version reads schemas up to "
                f"{SCHEMAS[-1]}: deploy the code that made the bundle first"
            ) from None
        raise BundleError(f"{MANIFEST}: {error}") from None


def _find_newer_schema(data: bytes) -> int | None:
    """Return the schema of a manifest if it is later than all that are known."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
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
        with locating(folder):
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
    buffer = memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()
