"""Rows to the bytes of a table: what every process of a run does, whatever started it."""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass

from inference.model.classifier import Classifier
from inference.model.store import Bundle
from inference.tables.formats import BulkError, Format
from inference.tables.rows import Row

DECIMALS = 6  # of a probability; int8 is not truer than that

_PREDICTED = ("predicted_label", "confidence", "truncated", "model_version")

Value = str | int | float | bool


@dataclass(frozen=True)
class Layout:
    """The columns of an output, and how they are written down."""

    keep: tuple[str, ...]
    labels: tuple[str, ...]
    kind: Format

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names, in order."""
        probabilities = (f"probability_{label}" for label in self.labels)
        return ("line", *self.keep, *_PREDICTED, *probabilities)

    def check(self) -> None:
        """See that no column has another's name.

        Raises:
            BulkError: one has.
        """
        if len(set(self.columns)) < len(self.columns):
            raise BulkError(f"--keep: two columns of one name among {', '.join(self.columns)}")


class Scorer:
    """A loaded model that turns rows into a piece of the output."""

    def __init__(self, bundle: Bundle, layout: Layout) -> None:
        """Load the model.

        Raises:
            BundleError: it cannot be loaded.
        """
        self._classifier = Classifier(bundle.folder, bundle.manifest)
        self._version, self._layout = bundle.version, layout

    def __call__(self, rows: Sequence[Row]) -> bytes:
        """Classify rows; the same rows give the same bytes."""
        predictions = self._classifier.predict([row.text for row in rows])
        records: list[list[Value]] = [
            [
                row.line,
                *row.kept,
                found.label,
                round(found.confidence, DECIMALS),
                found.truncated,
                self._version,
                *(round(probability, DECIMALS) for probability in found.probabilities.values()),
            ]
            for row, found in zip(rows, predictions, strict=True)
        ]
        return encode(self._layout, records)


def header(layout: Layout) -> bytes:
    """What stands at the head of an output."""
    named = layout.kind.table in ("csv", "tsv")
    return encode(layout, [layout.columns]) if named else b""


def encode(layout: Layout, records: Sequence[Sequence[Value]]) -> bytes:
    """Records as a piece of a file; pieces may be strung together.

    Compressed pieces too: gzip (RFC 1952), bzip2, xz and zstd (RFC 8878) files are series of
    such. A piece of a Parquet output is JSON lines until the whole is there.
    """
    text = _ENCODERS[layout.kind.table](layout, records)
    return _compress(text.encode(), layout.kind.compression)


def _csv(_: Layout, records: Sequence[Sequence[Value]]) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([_plain(v) for v in r] for r in records)
    return file.getvalue()


def _tsv(_: Layout, records: Sequence[Sequence[Value]]) -> str:
    # TSV has no quoting: what separates cannot stand within.
    gap = str.maketrans("\t\r\n", "   ")
    return "".join(
        "\t".join(str(_plain(value)).translate(gap) for value in record) + "\n"
        for record in records
    )


def _json_lines(layout: Layout, records: Sequence[Sequence[Value]]) -> str:
    rows = (dict(zip(layout.columns, record, strict=True)) for record in records)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _plain(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value


_ENCODERS = {"csv": _csv, "tsv": _tsv, "jsonl": _json_lines, "parquet": _json_lines}


def _compress(data: bytes, compression: str) -> bytes:
    if compression == "gz":
        return gzip.compress(data, mtime=0)  # no time: the same rows are the same bytes
    if compression == "bz2":
        return bz2.compress(data)
    if compression == "xz":
        return lzma.compress(data)
    if compression == "zst":
        import pyarrow

        return bytes(pyarrow.compress(data, "zstd", asbytes=True))
    return data
