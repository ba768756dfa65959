"""Whether a retrained model may take the place of the one that serves, and why.

Both bundles, as they serve, label the test rows of the joined data: stories that neither has
learnt from. The new one is deployed if it is at least as accurate, and if 95 % sure not to be worse
by more than a margin (a test of non-inferiority: Piaggio et al. 2012,
https://doi.org/10.1001/jama.2012.87802). Without the first condition, a hundred retrainings could
lose a little each.
"""

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.model.bundle import read_verified
from inference.model.publish import parse_store
from inference.model.store import Bundle, fetch
from training.data.examples import NewFile, clusters_of, labels_of
from training.evaluate import head_to_head as compare
from training.evaluate import metrics
from training.evaluate.evaluation import Run
from training.fit.record import require_same_stories

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MARGIN = 0.005  # of accuracy


@dataclass(frozen=True)
class Verdict:
    """What the state machine is told; ``version`` is of the new bundle."""

    deploy: bool
    version: str
    summary: str


def judge(run: Run, folder: Path, previous: str) -> Verdict:
    """Compare the bundle in a folder with a published one, on the run's test rows.

    Raises:
        DataError: the published one held out other stories.
        StoreError: it cannot be had.
    """
    manifest, version = read_verified(folder)
    with tempfile.TemporaryDirectory() as cache:
        serving = fetch(previous, Path(cache), compare.PULL_SECONDS)
        require_same_stories(manifest.training, serving.manifest.training)
        truth = labels_of(run.rows.test)
        right, other = (
            compare.predict(bundle, run.rows.test).argmax(axis=1) == truth
            for bundle in (Bundle(folder, manifest, version), serving)
        )
    paired = metrics.paired(right, other, clusters_of(run.rows.test))
    names = f"{version} against {serving.version}"
    return Verdict(is_no_worse(paired), version, f"{names}: {told(paired, run.dataset.new_files)}")


def is_no_worse(paired: dict[str, Any]) -> bool:
    """The rule, on what ``metrics.paired`` found of the new model and the one that serves."""
    return bool(paired["difference"] >= 0 and paired["difference_interval"][0] >= -MARGIN)


def told(paired: dict[str, Any], files: tuple[NewFile, ...]) -> str:
    """The figures in words, and what became of the new files."""
    low, high = paired["difference_interval"]
    joined = [file for file in files if not file.problem]
    text = (
        f"accuracy {paired['accuracy']:.2%} against {paired['other_accuracy']:.2%} on "
        f"{paired['texts']:,} held-out rows, difference {100 * paired['difference']:+.2f} points "
        f"({100 * low:+.2f} to {100 * high:+.2f}); {sum(file.rows for file in joined):,} new rows "
        f"in {len(joined)} files joined"
    )
    problems = [file.problem for file in files if file.problem]
    return text + "".join(f"; set aside: {problem}" for problem in problems[:20])


def write(s3: "S3Client", verdict: Verdict, uri: str) -> None:
    """Leave the verdict where the state machine looks for it, as ``s3://BUCKET/KEY``."""
    bucket, key = parse_store(uri)
    body = json.dumps(asdict(verdict)).encode()
    s3.put_object(Bucket=bucket, Key=key.rstrip("/"), Body=body, ContentType="application/json")
