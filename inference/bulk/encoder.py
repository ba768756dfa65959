"""Encode records as CSV, TSV or JSON lines, compressed or plain."""

import bz2
import csv
import gzip
import json
import lzma
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from inference.bulk.request import BulkError
from inference.model.bundle import ClassifierSpec
from inference.tables.errors import join_words
from inference.tables.formats import FileType

if TYPE_CHECKING:  # it imports onnxruntime, which only the workers of a run need
    from inference.model.classifier import Classifier

Value = str | int | float | bool
Record = Sequence[Value]

_PREDICTION = ("predicted_label", "confidence", "truncated", "model_version")
_SEVERAL = ("predicted_labels",)  # of models that may give a text several labels
_ABSTENTION = ("abstained", "abstention_reason")  # of models with thresholds
_BOOLEANS = {True: "true", False: "false"}
_SEPARATORS_TO_SPACES = str.maketrans("\t\r\n", "   ")


@dataclass(frozen=True)
class OutputColumns:
    """The columns of an output.

    Raises:
        BulkError: two of them have the same name.
    """

    keep: tuple[str, ...]  # copied from the input
    labels: tuple[str, ...]
    can_abstain: bool = False  # whether the model has thresholds
    several: bool = False  # whether a text may have several labels

    @classmethod
    def of(cls, keep: tuple[str, ...], model: "Classifier | ClassifierSpec") -> Self:
        """Return the columns for what a model answers."""
        several = model.labelling is not None
        return cls(keep, model.labels, model.can_abstain, several)

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            names = [name for name, count in Counter(self.names).items() if count > 1]
            raise BulkError(
                f"--keep: the output would have several columns named {join_words(names)}: rename "
                "those of the input, or do not keep them"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""
        probabilities = (f"probability_{label}" for label in self.labels)
        abstention = _ABSTENTION if self.can_abstain else ()
        several = _SEVERAL if self.several else ()
        return ("line", *self.keep, *_PREDICTION, *several, *abstention, *probabilities)


@dataclass(frozen=True)
class Encoder:
    """Turns records into pieces of a file, which may be joined.

    Compressed pieces too: gzip (RFC 1952), bzip2, xz and zstd (RFC 8878) files may consist of
    several. Parquet cannot be joined, so its pieces are JSON lines until the output is complete.
    """

    columns: OutputColumns
    file_type: FileType

    def encode_header(self) -> bytes:
        """Return the first piece of an output, which names the columns of CSV and TSV."""
        if self.file_type.format in ("csv", "tsv"):
            return self.encode([self.columns.names])
        return b""

    def encode(self, records: Sequence[Record]) -> bytes:
        """Return a piece with these records."""
        return self.join(self.encode_lines(records))

    def encode_lines(self, records: Sequence[Record]) -> list[str]:
        """Return what a piece has for each record."""
        if self.file_type.format == "csv":
            return _to_csv(records)
        if self.file_type.format == "tsv":
            return _to_tsv(records)
        return _to_json_lines(self.columns.names, records)

    def join(self, lines: Sequence[str]) -> bytes:
        """Return the piece with what was encoded for each of its records."""
        return _compress("".join(lines).encode(), self.file_type.compression)


class _Lines(list[str]):
    """A file for the csv module, which writes each record at once."""

    write = list.append


def _to_csv(records: Sequence[Record]) -> list[str]:
    lines = _Lines()
    csv.writer(lines, lineterminator="\n").writerows(map(_to_plain, records))
    return lines


def _to_tsv(records: Sequence[Record]) -> list[str]:
    # TSV has no quoting, so a value cannot contain a separator.
    return [
        "\t".join([str(value).translate(_SEPARATORS_TO_SPACES) for value in _to_plain(record)])
        + "\n"
        for record in records
    ]


def _to_json_lines(names: Sequence[str], records: Sequence[Record]) -> list[str]:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    return [encode(dict(zip(names, record, strict=True))) + "\n" for record in records]


def _to_plain(record: Record) -> list[Value]:
    """Write booleans as JSON does."""
    return [_BOOLEANS[value] if isinstance(value, bool) else value for value in record]


def _compress(data: bytes, compression: str) -> bytes:
    if compression == "gz":
        return gzip.compress(data, mtime=0)  # no time, so that the same rows give the same bytes
    if compression == "bz2":
        return bz2.compress(data)
    if compression == "xz":
        return lzma.compress(data)
    if compression == "zst":
        import pyarrow  # not in the Lambda image

        return bytes(pyarrow.compress(data, "zstd", asbytes=True))
    return data
