from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from inference.bulk import parquet_output
from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.parquet_output import write_parquet
from inference.tables.formats import FileType

COLUMNS = OutputColumns(("id",), ("a", "b"))


def test_the_columns_have_types_and_the_rows_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN more rows than fit into a row group
    monkeypatch.setattr(parquet_output, "GROUP_ROWS", 2)
    encoder = Encoder(COLUMNS, FileType("parquet"))
    records = [[line, f"n{line}", "a", 0.75, False, "1", 0.75, 0.25] for line in (1, 2, 4)]
    (tmp_path / "lines").write_bytes(encoder.encode(records))
    # WHEN they are converted
    write_parquet(tmp_path / "lines", tmp_path / "out.parquet", COLUMNS)
    # THEN numbers are numbers and texts are texts
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        **{"line": "int64", "id": "string", "predicted_label": "string", "confidence": "double"},
        **{"truncated": "bool", "model_version": "string"},
        **{"probability_a": "double", "probability_b": "double"},
    }
    assert table.column("id").to_pylist() == ["n1", "n2", "n4"]


def test_abstentions_are_booleans_but_an_input_column_of_that_name_is_text(tmp_path: Path) -> None:
    # GIVEN a model with thresholds, and one without whose input has a column of the same name
    cases: list[tuple[OutputColumns, list[str | int | float | bool], str]] = [
        (OutputColumns((), (), can_abstain=True), [1, "a", 0.5, False, "1", True, "x"], "bool"),
        (OutputColumns(("abstained",), ()), [1, "no", "a", 0.5, False, "1"], "string"),
    ]
    for columns, value, kind in cases:
        # WHEN rows are converted
        (tmp_path / "lines").write_bytes(Encoder(columns, FileType("parquet")).encode([value]))
        write_parquet(tmp_path / "lines", tmp_path / "out.parquet", columns)
        # THEN the column has the type of its values
        table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
        assert str(table.schema.field("abstained").type) == kind
