"""Two published bundles, head to head on test rows that both held out."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from inference.model.store import fetch
from training.data.examples import DataError, clusters_of, has_groups, labels_of
from training.data.split import Split
from training.evaluate import summary, tables
from training.evaluate.intervals import measure_difference
from training.evaluate.multi_label.head_to_head import MultiLabelHeadToHead, compare_bundles
from training.evaluate.predictions import FETCH_SECONDS, predict_rows
from training.evaluate.results import PairedComparison, Slice, Summary
from training.evaluate.slices import measure_slices
from training.fit.record import ROW_SETTINGS, TrainingRecord, require_same_rows
from training.fit.rows import load_rows
from training.fit.settings import Settings


@dataclass(frozen=True)
class HeadToHead:
    """How a new bundle does next to an old one."""

    data: str  # name of the data file
    texts: int
    groups: int  # of the texts: stories, or equal texts
    agreement: float  # share of texts that both give the same label
    new: Summary
    old: Summary
    new_name: str  # task and version
    old_name: str
    difference: PairedComparison
    slices: list[Slice]

    def to_markdown(self) -> str:
        """Return the result as Markdown."""
        return "\n\n".join(
            [
                f"{self.texts:,} test rows of {self.data} in {self.groups:,} groups; the bundles "
                f"give {self.agreement:.2%} of them the same label.",
                tables.format_models([(self.new_name, self.new), (self.old_name, self.old)]),
                tables.format_differences(
                    [(f"{self.new_name} against {self.old_name}", self.difference)]
                ),
                tables.format_slices(self.slices, self.new_name, self.old_name),
            ]
        )


def measure_head_to_head(
    new_uri: str, old_uri: str, data: str, new_rows: str = ""
) -> HeadToHead | MultiLabelHeadToHead:
    """Measure a new and an old bundle on the test rows of the file they were trained on.

    Args:
        new_uri: the new bundle's model URI.
        old_uri: the old bundle's model URI.
        data: the data file.
        new_rows: the folder of the new rows that were joined to it for training.

    Raises:
        StoreError: a bundle cannot be fetched.
        DataError: the bundles were trained on another file, or held out different rows.
    """
    with tempfile.TemporaryDirectory() as cache:
        new, old = (fetch(uri, Path(cache), FETCH_SECONDS) for uri in (new_uri, old_uri))
        record, old_record = (
            TrainingRecord.of_bundle(bundle.manifest, bundle.version) for bundle in (new, old)
        )
        require_same_rows(record, old_record)
        rows = load_held_out_rows(record, data, new_rows)
        if record.settings.is_multi_label:
            return compare_bundles(new, old, rows.test, Path(data).name)
        new_probabilities, old_probabilities = (
            predict_rows(bundle, rows.test) for bundle in (new, old)
        )
    labels, clusters = labels_of(rows.test), clusters_of(rows.test)
    new_predicted, old_predicted = (
        new_probabilities.argmax(axis=1),
        old_probabilities.argmax(axis=1),
    )
    new_right, old_right = new_predicted == labels, old_predicted == labels
    names, grouped = new.manifest.labels, has_groups(rows.test)
    return HeadToHead(
        data=Path(data).name,
        texts=len(labels),
        groups=len(np.unique(clusters)),
        agreement=float((new_predicted == old_predicted).mean()),
        new=summary.summarise(new_probabilities, labels, names, clusters, has_groups=grouped),
        old=summary.summarise(old_probabilities, labels, names, clusters, has_groups=grouped),
        new_name=f"{new.manifest.task} {new.version}",
        old_name=f"{old.manifest.task} {old.version}",
        difference=measure_difference(new_right, old_right, clusters),
        slices=measure_slices(rows.test, rows.train, new_right, old_right),
    )


def load_held_out_rows(record: TrainingRecord, data: str, new_rows: str = "") -> Split:
    """Split a data file as it was split for the model with this record.

    Args:
        record: how the model was trained.
        data: the data file.
        new_rows: the folder of the new rows that were joined to it for training.

    Raises:
        DataError: it is another file, or this version of the code splits it differently.
    """
    dataset, rows = load_rows(_choose_settings(record, data, new_rows), record.key)
    if dataset.sha256 != record.dataset_sha256:
        joined = record.new_rows or new_rows
        hint = f", or --new-rows does not hold the {record.new_rows:,} rows that were joined to it"
        raise DataError(
            f"{data} is not the file the bundles were trained on{hint if joined else ''}"
        )
    if dataset.task.labels != record.labels or len(rows.test) != record.rows.test:
        raise DataError(
            f"{data} is split differently than it was for the bundles: use the version of this "
            "code that trained them"
        )
    return rows


def _choose_settings(record: TrainingRecord, data: str, new_rows: str) -> Settings:
    """Return settings that select the same rows."""
    recorded = {name: getattr(record.settings, name) for name in ROW_SETTINGS}
    given = {"data": data, "new_rows": new_rows, "split": record.split, "output": ""}
    try:
        return Settings.model_validate(recorded | given)
    except ValidationError as error:
        raise DataError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
