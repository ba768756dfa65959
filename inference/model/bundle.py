"""The model bundle: the contract between the half that trains and the half that serves.

A bundle is a folder with ``manifest.json`` and the files it lists. Its version is the first
16 hex digits of the SHA-256 of the manifest's bytes; as the manifest holds the digest of
every other file, the version names the whole content.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

MANIFEST = "manifest.json"
MODEL = "model.onnx"
WEIGHTS = "model.onnx.data"  # ONNX external data: what model.onnx leaves out, if anything
TOKENIZER = "tokenizer.json"
VERSION_DIGITS = 16
# Bytes at a time from disk. After each, the thread waits for the GIL, which at a cold start
# another one holds to import: with a sixteenth of this, a start from disk took 20 % longer.
CHUNK = 1 << 22

_VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")


class BundleError(Exception):
    """A bundle is not whole, not genuine or not understood; the message says how."""


# A plain name, so that no manifest can make a reader write outside the bundle's folder.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=100)]


class FileEntry(BaseModel):
    """Size in bytes and hex digest of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """What a bundle holds and how it came to be. Serving reads the first block only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    task: Annotated[str, Field(min_length=1)]
    labels: Annotated[tuple[str, ...], Field(min_length=2)]  # in output order
    max_length: Annotated[int, Field(ge=3)]  # wordpieces, [CLS] and [SEP] included
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    files: dict[FileName, FileEntry]

    training: dict[str, Any]  # base model, data set, split, seed, commit, time
    metrics: dict[str, Any]  # on held-out rows, with the baseline beside them
    quantization: dict[str, Any]  # int8 against fp32
    reference: dict[str, Any]  # distributions that drift is measured against

    @model_validator(mode="after")
    def _whole(self) -> "Manifest":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        if missing := {MODEL, TOKENIZER} - set(self.files):
            raise ValueError(f"files lack {', '.join(sorted(missing))}")
        return self

    def to_bytes(self) -> bytes:
        """The bytes of ``manifest.json``, the same for the same content."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def version_of(manifest: bytes) -> str:
    """The version of the bundle with these manifest bytes."""
    return hashlib.sha256(manifest).hexdigest()[:VERSION_DIGITS]


def is_version(text: str) -> bool:
    """Whether a text has the form of a version."""
    return _VERSION.fullmatch(text) is not None


def parse_manifest(data: bytes, version: str | None = None) -> Manifest:
    """The manifest in these bytes, which must be of the version if one is given.

    Raises:
        BundleError: another version, or not a manifest this code understands.
    """
    found = version_of(data)
    if version is not None and found != version:
        raise BundleError(f"{MANIFEST} is of version {found}, not {version}")
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise BundleError(f"{MANIFEST}: {where}: {first['msg']}") from None


def read_verified(folder: Path, version: str | None = None) -> tuple[Manifest, str]:
    """A local bundle's manifest and version, after every file's size and digest were checked.

    Raises:
        BundleError: a file is missing or is not the one the manifest names, or there are weights
            that it does not name.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
        manifest = parse_manifest(data, version)
        for name, entry in manifest.files.items():
            check(name, entry, (folder / name).stat().st_size, _digest(folder / name))
        # onnxruntime would read it for a model that names it. Of its own accord it refuses a
        # file outside the folder.
        if WEIGHTS not in manifest.files and (folder / WEIGHTS).exists():
            raise BundleError(f"{WEIGHTS} is there and {MANIFEST} does not list it")
    except OSError as error:
        raise BundleError(f"{error.filename}: {error.strerror}") from error
    return manifest, version_of(data)


def check(name: str, entry: FileEntry, size: int, sha256: str) -> None:
    """Compare what was read with what the manifest says.

    Raises:
        BundleError: they differ.
    """
    if size != entry.size:
        raise BundleError(f"{name} has {size} bytes, not {entry.size}")
    if sha256 != entry.sha256:
        raise BundleError(f"{name} has digest {sha256}, not {entry.sha256}")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
