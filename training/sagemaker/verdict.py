"""Decide whether a retrained model replaces the one that serves.

Both bundles label the test rows of the joined data: stories that neither has learnt. The new one is
deployed if it is at least as accurate, and if it is, with 95 % confidence, not worse by more than a
margin (a non-inferiority test: Piaggio et al. 2012, https://doi.org/10.1001/jama.2012.87802).
Where a text may have several labels, micro-F1 takes the place of accuracy.
Without the first condition, a hundred retrainings could each lose a little.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inference.model.bundle import Bundle
from inference.model.store import fetch
from inference.s3_uri import S3Uri
from training.data.examples import Example, NewFile, clusters_of, labels_of, multi_hot
from training.evaluate.intervals import measure_difference
from training.evaluate.multi_label.results import Comparison
from training.evaluate.multi_label.summary import compare
from training.evaluate.predictions import FETCH_SECONDS, answer_rows, predict_rows
from training.evaluate.results import PairedComparison
from training.fit.record import TrainingRecord, require_same_stories
from training.fit.trained_model import TrainedModel

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MARGIN = 0.005  # of accuracy
LISTED_PROBLEMS = 20


@dataclass(frozen=True)
class Verdict:
    """The answer for the state machine; ``version`` is that of the new bundle."""

    deploy: bool
    version: str
    summary: str


def judge(trained: TrainedModel, bundle: Bundle, previous: str) -> Verdict:
    """Compare the new bundle with the one that serves, on the test rows.

    Args:
        trained: the model that the bundle was made of.
        bundle: the new bundle.
        previous: the model URI of the bundle that serves.

    Raises:
        DataError: the bundle that serves held out other stories.
        StoreError: it cannot be fetched.
    """
    rows = trained.rows.test
    with tempfile.TemporaryDirectory() as cache:
        serving = fetch(previous, Path(cache), FETCH_SECONDS)
        require_same_stories(
            trained.record, TrainingRecord.of_bundle(serving.manifest, serving.version)
        )
        comparison = _compare(bundle, serving, rows, len(trained.labels))
    figures = summarise(comparison, trained.dataset.new_files)
    return Verdict(
        deploy=is_no_worse(comparison),
        version=bundle.version,
        summary=f"{bundle.version} against {serving.version}: {figures}",
    )


def _compare(
    new: Bundle, serving: Bundle, rows: Sequence[Example], count: int
) -> PairedComparison | Comparison:
    """Compare both bundles by accuracy or, if a text may have several labels, by micro-F1."""
    clusters = clusters_of(rows)
    if new.manifest.labelling:
        answers, others = (answer_rows(each, rows)[1] for each in (new, serving))
        return compare(answers, others, multi_hot(rows, count), clusters)
    truth = labels_of(rows)
    right, serving_right = (
        predict_rows(each, rows).argmax(axis=1) == truth for each in (new, serving)
    )
    return measure_difference(right, serving_right, clusters)


def is_no_worse(comparison: PairedComparison | Comparison) -> bool:
    """Apply the rule above to the new model and the one that serves."""
    return comparison.difference >= 0 and comparison.difference_interval.low >= -MARGIN


def summarise(comparison: PairedComparison | Comparison, files: Sequence[NewFile]) -> str:
    """Put the figures into words, and say which new files were joined or set aside."""
    low, high = comparison.difference_interval
    joined = [file for file in files if not file.problem]
    parts = [
        f"{_describe_both(comparison)} on "
        f"{comparison.texts:,} held-out rows, difference {100 * comparison.difference:+.2f} points "
        f"({100 * low:+.2f} to {100 * high:+.2f})",
        f"{sum(file.rows for file in joined):,} new rows in {len(joined)} files joined",
    ]
    problems = [f"set aside: {file.problem}" for file in files if file.problem]
    return "; ".join(parts + problems[:LISTED_PROBLEMS])


def _describe_both(comparison: PairedComparison | Comparison) -> str:
    if isinstance(comparison, Comparison):
        return f"micro-F1 {comparison.micro_f1:.2%} against {comparison.other_micro_f1:.2%}"
    return f"accuracy {comparison.accuracy:.2%} against {comparison.other_accuracy:.2%}"


def write_verdict(s3: "S3Client", verdict: Verdict, uri: str) -> None:
    """Write the verdict to ``s3://BUCKET/KEY``, where the state machine reads it."""
    bucket, key = S3Uri.parse_object(uri)
    body = json.dumps(asdict(verdict)).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
