"""Find out whether quotes are quotes: by all of a file, or as much of a pipe as may be held."""

import re
from dataclasses import dataclass

from inference.tables.content import Content
from inference.tables.encodings import Utf8Check
from inference.tables.grammar import Grammar, strip_line_end
from inference.tables.shape import Shape, first_lines
from inference.tables.split import Part, Splitter

ENOUGH_ROWS = 10_000  # with quotes
_LINE_WITH_QUOTE = re.compile(rb'"[^\n]*+')
_SPACED_QUOTE = re.compile(rb'(?:^|[^\w\s]) +"')


@dataclass
class Survey:
    """What came of reading some content in one way."""

    grammar: Grammar
    width: int  # columns of a row
    rows: int = 0  # bad ones too
    quoted: int = 0  # rows with quotes
    clean: int = 0  # of these, written as by a program that quotes
    bad: int = 0  # of these, no rows
    bad_as_characters: int = 0  # lines of these that are no rows if quotes are characters
    has_backslashes: bool = False  # before quotes in bad rows
    has_blanks: bool = False  # before quotes in bad rows

    def __post_init__(self) -> None:
        self._clean = self.grammar.match_clean(self.width)

    def add_lines(self, data: bytes) -> None:
        """Count lines that are rows."""
        lines = data.count(b"\n")
        self.rows += lines
        if b'"' in data:
            quoted = len(_LINE_WITH_QUOTE.findall(data))
            self.quoted += quoted
            self.clean += quoted
            # Every line has the separators of a row, and perhaps more within quotes.
            excess = data.count(self.grammar.delimiter) - lines * (self.width - 1)
            self.bad_as_characters += min(quoted, excess) if self.grammar.delimiter else 0

    def add_record(self, part: Part) -> None:
        """Count one record with quotes, or a line in which they are wrong."""
        record = strip_line_end(part.data)
        self.rows += 1
        self.quoted += 1
        if not part.problem and self._clean.match(part.data):
            self.clean += 1
        elif part.problem or len(self.grammar.split(record)) != self.width:
            self.bad += 1
            self.has_backslashes |= b'\\"' in record
            self.has_blanks |= _SPACED_QUOTE.search(record) is not None
        if self.grammar.delimiter:
            separators = [line.count(self.grammar.delimiter) for line in first_lines(record)]
            self.bad_as_characters += sum(count != self.width - 1 for count in separators)

    @property
    def is_clear(self) -> bool:
        """Whether the rest of the file can hardly change the answer."""
        if self.quoted < ENOUGH_ROWS:
            return False
        are_quotes = self.bad == 0 and self.clean > 0.99 * self.quoted
        are_characters = self.bad_as_characters == 0 and self.clean < 0.01 * self.quoted
        return are_quotes or are_characters

    @property
    def has_quoting(self) -> bool:
        """Whether quotes are quotes, rather than characters.

        They are if no fewer lines are rows that way. If not, most rows with quotes must be written
        as by a program that quotes, and either no row is bad or half of all rows have quotes.
        """
        if self.bad_as_characters >= max(self.bad, 1):
            return True
        is_consistent = self.bad == 0 or self.clean > self.rows / 2
        return is_consistent and self.clean > self.quoted / 2


def choose_grammar(content: Content, shape: Shape, check: Utf8Check) -> Grammar:
    """Return how the rows of a file are written; ``check`` is shown all lines once."""
    delimiter = shape.delimiter
    standard = Grammar(delimiter, "standard")
    best = _survey(content, standard, shape, check)
    if not best.quoted:
        # Should quotes come later: by custom, text in TSV is not quoted.
        return Grammar(delimiter, "none") if delimiter == "\t" else standard
    others = []
    if best.has_backslashes:
        others.append(Grammar(delimiter, "backslash"))
    if best.has_blanks:
        others.append(Grammar(delimiter, "standard", spaced=True))
    for grammar in others:
        survey = _survey(content, grammar, shape)
        if survey.bad < best.bad:
            best = survey
    return best.grammar if best.has_quoting else Grammar(delimiter, "none")


def _survey(
    content: Content, grammar: Grammar, shape: Shape, check: Utf8Check | None = None
) -> Survey:
    survey = Survey(grammar, shape.width)
    blocks = content.read_blocks(check)
    for part in Splitter(blocks, grammar, shape):
        if survey.is_clear or (part.at_end and not content.complete):
            break
        if part.is_lines:
            survey.add_lines(part.data)
        else:
            survey.add_record(part)
    blocks.read_through()
    return survey
