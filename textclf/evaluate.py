"""`textclf evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from inference.errors import TextClassifierError
from inference.tables.options import Quoting, ReadOptions
from textclf.model_uri import locate_model
from training.labels.llm.spending import Spending

if TYPE_CHECKING:
    from training.evaluate.yardstick import LlmLabels, YardstickRequest
    from training.fit.trained_model import TrainedModel

FILES = Parameter(show_default=False)
NO_PRICES = Spending()


class EvaluateError(TextClassifierError):
    """The options do not fit the model; the message says why."""


def evaluate(
    model: Path,
    /,
    *,
    also: Annotated[tuple[str, ...], FILES] = (),
    calibrate_on: Annotated[tuple[str, ...], FILES] = (),
    text_column: str = "",
    label_column: str = "",
    delimiter: str | None = None,
    quoting: Quoting | None = None,
    encoding: str | None = None,
    no_header: bool = False,
    skip_bad_rows: bool = False,
    previous: str | None = None,
    against: str = "",
    against_rows: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 200,
    against_labels: str = "",
    spending: Annotated[Spending, Parameter(name="*")] = NO_PRICES,
    yes: bool = False,
) -> None:
    r"""Measure a trained model on the rows it has never seen, next to a baseline, or a bundle.

    ```
    textclf evaluate build/news
    textclf evaluate build/news --also data/headlines.csv
    textclf evaluate build/news --previous s3://my-models/news/VERSION
    textclf evaluate data/sample-model --also data/headlines.csv
    ```

    Prints the report, whose first paragraph says whether to use the model, and writes it into the
    model folder as `report.md`, with its plots and the figures as `evaluation.json`, `labels.csv`
    and `confusion.csv`. The errors that the model is most confident in are in `errors.csv`; it
    quotes the data, so it stays out of the report.

    If a text may have several labels, micro-F1 takes the place of accuracy, and a threshold for
    each label is chosen on the validation rows.

    The figures come from the test rows. `--also` measures model and baseline on further texts,
    such as headlines of other publishers; some of the model's labels are enough. `--previous`
    compares the model with a published bundle on the same test rows, and refuses a bundle that held
    out other rows.

    A bundle, such as the one that ships, is measured on the files of `--also` alone, because its
    test rows are not part of it. Nothing is written.

    The temperature, which makes confidences believable, is fitted on the validation rows. A model
    is surer of texts like its own than of those of others, so give it some of these, too:

    ```
    textclf evaluate build/news --calibrate-on others.csv \
        --text-column headline --label-column category
    ```

    One half of the rows of such a file is calibrated on, with the same weight as all validation
    rows; the other half tests the result. A file that is named twice counts twice. If a text may
    have several labels, that goes for the temperature of each label that the file has.

    `--against` compares the model with a large language model on Amazon Bedrock, on a sample of the
    test rows that both label. **Each row is sent to Bedrock and costs money**, so the command first
    says how many tokens that takes, and asks. Rows that were paid for once are not paid for again.

    ```
    textclf evaluate build/news --against bedrock:MODEL_ID --against-rows 200 \
        --usd-per-million-input 1 --usd-per-million-output 5 --budget-usd 1
    ```

    Next: `textclf export build/news`.

    Args:
        model: Folder that `textclf train` wrote, or a bundle.
        also: Further file to measure the model on. Repeat the option for more files.
        calibrate_on: File of other people's texts to calibrate confidences on. Repeat the option
            for more files.
        text_column: The column with the texts in the further files that have it; the others have
            the task's columns.
        label_column: The column with the labels, which may be written as in the model's data or
            as the model names them.
        delimiter: What separates the columns of the further files, if not as found: a character,
            or its name, such as `tab`.
        quoting: How values are quoted in them: `standard` (`""` for a quote), `backslash` (`\"`),
            or `none`, if a quote is a character like any other.
        encoding: Their encoding, such as `cp1252`. By default UTF-8, or UTF-16 if it is.
        no_header: They have no header; columns are positions from 0.
        skip_bad_rows: Leave out rows of them that cannot be used, such as those with a label that
            the model does not know, and count them.
        previous: A published bundle to do better than: its model URI, or a folder.
        against: `bedrock:` and the id or ARN of a model or an inference profile.
        against_rows: How many test rows to ask it about.
        against_labels: File that describes the labels to it, as for `textclf labels write`.
        spending: What a token costs, and how much all of them may cost.
        yes: Pay without asking.
    """
    from training.evaluate.further import FurtherFiles
    from training.fit.record import is_bundle
    from training.fit.trained_model import open_trained_model

    further = FurtherFiles(
        also=also,
        calibrate_on=calibrate_on,
        text_column=text_column,
        label_column=label_column,
        options=ReadOptions(None, delimiter, quoting, encoding, no_header),
        skip_bad_rows=skip_bad_rows,
    )
    if is_bundle(model):
        if not also or calibrate_on or previous or against:
            raise EvaluateError(
                f"{model} is a bundle: measure it on labelled files with --also, and leave out "
                "--calibrate-on, --previous and --against, which need its training data"
            )
        from training.evaluate.bundle import report_bundle

        print(report_bundle(model, further))
        return
    published = locate_model(previous, "--previous") if previous else None
    trained = open_trained_model(model)
    # After the data, because torch takes seconds to import and the data may be missing.
    from training.evaluate import evaluation, report
    from training.evaluate.yardstick import YardstickRequest

    llm_labels = None
    if against:
        request = YardstickRequest(against, against_rows, against_labels, spending)
        llm_labels = _ask_llm(request, trained, yes=yes)
    evaluation.evaluate(trained, further, published, llm_labels)
    print((model / report.REPORT).read_text())


def _ask_llm(request: "YardstickRequest", trained: "TrainedModel", *, yes: bool) -> "LlmLabels":
    """Say what the labels of an LLM cost, ask whether to go on, and pay for them."""
    from textclf.consent import require_consent
    from training.evaluate.yardstick import open_yardstick
    from training.labels.llm.bedrock import require_access

    with open_yardstick(request, trained) as yardstick:
        estimate = yardstick.estimate()
        if estimate.texts:
            require_access()
        print(f"{request.model}: {estimate.describe(request.spending)}")
        if estimate.texts:
            require_consent(yes=yes)
        try:
            return yardstick.ask()
        finally:
            paid = yardstick.usage - estimate.spent
            print(f"paid: {request.spending.describe(paid)}, in {paid.calls:,} calls")
