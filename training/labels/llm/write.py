"""Label the texts of a file with an LLM, and write rows that `textclf train` learns from."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inference.bulk.rejects import REJECTS, encode_rejects
from inference.tables.columns import InputColumns
from inference.tables.errors import show
from inference.tables.options import ReadOptions
from inference.tables.rows import Reject, Row
from inference.writing import OutputError
from training.atomic import replacing, require_writable
from training.labels.llm.bedrock import BedrockModel, read_model_id, require_access
from training.labels.llm.estimate import Estimate, estimate
from training.labels.llm.journal import Journal
from training.labels.llm.label_set import Label
from training.labels.llm.labeller import Labeller
from training.labels.llm.prompt import Prompt
from training.labels.llm.spending import Spending, Usage
from training.labels.llm.texts import CheckRows, Texts, cut, read_check_rows, read_texts

if TYPE_CHECKING:
    from training.labels.llm.agreement import Agreement

JOURNAL, DISAGREEMENTS = ".journal.jsonl", ".disagreements.csv"  # after the name of the output
TEXT = "text"  # the column of texts from a file without a header


class WriteError(OutputError):
    """Labels cannot be written there; the message says what to do."""


@dataclass(frozen=True)
class WriteRequest:
    """A user's request to label the texts of a file."""

    source: str
    output: Path
    labels: Sequence[Label]
    model: str  # bedrock:MODEL_ID
    columns: InputColumns
    label_column: str = "label"
    check: str = ""  # a file that people have labelled
    options: ReadOptions = field(default_factory=ReadOptions)
    spending: Spending = field(default_factory=Spending)

    def beside(self, ending: str) -> Path:
        """Return the name of a file that goes with the output."""
        return self.output.with_name(self.output.name + ending)

    @property
    def header(self) -> list[str]:
        """The columns of the output."""
        text, *kept = self.columns.names
        if self.columns.by_position:
            text, kept = TEXT, [f"column_{position}" for position in kept]
        return [text, self.label_column, *kept]


@dataclass(frozen=True)
class Written:
    """What became of all rows of a file."""

    location: str
    rows: int
    labels: Counter[str]  # labelled rows by label
    rejects: Counter[str]  # the others by reason
    not_asked: int  # because the budget was used up

    def describe(self) -> str:
        """Return the balance in a line."""
        text = (
            f"{self.location}: {self.rows:,} rows = {self.labels.total():,} labelled + "
            f"{self.rejects.total():,} rejected"
        )
        return f"{text} + {self.not_asked:,} not asked about" if self.not_asked else text


class WriteJob:
    """The job of labelling a file: what it reads, and the journal of what was paid for."""

    def __init__(self, request: WriteRequest, texts: Texts, check: CheckRows | None) -> None:
        self.request, self.texts, self.check = request, texts, check
        self._model_id = read_model_id(request.model)
        self._prompt = Prompt(request.labels)
        self._journal: Journal

    @property
    def made_with(self) -> dict[str, object]:
        """What the labels depend on."""
        return {
            "model": self._model_id,
            "labels": list(self._prompt.labels),
            "prompt": self._prompt.digest,
        }

    @property
    def usage(self) -> Usage:
        """What all runs for this output have cost."""
        return self._journal.usage

    @property
    def rows(self) -> list[Row]:
        """All rows to ask about: those that people have labelled first."""
        return [*(self.check.rows if self.check else ()), *self.texts.rows]

    def estimate(self) -> Estimate:
        """Estimate what the texts that are not settled cost."""
        return estimate([cut(row.text) for row in self.rows], self._prompt, self._journal)

    def label_check_rows(self) -> None:
        """Ask about the rows that people have labelled."""
        if self.check:
            self._label(self.check.rows)

    def label(self) -> Written:
        """Ask about all texts, and write those with a label, even if the budget ends it early."""
        self._label(self.texts.rows)
        return self._write()

    @contextmanager
    def opened(self) -> Iterator["WriteJob"]:
        """Keep the journal open until the block ends."""
        with Journal.open(self.request.beside(JOURNAL), self.made_with) as journal:
            self._journal = journal
            yield self

    def measure_agreement(self) -> "Agreement | None":
        """Compare the labels with those of people, and write where they differ.

        None if there is nothing to compare, or the budget ended before.
        """
        if self.check is None:
            return None
        # Here, because scipy takes seconds to import.
        from training.labels.llm import agreement

        rows = [
            (row, label)
            for row, label in zip(self.check.rows, self.check.labels, strict=True)
            if self.is_settled(row)
        ]
        if not rows:
            return None
        measured = agreement.measure_agreement(
            [(row.line, row.text) for row, _ in rows],
            [label for _, label in rows],
            [label or agreement.NO_LABEL for label in self.find_labels([row for row, _ in rows])],
        )
        agreement.write_disagreements(self.request.beside(DISAGREEMENTS), measured)
        return measured

    def find_labels(self, rows: Sequence[Row]) -> list[str | None]:
        """Return the labels that rows have so far; None for those without."""
        return [self._journal.find_label(cut(row.text)) for row in rows]

    def is_settled(self, row: Row) -> bool:
        """Whether a row was asked about, so that it has a label or a reason for none."""
        return self._journal.is_settled(cut(row.text))

    def _label(self, rows: Sequence[Row]) -> None:
        spending = self.request.spending
        texts = [text for row in rows if not self._journal.is_settled(text := cut(row.text))]
        if texts:
            model = BedrockModel(self._model_id, self._prompt, spending.parallel)
            Labeller(model, self._journal, spending).label(texts)

    def _write(self) -> Written:
        labelled: list[tuple[Row, str]] = []
        rejects = list(self.texts.rejects)
        for row, label in zip(self.texts.rows, self.find_labels(self.texts.rows), strict=True):
            if label is not None:
                labelled.append((row, label))
            elif self.is_settled(row):
                problem = self._journal.find_problem(cut(row.text))
                rejects.append(Reject(row.line, str(problem), show(row.text)))
        rejects.sort()
        with replacing(self.request.beside(REJECTS)) as temporary:
            temporary.write_bytes(encode_rejects(rejects))
        self._write_rows(labelled)
        return Written(
            location=self.texts.location,
            rows=self.texts.count,
            labels=Counter(label for _, label in labelled),
            rejects=Counter(reject.reason for reject in rejects),
            not_asked=self.texts.count - len(labelled) - len(rejects),
        )

    def _write_rows(self, labelled: Sequence[tuple[Row, str]]) -> None:
        output = self.request.output
        with (
            replacing(output) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(self.request.header)
            writer.writerows((row.text, label, *row.kept) for row, label in labelled)


@contextmanager
def open_job(request: WriteRequest) -> Iterator[WriteJob]:
    """Read the files of a request and open its journal; nothing is asked or paid yet.

    Raises:
        DataError: a file cannot be read.
        ModelError: there is no region, or there are no credentials.
        WriteError: the output cannot be written, or would replace something else.
        JournalError: an earlier run for this output was made with something else.
    """
    _require_place(request)
    read_model_id(request.model)
    goes_on = request.beside(JOURNAL).exists()
    if not goes_on:
        require_access()
    texts = read_texts(request.source, request.columns, request.options)
    check = _read_check(request) if request.check else None
    with WriteJob(request, texts, check).opened() as job:
        if goes_on and not all(map(job.is_settled, job.rows)):
            require_access()
        yield job


def _read_check(request: WriteRequest) -> CheckRows:
    text, label, *_ = request.header  # the columns of the output; the dialect is the file's own
    prompt = Prompt(request.labels)
    return read_check_rows(
        request.check, InputColumns(text, (label,)), prompt.labels, prompt.examples
    )


def _require_place(request: WriteRequest) -> None:
    output = request.output
    if output.suffix.lower() != ".csv":
        raise WriteError(f"--output is a CSV file: give a name that ends in .csv, not {output}")
    if len(set(request.header)) < len(request.header):
        raise WriteError(
            f"the output would have a column twice: {', '.join(request.header)}; give another "
            "--label-column"
        )
    read = [Path(request.source).resolve(), Path(request.check or request.source).resolve()]
    for written in [output, *map(request.beside, (REJECTS, DISAGREEMENTS, JOURNAL))]:
        if written.resolve() in read:
            raise WriteError(
                f"--output would overwrite {written}, which is read: give another name"
            )
    if output.exists() and not request.beside(JOURNAL).exists():
        raise WriteError(f"{output} exists, and no earlier run wrote it: give another --output")
    require_writable(output.parent)
