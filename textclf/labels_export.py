"""`textclf labels export`."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from inference.errors import TextClassifierError

if TYPE_CHECKING:
    from inference.prediction_log.feedback import Feedback
    from operations.stack import Stack
    from training.data.labelled_file import LabelledFile
    from training.labels.corrections import Corrections

MAX_SHOWN = 20  # rejects


class ExportError(TextClassifierError):
    """There is nothing to write; the message says why."""


def export(
    *,
    stack: str,
    output: Path,
    days: Annotated[
        int | None, Parameter(show_default=False, validator=validators.Number(gte=1))
    ] = None,
    confirmed: bool = False,
) -> None:
    """Write the texts whose labels people have corrected, for the next training.

    People correct labels on the page or with `POST /feedback`. This reads what they said from the
    stack's prediction table, and writes their texts with the right labels: a CSV file in the layout
    of the data that the model was trained on, so that `textclf train --new-rows` and a retraining
    read it.

    ```
    textclf labels export --stack text-classifier-prod --output new/corrections.csv
    aws s3 cp new/corrections.csv s3://my-jobs/text-classifier-prod/new/
    ```

    The table has the texts only of predictions that were made with `LogText=true`. Of several
    corrections of one text, the last counts. Predictions expire after `PredictionTtlDays`, with
    their feedback, so export more often than that.

    Args:
        stack: The name of the stack.
        output: The CSV file to write.
        days: How many days of feedback to read. By default, as long as predictions are kept.
        confirmed: Write the labels that people confirmed, too.
    """
    from inference.aws import read_live_model
    from inference.model.store import fetch_manifest
    from operations.stack import Stack
    from textclf.operate import connect
    from training.data.labelled_file import LabelledFile
    from training.fit.record import TrainingRecord
    from training.tasks import with_labels_of_model

    cloudformation, lambda_ = connect()
    deployed = Stack.find(cloudformation, stack)
    table = deployed.require_output(
        "PredictionTable", "keeps no predictions: deploy it with PredictionLog=on LogText=true"
    )
    published = fetch_manifest(read_live_model(lambda_, deployed.function))
    manifest = published.manifest
    settings = TrainingRecord.of_bundle(manifest, published.version).settings
    task = with_labels_of_model(settings.find_task(), manifest.labels)
    file = LabelledFile(task, settings.read_options())
    corrections = _collect(table, days or _count_days(deployed), file, confirmed=confirmed)
    _show_rejects(corrections)
    if not corrections.rows:
        raise ExportError(_explain(corrections, deployed))
    file.write(corrections.rows, output)
    print(f"{output}: {corrections.describe()}")


def _count_days(stack: "Stack") -> int:
    return int(stack.parameters.get("PredictionTtlDays", "30"))


def _collect(table: str, days: int, file: "LabelledFile", *, confirmed: bool) -> "Corrections":
    from inference.prediction_log.feedback import read_feedback, read_texts
    from inference.prediction_log.sample import create_client
    from training.labels.corrections import collect_corrections

    dynamodb, now = create_client(), datetime.now(UTC)
    window: list[Feedback] = list(read_feedback(dynamodb, table, now - timedelta(days=days), now))
    texts = read_texts(dynamodb, table, [feedback.key for feedback in window], now)
    return collect_corrections(window, texts, file, confirmed=confirmed)


def _show_rejects(corrections: "Corrections") -> None:
    for reject in corrections.rejects[:MAX_SHOWN]:
        print(f"{reject.prediction_id}: {reject.reason}", file=sys.stderr)
    if (left := len(corrections.rejects) - MAX_SHOWN) > 0:
        print(f"and {left:,} more", file=sys.stderr)


def _explain(corrections: "Corrections", stack: "Stack") -> str:
    """Say why there is no row to write."""
    if not corrections.feedback:
        return f"nobody has sent feedback to {stack.name} in this time, so nothing was written"
    reasons = {reject.reason for reject in corrections.rejects}
    if stack.parameters.get("LogText") != "true" and reasons:
        return (
            f"{stack.name} keeps no texts, so there is nothing to write: deploy it with "
            "LogText=true, and texts that are classified from then on can be exported"
        )
    return f"nothing was written: {corrections.describe()}"
