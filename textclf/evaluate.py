"""`textclf evaluate`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def evaluate(
    model: Annotated[Path, Parameter(help="Folder that `textclf train` wrote.")],
    /,
    *,
    also: Annotated[
        list[str] | None,
        Parameter(help="Further file of the same task; may be given several times."),
    ] = None,
    previous: Annotated[
        str | None, Parameter(help="Model URI of a published bundle to do better than.")
    ] = None,
) -> None:
    """Measure a trained model on the rows it has never seen, next to a baseline.

    ```
    textclf evaluate build/news
    textclf evaluate build/news --also data/headlines.csv --also data/elsewhere.csv
    textclf evaluate build/news --previous s3://my-models/news/VERSION
    ```

    Prints the report, whose first paragraph says whether to use the model, and writes it into the
    model folder as `report.md`, with its plots and the figures as `evaluation.json`, `labels.csv`
    and `confusion.csv`. The temperature is fitted on the validation rows; all other
    figures come from the test rows.

    `--also` evaluates the model on further rows, such as headlines of another year. `--previous`
    compares it with a published bundle on the same test rows, and refuses a bundle that held out
    other rows. The errors that the model is most confident in are in `errors.csv`; it quotes the
    data, so it stays out of the report.

    Next: `textclf export build/news`.
    """
    from training.fit.trained_model import open_trained_model

    trained = open_trained_model(model)
    # After the data, because torch takes seconds to import and the data may be missing.
    from training.evaluate import evaluation, report

    evaluation.evaluate(trained, also or (), previous)
    print((model / report.REPORT).read_text())
