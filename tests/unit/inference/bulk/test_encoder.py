import bz2
import gzip
import json
import lzma
from collections.abc import Callable

import pytest

from inference.bulk.encoder import Encoder, OutputColumns, Record
from inference.bulk.request import BulkError
from inference.tables.formats import FileFormat, FileType

COLUMNS = OutputColumns(keep=("id",), labels=("a", "b"))
NAMES = [
    *["line", "id", "predicted_label", "confidence", "truncated", "model_version"],
    *["probability_a", "probability_b"],
]
RECORD: Record = [2, "n,1", "a", 0.75, False, "0123", 0.75, 0.25]


@pytest.mark.parametrize(
    ("file_format", "header", "piece"),
    [
        ("csv", ",".join(NAMES) + "\n", '2,"n,1",a,0.75,false,0123,0.75,0.25\n'),
        ("tsv", "\t".join(NAMES) + "\n", "2\tn,1\ta\t0.75\tfalse\t0123\t0.75\t0.25\n"),
        ("jsonl", "", json.dumps(dict(zip(NAMES, RECORD, strict=True))) + "\n"),
        ("parquet", "", json.dumps(dict(zip(NAMES, RECORD, strict=True))) + "\n"),
    ],
)
def test_records_are_written_under_the_names_of_their_columns(
    file_format: FileFormat, header: str, piece: str
) -> None:
    encoder = Encoder(COLUMNS, FileType(file_format))
    assert encoder.encode_header().decode() == header
    assert encoder.encode([RECORD]).decode() == piece


def test_separators_within_tsv_values_become_spaces() -> None:
    encoder = Encoder(OutputColumns(("note",), ()), FileType("tsv"))
    assert encoder.encode([[1, "a\tb\r\nc", True]]) == b"1\ta b  c\ttrue\n"


@pytest.mark.parametrize(
    ("compression", "decompress"),
    [("gz", gzip.decompress), ("bz2", bz2.decompress), ("xz", lzma.decompress)],
)
def test_joined_pieces_are_a_compressed_file(
    compression: str, decompress: Callable[[bytes], bytes]
) -> None:
    # GIVEN an encoder for compressed files
    plain = Encoder(COLUMNS, FileType("csv"))
    encoder = Encoder(COLUMNS, FileType("csv", compression))
    # WHEN its pieces are joined
    file = encoder.encode_header() + encoder.encode([RECORD]) + encoder.encode([RECORD])
    # THEN the file has the content of all
    assert decompress(file) == plain.encode_header() + 2 * plain.encode([RECORD])


def test_the_same_records_give_the_same_bytes() -> None:
    encoder = Encoder(COLUMNS, FileType("csv", "gz"))
    assert encoder.encode([RECORD]) == encoder.encode([RECORD])


def test_two_columns_with_the_same_name_are_an_error() -> None:
    with pytest.raises(BulkError, match="several columns named confidence: rename"):
        OutputColumns(("id", "confidence"), ("a", "b"))


def test_a_model_with_thresholds_has_columns_for_abstentions() -> None:
    names = OutputColumns(("id",), ("a",), can_abstain=True).names
    assert names[4:8] == ("truncated", "model_version", "abstained", "abstention_reason")
    assert "abstained" not in OutputColumns(("id",), ("a",)).names
    with pytest.raises(BulkError):
        OutputColumns(("abstained",), ("a",), can_abstain=True)


@pytest.mark.parametrize("file_format", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("compression", ["", "gz", "xz"])
def test_what_is_encoded_for_each_record_makes_the_piece(
    file_format: FileFormat, compression: str
) -> None:
    # GIVEN a record with a line break in a value, between others
    encoder = Encoder(COLUMNS, FileType(file_format, compression))
    records: list[Record] = [RECORD, [3, "a\nb", *RECORD[2:]], RECORD]
    # WHEN each is encoded THEN there is one string for each, and they make the piece
    lines = encoder.encode_lines(records)
    assert len(lines) == 3
    assert encoder.join(lines) == encoder.encode(records)
