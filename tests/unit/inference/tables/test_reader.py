"""Whatever is in a file, every row of it becomes a row or a reject, once."""

import csv
import io
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.tables.blocks import Blocks
from inference.tables.columns import InputColumns
from inference.tables.encodings import open_as_utf8
from inference.tables.errors import TableError
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions
from inference.tables.ranges import cut_ranges, read_range
from inference.tables.reader import read_rows
from inference.tables.recognize import recognize
from inference.tables.rows import Reject, Row
from inference.tables.split import Splitter

COLUMNS = InputColumns("text", ("id",))
BY_POSITION = InputColumns("1", ("0",))
SNIPPETS = st.sampled_from(
    [
        *(
            ",",
            '"',
            "\n",
            "\r\n",
            "\r",
            "\t",
            ";",
            "a",
            "b c",
            '""',
            '"\n',
            '\n"',
            ',"',
            '",',
            "1,x\n",
        ),
        *("1,2\n", '7,"x, y"\n', "8\tq\n", "\\", '\\"', ' "', "é", "\x00", "\u2028", '"\n"'),
    ]
)
QUOTINGS: dict[str, Literal[0, 1, 2]] = {
    "all": csv.QUOTE_ALL,
    "minimal": csv.QUOTE_MINIMAL,
    "texts": csv.QUOTE_NONNUMERIC,
}
SETTINGS = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=[8, 1 << 20], ids=["small blocks", "large blocks"], autouse=True)
def _block_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.tables.split.BLOCK_BYTES", request.param)


def recognize_bytes(data: bytes, columns: InputColumns, options: ReadOptions) -> Layout | None:
    try:
        return recognize(io.BytesIO(data), columns, options)
    except TableError:
        return None


def read(data: bytes, layout: Layout, columns: InputColumns) -> list[Row | Reject]:
    return list(read_rows(io.BytesIO(data), layout, columns))


def count_records(data: bytes, layout: Layout) -> int:
    """Count the pieces that hold a character; make sure that they cover the file."""
    content = open_as_utf8(io.BytesIO(data), layout.encoding, layout.newline)
    whole = content.read()
    content.seek(0)
    content.read(layout.begin)
    assert layout.dialect
    dialect = layout.dialect
    covered, count, next_line = b"", 0, layout.line
    for part in Splitter(Blocks(content), dialect.make_grammar(), dialect.shape, layout.line):
        for line, piece in part.pieces():
            assert line == next_line
            next_line += piece.count(b"\n")
            covered += piece
            count += piece not in (b"\n", b"\r\n", b"\r")
    assert covered == whole[layout.begin :]
    return count


@pytest.mark.parametrize("columns", [COLUMNS, BY_POSITION], ids=["header", "no header"])
@SETTINGS
@given(snippets=st.lists(SNIPPETS, max_size=40))
def test_every_record_of_any_content_becomes_a_row_or_a_reject(
    columns: InputColumns, snippets: list[str]
) -> None:
    # GIVEN any content, unbalanced quotes included
    data = ("id,text\n" * (columns is COLUMNS) + "".join(snippets)).encode()
    layout = recognize_bytes(data, columns, ReadOptions())
    if layout is None or layout.dialect is None:
        return
    # WHEN it is read
    found = read(data, layout, columns)
    # THEN there is one row or reject for each record, in order
    assert len(found) == count_records(data, layout)
    lines = [one.line for one in found]
    assert lines == sorted(set(lines))


@pytest.mark.parametrize("columns", [COLUMNS, BY_POSITION], ids=["header", "no header"])
@SETTINGS
@given(
    snippets=st.lists(SNIPPETS, max_size=40),
    rows=st.integers(1, 4),
    quoting=st.sampled_from([None, "standard", "backslash", "none"]),
    delimiter=st.sampled_from([None, ",", "\t", "none"]),
)
def test_ranges_read_apart_are_the_file_read_whole(
    columns: InputColumns, snippets: list[str], rows: int, quoting: None, delimiter: str | None
) -> None:
    # GIVEN any content
    data = ("id,text\n" * (columns is COLUMNS) + "".join(snippets)).encode()
    layout = recognize_bytes(data, columns, ReadOptions(quoting=quoting, delimiter=delimiter))
    if layout is None:
        return
    # WHEN it is cut into ranges
    parts = list(cut_ranges(io.BytesIO(data), layout, rows))
    # THEN they follow each other without a gap
    content = open_as_utf8(io.BytesIO(data), layout.encoding, layout.newline).read()
    bounds = [part.begin for part in parts] + [part.end for part in parts[-1:]]
    assert bounds == [layout.begin, *(part.end for part in parts)][: len(bounds)]
    assert not parts or parts[-1].end == len(content)
    # AND hold the rows and rejects of the whole
    apart = [
        row
        for part in parts
        for row in read_range(part, content[part.begin : part.end], layout, columns)
    ]
    assert apart == read(data, layout, columns)


@SETTINGS
@given(snippets=st.lists(SNIPPETS, max_size=60))
def test_the_size_of_blocks_changes_nothing(
    snippets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ("id,text\n" + "".join(snippets)).encode()
    layout = recognize_bytes(data, COLUMNS, ReadOptions())
    if layout is None:
        return
    found = []
    for size in (1, 7, 1 << 20):
        monkeypatch.setattr("inference.tables.split.BLOCK_BYTES", size)
        found.append(read(data, layout, COLUMNS))
    assert found[0] == found[1] == found[2]


TEXTS = st.text(
    st.one_of(st.sampled_from('ab ,;\t|"\n\r\\'), st.characters(codec="utf-8")), max_size=20
)


@SETTINGS
@given(
    texts=st.lists(TEXTS, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from(sorted(QUOTINGS)),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_as_it_was(
    texts: list[str], delimiter: str, quoting: str, line_end: str
) -> None:
    if quoting == "minimal":  # the csv module of Python 3.11 does not quote it
        texts = [text.replace("\r", "") for text in texts]
    # GIVEN a file with any texts, written by a program that quotes
    file = io.StringIO(newline="")
    writer = csv.writer(
        file, delimiter=delimiter, quoting=QUOTINGS[quoting], lineterminator=line_end
    )
    writer.writerow(("id", "text"))
    writer.writerows((index, f"x{text}") for index, text in enumerate(texts))
    data = file.getvalue().encode()
    # WHEN it is read with its quotes as such
    options = ReadOptions(delimiter=delimiter, quoting="standard")
    layout = recognize(io.BytesIO(data), COLUMNS, options)
    found = read(data, layout, COLUMNS)
    # THEN there is a row for each text, unless its lines look like rows
    if any(isinstance(one, Reject) for one in found):
        assert any("\n" in text for text in texts)
        return
    assert [(one.text, one.kept) for one in found if isinstance(one, Row)] == [
        (f"x{text}", (str(index),)) for index, text in enumerate(texts)
    ]


WORDS = st.lists(st.sampled_from(["fed", "holds", "rates,", "5", "jobs;", "grow"]), min_size=1)
BROKEN = st.sampled_from(
    ['{},"open', '{},"two" words', '{},"ends with ""', '{},"', '{},"open, with comma', '{},"a" "b"']
)


@SETTINGS
@given(
    texts=st.lists(WORDS, min_size=30, max_size=60),
    broken=BROKEN,
    place=st.integers(0, 29),
    quoting=st.sampled_from(["all", "minimal"]),
)
def test_a_broken_quote_costs_one_row(
    texts: list[list[str]], broken: str, place: int, quoting: str
) -> None:
    # GIVEN a file that a program wrote, in which one row was then damaged
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=QUOTINGS[quoting], lineterminator="\n")
    writer.writerow(("id", "text"))
    writer.writerows((index, f"{' '.join(text)}, {index}") for index, text in enumerate(texts))
    lines = file.getvalue().splitlines(keepends=True)
    lines[1 + place] = broken.format(place) + "\n"
    data = "".join(lines).encode()
    # WHEN it is read
    layout = recognize(io.BytesIO(data), COLUMNS, ReadOptions())
    found = read(data, layout, COLUMNS)
    # THEN that row is rejected and all others are as they were
    assert [one.line for one in found if isinstance(one, Reject)] == [2 + place]
    assert [(one.text, one.kept) for one in found if isinstance(one, Row)] == [
        (f"{' '.join(text)}, {index}", (str(index),))
        for index, text in enumerate(texts)
        if index != place
    ]
