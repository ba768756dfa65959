"""Recognize the dialect of a CSV or TSV file: separator, quoting and header."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from inference.tables.columns import InputColumns, looks_like_data, normalize_name
from inference.tables.content import Content, open_head
from inference.tables.encodings import Utf8Check
from inference.tables.errors import TableError, show
from inference.tables.grammar import Grammar, strip_line_end
from inference.tables.layout import Dialect
from inference.tables.options import ReadOptions
from inference.tables.orange import HEADER_ROWS, is_orange_header
from inference.tables.quoting import choose_grammar
from inference.tables.shape import Shape, learn_shape
from inference.tables.split import Splitter

SEPARATORS = ("\t", "|", ";", ",")  # the rarer in prose first
SAMPLE_ROWS = 1000
LEAST_SHARE = 0.5  # of the rows have one width, if the separator is the right one
LEAST_ROWS = 10  # to tell a header from a row
_SEP_LINE = re.compile(rb'"?sep=([\x20-\x7e\t])"?\r?\n', re.IGNORECASE)  # for Excel


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the sample, or a broken line, which has no fields."""

    line: int
    next_line: int
    end: int  # the byte after it
    data: bytes
    fields: list[bytes]
    is_orange_header: bool = False

    def decode(self) -> tuple[str, ...]:
        """Return its fields as names."""
        return tuple(field.decode(errors="replace") for field in self.fields)


def recognize_dialect(
    content: Content, columns: InputColumns, options: ReadOptions, check: Utf8Check
) -> Dialect | None:
    """Return how rows are written, None without any; then the content begins with the rows.

    ``check`` is shown all lines.

    Raises:
        TableError: the file lacks a header or a column.
    """
    by_position = columns.by_position or (options.no_header and not columns.header)
    delimiter = _find_delimiter(content, columns, options, has_names=not by_position)
    grammar = Grammar(delimiter, options.quoting or "standard")
    sample = _read_sample(content, grammar)
    if not sample:
        if by_position or columns.header:
            return None
        raise TableError("the file is empty: it has no header")
    width = None if by_position else len(columns.header or sample[0].fields)
    if options.quoting:
        content.read_through(check)
    else:
        grammar = choose_grammar(content, _learn_shape(sample, delimiter, width), check)
        sample = _read_sample(content, grammar)
        width = None if by_position else len(columns.header or sample[0].fields)
    shape = _learn_shape(sample, delimiter, width)
    header, header_line = columns.header, 0
    if by_position:
        if not options.no_header:
            _require_no_header(sample, shape)
    elif not header or set(map(normalize_name, header)) == _names(sample[0]):
        header, header_line = _read_header(sample), sample[0].line
        content.skip(sample[0].end, sample[0].next_line - content.line)
    dialect = Dialect(grammar.quoting, grammar.spaced, header, header_line, shape)
    dialect.find(columns)  # fails now rather than later
    return dialect


def _find_delimiter(
    content: Content, columns: InputColumns, options: ReadOptions, *, has_names: bool
) -> str:
    """Return the separator that was given, that a line for Excel names, or that fits best."""
    match = _SEP_LINE.match(content.read_head())
    if match:
        content.skip(match.end(), lines=1)
    if options.delimiter is not None:
        return options.delimiter
    if options.file_format == "tsv":
        return "\t"
    if match:
        return match[1].decode()
    wanted = {normalize_name(name) for name in columns.names if name not in columns.optional}
    best, best_score = "", (False, LEAST_SHARE)
    for quoting in (options.quoting,) if options.quoting else ("standard", "none"):
        for delimiter in SEPARATORS:
            sample = _read_sample(content, Grammar(delimiter, quoting))
            score = _score(sample, wanted if has_names else None)
            if score > best_score or (score == best_score and not best):
                best, best_score = delimiter, score
    return best


def _score(sample: Sequence[Record], wanted: set[str] | None) -> tuple[bool, float]:
    """Return whether the first row has the names, and how many rows are of the usual width."""
    width = _find_width(sample)
    if width < 2:
        return False, 0.0
    share = sum(len(record.fields) == width for record in sample) / len(sample)
    return wanted is not None and wanted <= _names(sample[0]), share


def _find_width(sample: Sequence[Record]) -> int:
    """Return how many columns most rows have."""
    widths = Counter(len(record.fields) for record in sample if record.fields)
    return max(widths, key=lambda width: widths[width], default=1)


def _names(record: Record) -> set[str]:
    return set(map(normalize_name, record.decode()))


def _read_sample(content: Content, grammar: Grammar) -> list[Record]:
    """Split the first rows."""
    sample = []
    for record in _read_records(content.read_head(), grammar, content.line):
        sample.append(record)
        if len(sample) == SAMPLE_ROWS:
            break
    return _join_header(sample) if grammar.delimiter == b"\t" else sample


def _join_header(sample: list[Record]) -> list[Record]:
    """Let the header of one of Orange's files be one record, which has the names."""
    if len(sample) < HEADER_ROWS:
        return sample
    names, types, flags = sample[:HEADER_ROWS]
    # In place of the flags, as blank lines are no rows.
    has_blank_line = flags.line > types.next_line
    cells = () if has_blank_line else flags.decode()
    if not is_orange_header(types.decode(), cells, len(names.fields)):
        return sample
    last = types if has_blank_line else flags
    header = replace(names, next_line=last.next_line, end=last.end, is_orange_header=True)
    return [header, *sample[2 if has_blank_line else HEADER_ROWS :]]


def _read_records(head: bytes, grammar: Grammar, line: int) -> Iterator[Record]:
    end = 0
    for part in Splitter(open_head(head), grammar, None, line):
        for number, data in part.pieces():
            end += len(data)
            record = strip_line_end(data)
            if record:
                fields = [] if part.problem else grammar.split(record)
                yield Record(number, number + max(1, data.count(b"\n")), end, record, fields)


def _learn_shape(sample: Sequence[Record], delimiter: str, width: int | None) -> Shape:
    """Learn what rows look like; without a width, from rows as wide as most."""
    width = _find_width(sample) if width is None else width
    shape = learn_shape(delimiter, [record.fields for record in sample[1:]], width)
    texts = [record.data for record in sample if len(record.fields) == width]
    has_line_breaks = any(b"\n" in text and not shape.has_rows_within(text) for text in texts)
    return replace(shape, has_line_breaks=has_line_breaks)


def _require_no_header(sample: Sequence[Record], shape: Shape) -> None:
    """Make sure that the first row is one, if columns are named by their positions.

    Raises:
        TableError: it has names where all other rows have numbers, or values of a few.
    """
    first = sample[0]
    is_other = len(first.fields) == shape.width and not shape.is_row(first.fields)
    is_header = len(sample) > LEAST_ROWS and is_other and not looks_like_data(first.decode())
    if is_header or first.is_orange_header:
        raise TableError(
            "this line looks like a header",
            line=first.line,
            excerpt=show(", ".join(first.decode())),
            remedy="give the names of columns; or if it is a row, say --no-header",
        )


def _read_header(sample: Sequence[Record]) -> tuple[str, ...]:
    """Return the names in the first row.

    Raises:
        TableError: it is broken, or no other row has as many columns.
    """
    first, *rows = sample
    if not first.fields:
        raise TableError(
            "the quotes of the header do not end where its columns end",
            line=first.line,
            remedy="correct it, or say --quoting none if quotes are characters",
        )
    if len(rows) >= LEAST_ROWS and all(len(row.fields) != len(first.fields) for row in rows):
        raise TableError(
            f"the header names {len(first.fields)} columns, and no row below has as many",
            line=first.line,
            excerpt=show(", ".join(first.decode())),
            remedy=f"most rows have {_find_width(rows)}: name each column, or give the --delimiter",
        )
    return first.decode()
