"""Headlines for tests, in the layout of the news data set."""

from pathlib import Path


def news_row(title: str, category: str = "b", story: str = "s", time: int = 1) -> str:
    """One line of the file."""
    return f"1\t{title}\turl\tWire\t{category}\t{story}\thost\t{time}\n"


def write_rows(folder: Path, text: str) -> str:
    """Write a data file and return its path."""
    (folder / "rows.csv").write_text(text, encoding="utf-8")
    return str(folder / "rows.csv")
