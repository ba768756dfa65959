"""`textclf drift`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from inference.errors import TextClassifierError
from textclf.model_uri import locate_model


class DriftError(TextClassifierError):
    """Drift cannot be measured."""


def drift(
    *,
    table: Annotated[str, Parameter(help="The prediction log, a table in DynamoDB.")],
    model_uri: Annotated[
        str,
        Parameter(help="Whose predictions are measured: a folder or `s3://BUCKET/PREFIX/VERSION`."),
    ],
    hours: Annotated[
        int,
        Parameter(help="How many hours to look back.", validator=validators.Number(gte=1)),
    ] = 24,
    plot: Annotated[Path | None, Parameter(help="Also draw a picture, such as drift.png.")] = None,
) -> None:
    """Measure how far recent predictions are from those on the held-out texts.

    For each feature (the label, its confidence, the length of the text, unknown tokens), the table
    shows the population stability index, the limit above which the feature has drifted, and the
    largest shift. Needs at least 1,000 predictions in the log.

    Below it is what clients said about the labels in that time (`POST /feedback`): how often they
    agree, with its 95 % interval, for each label, and which labels they replace by which. People
    correct what is wrong more often than they confirm what is right, so it is the accuracy only if
    they were asked about a random sample.

    ```
    textclf drift --table TABLE --model-uri s3://BUCKET/PREFIX/VERSION
    textclf drift --table TABLE --model-uri ... --hours 168 --plot drift.png
    ```
    """
    from inference.drift.live_accuracy import measure_live_accuracy
    from inference.drift.measure import MIN_TEXTS, measure_drift
    from inference.drift.report import draw_bars, format_feedback, format_table
    from inference.prediction_log.feedback import MissingIndexError

    measured = measure_drift(locate_model(model_uri), table, hours)
    print(
        f"{measured.texts:,} predictions of {measured.version} in {measured.requests:,} requests, "
        f"from the last {hours} hours\n"
    )
    if measured.features:
        print(f"{format_table(measured.features)}\n")
    try:
        print(format_feedback(measure_live_accuracy(measured.version, table, hours)))
    except MissingIndexError as error:
        print(f"No feedback: {error}")
    if not measured.features:
        raise DriftError(
            f"drift is measured on {MIN_TEXTS:,} predictions or more: try more --hours"
        )
    if plot:
        draw_bars(measured.features, plot)
