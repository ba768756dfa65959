"""`textclf labels check` and `textclf labels next`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import CycloptsError, Parameter, validators

from inference.errors import TextClassifierError
from inference.tables.options import ReadOptions
from textclf.data_options import DataOptions, NewTextOptions
from textclf.model_uri import locate_model

if TYPE_CHECKING:
    from inference.model.bundle import Bundle
    from training.data.examples import Dataset
    from training.labels.encoder import BundleEncoder
    from training.labels.logged_texts import LoggedTexts
    from training.tasks import Task

DOWNLOAD_SECONDS = 300.0
MODEL = Parameter(show_default=lambda _: "the sample model")
DATA = Parameter(name="*")
NO_OPTIONS = DataOptions()
NEW_TEXTS = NewTextOptions()


class LabelsError(TextClassifierError):
    """An output exists already, or no text is left."""


def check(
    source: str,
    /,
    *,
    output: Path = Path("suspects.csv"),
    data: Annotated[DataOptions, DATA] = NO_OPTIONS,
    model: Annotated[str, MODEL] = "",
    features: Literal["auto", "words", "encoder"] = "auto",
    overwrite: bool = False,
) -> None:
    r"""List the rows of a file whose labels are probably wrong, with a suggestion for each.

    A few per cent of the labels in most data sets are wrong. They make a model worse and, in the
    test rows, its figures too. Read what is listed here and correct it before you train.

    ```
    textclf labels check data/headlines.csv
    textclf labels check tickets.csv --text-column text --label-column topic --output suspects.csv
    ```

    The file is cut into five parts, and each part is judged by a simple model of the other four
    (confident learning, Northcutt et al. 2021, https://arxiv.org/abs/1911.00068). A group such as
    a story is never in two parts, nor is a text. The simple model sees words, or what the encoder
    of a bundle makes of a text: what predicts the labels of your file better. The bundle's own
    labels do not matter, but one that learned these very rows has learned their mistakes, too.

    The output has the line of each row, its text, its label, the suggested one, and by how much
    that is more probable (`score`); the surest come first. Nothing is corrected: many rows of the
    list will be right, so read it.

    Args:
        source: The labelled texts, in any format that `textclf train` reads; a path or an S3 URI.
        output: The CSV file to write.
        data: Which columns the file has, and how it is written.
        model: The bundle whose encoder is tried: a folder, `file:///FOLDER` or
            `s3://BUCKET/PREFIX/VERSION`.
        features: What the simple model sees: `words`, the states of the `encoder`, or the better.
        overwrite: Replace the output.
    """
    _require_new(output, [source], overwrite=overwrite)
    task, options = data.find_task(), data.read_options()
    dataset = _read(source, task, options, skip_bad_rows=data.skip_bad_rows)

    # Here, because these import scikit-learn and onnxruntime, which errors above need not wait for.
    from training.labels.check import check_labels
    from training.labels.features import STATES

    encoder = None if features == "words" else _open_encoder(model)
    checked = check_labels(dataset, encoder, (STATES,) if features == "encoder" else ())
    checked.write(output)
    print(checked.describe())
    if checked.judgement.suspects:
        print(f"{output} lists them, the surest first: read it, and correct {source} by hand")


def next_texts(
    source: str = "",
    /,
    *,
    budget: Annotated[int, Parameter(validator=validators.Number(gte=1))],
    output: Path = Path("to-label.csv"),
    data: Annotated[NewTextOptions, DATA] = NEW_TEXTS,
    labelled: str = "",
    model: Annotated[str, Parameter(show_default=False)] = "",
    stack: str = "",
    hours: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 168,
    overwrite: bool = False,
) -> None:
    r"""Choose the texts whose labels would teach a model most.

    Labels cost time, and most texts teach a model what it knows already. This chooses texts that
    the model is unsure of and that differ from each other (BADGE, Ash et al. 2020,
    https://arxiv.org/abs/1906.03671).

    ```
    textclf labels next texts.csv --budget 100 --model build/tickets/bundle --labelled tickets.csv
    textclf labels next --stack text-classifier-prod --budget 100
    ```

    The model is the bundle of `--model`. Without it, a logistic regression of the rows in
    `--labelled` takes its place, so all you need is a start of some dozens of labels; with neither,
    texts are chosen for their variety alone. No text is chosen twice, nor one of `--labelled`.

    With `--stack`, the texts are those that the stack was asked about in the last `--hours`, and
    the model is the one that serves. Its prediction log has texts if it is deployed with
    `PredictionLog=on LogText=true`.

    The output has the columns of your labelled data, with the label left empty. Fill it in, delete
    the rows that you cannot decide, and put the file into the folder that
    `textclf train --new-rows` reads.

    Args:
        source: The texts, in any format that `textclf bulk` reads; a path or an S3 URI.
        budget: How many texts to choose.
        output: The CSV file to write.
        data: Which columns the files have, and how they are written.
        labelled: A file of rows that have labels already.
        model: The bundle that is to learn from them: a folder, `file:///FOLDER` or
            `s3://BUCKET/PREFIX/VERSION`.
        stack: Choose from the prediction log of this stack.
        hours: How far to look back in it.
        overwrite: Replace the output.
    """
    if bool(source) == bool(stack):
        raise CycloptsError(msg="give a file of texts, or a --stack whose log has them")
    _require_new(output, [source, labelled], overwrite=overwrite)
    task, options, bundle = data.find_task(), data.read_options(), None
    if stack:
        logged, bundle = _read_log(stack, hours)
        texts = logged.texts
        if data.model_copy(update={"skip_bad_rows": False}) == NEW_TEXTS:
            # No option says what the labelled data are like.
            task, options = _find_layout(bundle)
    else:
        texts = _read_texts(source, task, options)
    known = _read(labelled, task, options, skip_bad_rows=data.skip_bad_rows) if labelled else None

    from training.data.labelled_file import LabelledFile
    from training.labels import next_texts as chooser
    from training.labels.encoder import BundleEncoder

    file = LabelledFile(task, options)
    known_texts = [example.text for example in known.examples] if known else []
    pool = chooser.Pool.make(texts, known_texts, file.find_text_problem)
    print(pool.describe())
    if not pool.texts:
        raise LabelsError("no text is left to label")
    if model or bundle is None:
        bundle = _fetch(model)
    if model or stack:
        chosen = chooser.choose_by_model(pool, budget, bundle)
    elif known:
        chosen = chooser.choose_by_labels(pool, budget, known, BundleEncoder(bundle))
    else:
        chosen = chooser.choose_by_variety(pool, budget, BundleEncoder(bundle))
    file.write_unlabelled(chosen.texts, output)
    print(f"{output}: {len(chosen.texts):,} texts to label, chosen by {chosen.reason}")


def _read_texts(source: str, task: "Task", options: ReadOptions) -> list[str]:
    from inference.tables.columns import InputColumns
    from inference.tables.describe import describe_bad_rows, describe_balance, describe_reading
    from training.labels.llm.texts import read_texts

    columns = InputColumns(task.layout.text, header=task.layout.header or ())
    found = read_texts(source, columns, options)
    print(describe_reading(source, found.layout, found.note))
    print(describe_balance(len(found.rows), "read", found.bad_rows))
    if found.rejects:
        print(describe_bad_rows(found.bad_rows))
    return [row.text for row in found.rows]


def _read_log(stack: str, hours: int) -> tuple["LoggedTexts", "Bundle"]:
    """Return the texts in a stack's prediction log, and the bundle that serves."""
    from inference.aws import read_live_model
    from inference.prediction_log.sample import create_client
    from operations.stack import Stack
    from textclf.operate import connect
    from training.labels.logged_texts import read_logged_texts

    cloudformation, lambda_ = connect()
    deployed = Stack.find(cloudformation, stack)
    table = deployed.require_output(
        "PredictionTable", "keeps no predictions: deploy it with PredictionLog=on LogText=true"
    )
    bundle = _fetch(read_live_model(lambda_, deployed.function))
    logged = read_logged_texts(create_client(), table, bundle.version, hours, datetime.now(UTC))
    without = f"; {logged.without_text:,} more have no text" if logged.without_text else ""
    print(f"{stack}: {len(logged.texts):,} texts that {bundle.version} answered{without}")
    return logged, bundle


def _find_layout(bundle: "Bundle") -> tuple["Task", ReadOptions]:
    """Return what the data of a bundle's training are like."""
    from training.fit.record import TrainingRecord

    settings = TrainingRecord.of_bundle(bundle.manifest, bundle.version).settings
    return settings.find_task(), settings.read_options()


def _require_new(output: Path, sources: Sequence[str], *, overwrite: bool) -> None:
    """Refuse to replace what is read, or an output that may have been worked on.

    Raises:
        LabelsError: the output is one of these, or a folder.
        OutputError: it cannot be written.
    """
    from training.atomic import require_writable

    require_writable(output.parent)
    if output.is_dir():
        raise LabelsError(f"{output} is a folder: give --output the name of a file")
    if output.resolve() in [Path(source).resolve() for source in sources if source]:
        raise LabelsError(f"--output {output} is read, too: give it another name")
    if output.exists() and not overwrite:
        raise LabelsError(f"{output} exists: give another --output, or --overwrite to replace it")


def _read(source: str, task: "Task", options: ReadOptions, *, skip_bad_rows: bool) -> "Dataset":
    from inference.tables.describe import describe_bad_rows, describe_balance, describe_reading
    from training.data.read import count_bad_rows, read

    dataset = read(source, task, options, skip_bad_rows=skip_bad_rows)
    bad_rows = count_bad_rows(dataset.rejects, source)
    if dataset.layout:
        print(describe_reading(source, dataset.layout, dataset.note))
    print(describe_balance(len(dataset.examples), "used", bad_rows))
    if bad_rows.count:
        print(describe_bad_rows(bad_rows))
    for hint in dataset.hints:
        print(f"note: {hint}")
    return dataset


def _open_encoder(model: str) -> "BundleEncoder":
    from training.labels.encoder import BundleEncoder

    return BundleEncoder(_fetch(model))


def _fetch(model: str) -> "Bundle":
    """Fetch the bundle in a folder or at a URI; the sample model by default."""
    from inference.model.store import fetch
    from inference.runtime.settings import find_model_cache

    return fetch(locate_model(model, "--model"), find_model_cache(), DOWNLOAD_SECONDS)
