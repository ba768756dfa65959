"""Write the Parquet file of a complete output."""

import json
from itertools import islice
from pathlib import Path

from inference.bulk.encoder import OutputColumns
from inference.bulk.placement import sync

GROUP_ROWS = 1 << 16  # of a row group


def write_parquet(json_lines: Path, path: Path, columns: OutputColumns) -> None:
    """Convert a file of JSON lines to Parquet."""
    import pyarrow.parquet  # an optional dependency

    types = {"line": pyarrow.int64(), "truncated": pyarrow.bool_(), "confidence": pyarrow.float64()}
    types |= {f"probability_{label}": pyarrow.float64() for label in columns.labels}
    if columns.can_abstain:  # otherwise a column of the input may have this name
        types["abstained"] = pyarrow.bool_()
    schema = pyarrow.schema((name, types.get(name, pyarrow.string())) for name in columns.names)
    with json_lines.open(encoding="utf-8") as source, path.open("wb") as file:
        with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            while lines := list(islice(source, GROUP_ROWS)):
                rows = [json.loads(line) for line in lines]
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
        sync(file)
