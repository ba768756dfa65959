"""`textclf publish` and `textclf list`."""

import math
from pathlib import Path
from typing import Any

import boto3

from inference.model import listing
from inference.model import publish as publishing
from inference.model.bundle import Manifest
from inference.s3_uri import S3Uri
from textclf.model_uri import require_bundle


def publish(bundle: Path, store: str, /, *, create_bucket: bool = False) -> None:
    """Put a bundle into a model store, and print its model URI.

    A store is a prefix in an S3 bucket. It keeps every version under a name that is derived from
    its content, and nothing is ever overwritten. Deploy the printed URI, or give it to
    `textclf predict`, `textclf bulk` or `textclf candidate start`.

    ```
    textclf publish build/news/bundle s3://my-models/news --create-bucket
    ```

    Args:
        bundle: The folder that `textclf export` wrote.
        store: The store, as `s3://BUCKET/PREFIX`.
        create_bucket: Create the bucket if necessary, and make it private, versioned and encrypted.
    """
    require_bundle(bundle, "publish")
    s3 = boto3.client("s3")
    if create_bucket:
        publishing.create_bucket(s3, S3Uri.parse(store).bucket)
    print(publishing.publish(s3, bundle, store))


def list_bundles(store: str, /) -> None:
    """List the versions in a model store with their metrics, oldest first.

    ```
    textclf list s3://my-models/news
    ```

    Args:
        store: The store, as `s3://BUCKET/PREFIX`.
    """
    bundles = listing.list_bundles(boto3.client("s3"), store)
    for bundle in bundles:
        print(_format(bundle))
    if not bundles:
        print(f"no version in {store}")


def _format(listed: listing.ListedBundle) -> str:
    if listed.manifest is None:
        return f"{listed.version}  unreadable: {listed.problem}"
    manifest = listed.manifest
    int8: dict[str, Any] = manifest.metrics.get("int8", {})
    baseline: dict[str, Any] = manifest.metrics.get("baseline", {})
    # Of models that may give a text several labels, micro-F1 is what others call accuracy.
    name, key = ("micro-F1", "micro_f1") if manifest.labelling else ("accuracy", "accuracy")
    return "  ".join(
        [
            listed.version,
            listed.time,
            manifest.task,
            f"{name} {_percent(int8, key)} (baseline {_percent(baseline, key)})",
            f"macro-F1 {int8.get('macro_f1', math.nan):.4f}",
            f"split {manifest.training.get('split')}",
            f"{_megabytes(manifest):.1f} MB",
        ]
    )


def _percent(metrics: dict[str, Any], key: str) -> str:
    return f"{metrics.get(key, math.nan):.2%}"


def _megabytes(manifest: Manifest) -> float:
    return sum(file.size for file in manifest.files.values()) / 1e6
