import pytest

from inference.tables.errors import TableError
from inference.tables.formats import FileType, detect_file_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s3://bucket/news.2014.csv", FileType("csv")),
        ("NEWS.TSV.GZ", FileType("tsv", "gz")),
        ("rows.jsonl.zst", FileType("jsonl", "zst")),
        ("rows.parquet", FileType("parquet")),
    ],
)
def test_the_name_of_an_output_gives_its_type(name: str, expected: FileType) -> None:
    assert detect_file_type(name) == expected


@pytest.mark.parametrize("name", ["rows", "rows.txt", "rows.gz", "-"])
def test_a_name_without_a_known_format_is_an_error_that_lists_the_formats(name: str) -> None:
    with pytest.raises(TableError, match=r"should end in \.csv, \.tsv, \.jsonl, \.parquet"):
        detect_file_type(name)


def test_compressed_parquet_is_an_error() -> None:
    with pytest.raises(TableError, match=r"use a name without \.gz"):
        detect_file_type("rows.parquet.gz")


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv.zst"])
def test_a_type_that_needs_pyarrow_is_an_error_where_it_is_not_installed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.tables.formats.find_spec", lambda _: None)
    with pytest.raises(
        TableError, match=r"needs pyarrow; run `make setup`, or .* pip install -e . --group bulk"
    ):
        detect_file_type(name)
