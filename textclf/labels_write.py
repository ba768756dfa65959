"""`textclf labels write`."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from inference.errors import TextClassifierError
from inference.tables.columns import InputColumns
from inference.tables.options import Quoting, ReadOptions
from training.labels.llm.spending import Spending

if TYPE_CHECKING:
    from training.labels.llm.write import WriteJob, Written

KEPT = Parameter(show_default=False)
NO_PRICES = Spending()


class BudgetUsedUpError(TextClassifierError):
    """The budget did not cover all texts."""

    exit_code = 5


def write(
    source: str,
    /,
    *,
    output: Path,
    labels: str,
    model: str,
    spending: Annotated[Spending, Parameter(name="*")] = NO_PRICES,
    check: str = "",
    text_column: str = "text",
    label_column: str = "label",
    keep: Annotated[tuple[str, ...], KEPT] = (),
    delimiter: str | None = None,
    quoting: Quoting | None = None,
    encoding: str | None = None,
    no_header: bool = False,
    yes: bool = False,
) -> None:
    r"""Let a large language model (LLM) on Amazon Bedrock label texts.

    For texts that nobody has labelled: the LLM labels some thousands of them once, `textclf train`
    learns from its labels, and the small model answers from then on. **Each text is sent to
    Bedrock in your account, and each costs money**, so the command first says how many tokens it
    will take, and asks.

    ```
    textclf labels write texts.csv --output labelled.csv \
        --labels "Business,Science,Entertainment,Health" --model bedrock:MODEL_ID
    textclf labels write texts.csv --output labelled.csv --labels labels.csv \
        --model bedrock:MODEL_ID --check reviewed.csv \
        --usd-per-million-input 1 --usd-per-million-output 5 --budget-usd 20
    ```

    The names of the labels may be all that the model is told. A file says more: it has the column
    `label`, and if you like `description`, what the label means, and `example`, a text that has
    it. Further examples of a label go into further rows with its name.

    `--check` names a file of rows that people have labelled, a hundred or more. The model labels
    these first; you see in how many it agrees with them, and `OUTPUT.disagreements.csv` has the
    others.

    The output has the texts with their labels. Rows that got none, because the model refused, gave
    no label of yours or found that none fits, are in `OUTPUT.rejects.csv` with the reason.
    `OUTPUT.journal.jsonl` has what was paid for, by hashes of the texts: after Ctrl-C, an error or
    more rows in the input, the same command asks only about what is missing.

    With `--budget-usd`, no call begins that might exceed the budget, earlier runs for the same
    output included. What was labelled until then is written, and the exit code is 5.

    Next: `textclf train --task NAME --data labelled.csv --text-column text --label-column label`.

    Args:
        source: The file of texts, in any format that `textclf bulk` reads; a path or an S3 URI.
        output: The CSV file to write.
        labels: The labels, separated by commas, or a file of them.
        model: `bedrock:` and the id or ARN of a model or an inference profile. The model must
            support tool use.
        spending: What a token costs, and how much all of them may cost.
        check: A file of rows that people have labelled, with the same columns as the output. How
            it is written is recognized, whatever the options say about the texts.
        text_column: The column with the texts.
        label_column: The column for the labels, and with those of people in `--check`.
        keep: A column to copy to the output. Repeat the option for more columns.
        delimiter: What separates the columns: a character, or its name, such as `tab`.
        quoting: How values are quoted: `standard` (`""` for a quote), `backslash` (`\"`), or
            `none`, if a quote is a character like any other.
        encoding: The encoding, such as `cp1252`. By default UTF-8, or UTF-16 if it is.
        no_header: The first row is no header; columns are positions from 0.
        yes: Pay without asking.
    """
    from textclf.consent import require_consent
    from training.labels.llm.label_set import read_labels
    from training.labels.llm.write import WriteRequest, open_job

    # `kill` and `docker stop` end the command as Ctrl-C does: calls under way are written down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    request = WriteRequest(
        source=source,
        output=output,
        labels=read_labels(labels),
        model=model,
        columns=InputColumns(text_column, keep),
        label_column=label_column,
        check=check,
        options=ReadOptions(None, delimiter, quoting, encoding, no_header),
        spending=spending,
    )
    with open_job(request) as job:
        _describe_files(job)
        estimate = job.estimate()
        print(estimate.describe(spending))
        if estimate.texts:
            require_consent(yes=yes)
        try:
            job.label_check_rows()
            _report_agreement(job)
            written = job.label()
        finally:  # also if it was interrupted, or the model fails
            paid = job.usage - estimate.spent
            print(f"paid: {spending.describe(paid)}, in {paid.calls:,} calls")
        _report(job, written)


def _describe_files(job: "WriteJob") -> None:
    from inference.tables.describe import describe_bad_rows, describe_reading
    from training.data.examples import LONGEST_TEXT

    texts, check = job.texts, job.check
    print(describe_reading(texts.location, texts.layout, texts.note))
    if texts.rejects:
        print(f"{len(texts.rejects):,} of {texts.count:,} rows cannot be read:")
        print(describe_bad_rows(texts.bad_rows))
    if texts.cut:
        print(f"{texts.cut:,} texts are read up to character {LONGEST_TEXT:,}")
    if check:
        left_out = [(len(check.rejects), "cannot be used"), (check.examples, "are in the prompt")]
        reasons = "".join(f"; {count:,} {reason}" for count, reason in left_out if count)
        print(f"{check.location}: {len(check.rows):,} rows to check with{reasons}")


def _report_agreement(job: "WriteJob") -> None:
    from training.labels.llm.write import DISAGREEMENTS

    agreement = job.measure_agreement()
    if agreement and job.check:
        print(f"{job.check.location}: {agreement.describe()}")
    if agreement and agreement.disagreements:
        print(f"those that differ are in {job.request.beside(DISAGREEMENTS)}")


def _report(job: "WriteJob", written: "Written") -> None:
    from inference.bulk.rejects import REJECTS
    from training.labels.names import shorten

    request = job.request
    print(written.describe())
    for reason, rows in written.rejects.most_common():
        print(f"  {rows:,}: {reason}")
    if written.rejects:
        print(f"all of them are in {request.beside(REJECTS)}")
    counts = zip(shorten(list(written.labels)), written.labels.values(), strict=True)
    print(f"{request.output}: {', '.join(f'{rows:,} {label}' for label, rows in counts)}")
    if written.not_asked:
        raise BudgetUsedUpError(
            f"the budget is used up: {written.not_asked:,} rows are not asked about; the same "
            "command with a higher --budget-usd goes on"
        )
