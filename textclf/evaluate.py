"""`textclf evaluate`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from inference.tables.options import Quoting, ReadOptions

FILES = Parameter(show_default=False)


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
) -> None:
    r"""Measure a trained model on the rows it has never seen, next to a baseline.

    ```
    textclf evaluate build/news
    textclf evaluate build/news --also data/headlines.csv
    textclf evaluate build/news --previous s3://my-models/news/VERSION
    ```

    Prints the report, whose first paragraph says whether to use the model, and writes it into the
    model folder as `report.md`, with its plots and the figures as `evaluation.json`, `labels.csv`
    and `confusion.csv`. The errors that the model is most confident in are in `errors.csv`; it
    quotes the data, so it stays out of the report.

    The figures come from the test rows. `--also` measures model and baseline on further texts,
    such as headlines of other publishers; some of the model's labels are enough. `--previous`
    compares the model with a published bundle on the same test rows, and refuses a bundle that held
    out other rows.

    The temperature, which makes confidences believable, is fitted on the validation rows. A model
    is surer of texts like its own than of those of others, so give it some of these, too:

    ```
    textclf evaluate build/news --calibrate-on others.csv \
        --text-column headline --label-column category
    ```

    One half of the rows of such a file is calibrated on, with the same weight as all validation
    rows; the other half tests the result. A file that is named twice counts twice.

    Next: `textclf export build/news`.

    Args:
        model: Folder that `textclf train` wrote.
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
        previous: Model URI of a published bundle to do better than.
    """
    from training.evaluate.further import FurtherFiles
    from training.fit.trained_model import open_trained_model

    further = FurtherFiles(
        also=also,
        calibrate_on=calibrate_on,
        text_column=text_column,
        label_column=label_column,
        options=ReadOptions(None, delimiter, quoting, encoding, no_header),
        skip_bad_rows=skip_bad_rows,
    )
    trained = open_trained_model(model)
    # After the data, because torch takes seconds to import and the data may be missing.
    from training.evaluate import evaluation, report

    evaluation.evaluate(trained, further, previous)
    print((model / report.REPORT).read_text())
