"""Read CSV, TSV, JSON lines and Parquet files row by row, and set bad rows aside."""
