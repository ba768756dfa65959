"""Two published bundles, head to head on the rows that both held out."""

import json
import re
import shutil
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from inference.model.publish import publish
from tests.bundles import altered
from tests.conftest import HEADLINES, REVIEWS, TinyModel
from textclf.app import main
from training.fit.record import TrainingRecord
from training.fit.rows import load_rows
from training.fit.settings import Settings


def head_to_head(new: str, old: str, data: Path = HEADLINES, *more: str) -> int:
    return main(["head-to-head", new, old, "--data", str(data), *more])


@pytest.fixture
def short_sighted(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """The tiny bundle, except that it reads only the first six wordpieces."""
    return altered(tiny_model.bundle, tmp_path / "short", max_length=8)


def test_two_bundles_are_measured_on_their_test_rows(
    s3: S3Client,
    bucket: str,
    tiny_model: TinyModel,
    short_sighted: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN two published bundles that were trained on the same rows
    store = f"s3://{bucket}/news"
    new, old = (publish(s3, bundle, store) for bundle in (tiny_model.bundle, short_sighted))
    # WHEN they meet on the file
    assert head_to_head(new, old) == 0
    # THEN the first has the accuracy in its manifest, and the difference is that of the two
    manifest = json.loads((tiny_model.bundle / "manifest.json").read_text())
    out = capsys.readouterr().out
    accuracies = [
        float(re.search(rf"\| news {uri[-16:]} \| ([\d.]+)%", out).group(1))  # type: ignore[union-attr]
        for uri in (new, old)
    ]
    assert f"{accuracies[0]:.2f}" == f"{100 * manifest['metrics']['int8']['accuracy']:.2f}"
    difference = re.search(r"against news \w+ \| ([+-][\d.]+) \(", out)
    assert difference
    assert float(difference.group(1)) == pytest.approx(accuracies[0] - accuracies[1], abs=0.02)
    assert accuracies[0] != accuracies[1]
    assert "McNemar p" in out
    assert "| group-balanced accuracy |" in out
    assert re.search(r"to \d+ words \|", out)


def test_a_bundle_agrees_with_itself(
    tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = tiny_model.bundle.as_uri()
    assert head_to_head(uri, uri) == 0
    assert "give 100.00% of them the same label" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"split": "random"}}, "did not hold out the same rows: split"),
        ({"training": {"dataset_sha256": "0" * 64}}, "the same rows: dataset_sha256"),
        ({"training": {"settings": {}}}, ": a training record is invalid: settings.data"),
    ],
)
def test_bundles_that_held_out_different_rows_are_refused(
    changes: dict[str, object],
    message: str,
    tiny_model: TinyModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a bundle that may have learnt the other one's test rows
    other = altered(tiny_model.bundle, tmp_path / "other", **changes)
    # WHEN they meet THEN the error says what differs
    assert head_to_head(tiny_model.bundle.as_uri(), other.as_uri()) == 1
    assert message in capsys.readouterr().err


def test_a_file_that_the_bundles_were_not_trained_on_is_refused(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fewer.csv").write_bytes(b"".join(HEADLINES.read_bytes().splitlines(True)[:400]))
    uri = tiny_model.bundle.as_uri()
    assert head_to_head(uri, uri, tmp_path / "fewer.csv") == 1
    assert "is not the file" in capsys.readouterr().err


def test_new_rows_must_be_given_if_the_bundles_have_learnt_them(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a bundle that was also trained on a new row
    (tmp_path / "more").mkdir()
    more = HEADLINES.read_bytes().replace(b"\t", b"\tMore: ", 1).splitlines(True)[0]
    (tmp_path / "more" / "a.csv").write_bytes(more)
    settings = Settings(data=str(HEADLINES), output="", new_rows=str(tmp_path / "more"))
    record = TrainingRecord.begin(settings, *load_rows(settings)).for_publication()
    changes = {name: record[name] for name in ("dataset_sha256", "rows", "new_rows")}
    uri = altered(tiny_model.bundle, tmp_path / "bundle", training=changes).as_uri()
    # WHEN it meets itself without the new row THEN the error says what is missing
    assert head_to_head(uri, uri) == 1
    assert "--new-rows does not hold the 1 rows" in capsys.readouterr().err
    # AND with the new row it works
    assert head_to_head(uri, uri, HEADLINES, "--new-rows", str(tmp_path / "more")) == 0


def test_a_file_that_is_now_split_differently_is_refused(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a bundle from a time when the code held out other rows of the same file
    rows = {"train": 428, "validation": 40, "test": 36}
    old = altered(tiny_model.bundle, tmp_path / "old", training={"rows": rows}).as_uri()
    # WHEN it meets itself THEN it is refused, because it may have learnt the test rows
    assert head_to_head(old, old) == 1
    assert "is split differently than it was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("uri", "location", "message"),
    [("file:///nowhere", HEADLINES, "No such file"), (None, REVIEWS, "expected 8 columns")],
)
def test_a_missing_bundle_or_an_unreadable_file_is_an_error(
    uri: str | None,
    location: Path,
    message: str,
    tiny_model: TinyModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri = uri or tiny_model.bundle.as_uri()
    assert head_to_head(uri, uri, location) == 1
    assert message in capsys.readouterr().err


def test_a_model_is_evaluated_next_to_a_published_bundle(
    s3: S3Client, bucket: str, tiny_model: TinyModel, short_sighted: Path, tmp_path: Path
) -> None:
    # GIVEN a trained model, and a published bundle to do better than
    folder = tmp_path / "model"
    shutil.copytree(tiny_model.folder, folder)
    uri = publish(s3, short_sighted, f"s3://{bucket}/news")
    # WHEN the model is evaluated next to the bundle
    assert main(["evaluate", str(folder), "--previous", uri]) == 0
    # THEN the report has a row for it, measured on the same rows
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["previous"]["version"] == uri[-16:]
    assert evaluation["previous"]["accuracy"] == evaluation["fp32"]["accuracy"]
    assert evaluation["previous"]["other_accuracy"] != evaluation["fp32"]["accuracy"]
    assert f"against published {uri[-16:]} |" in (folder / "report.md").read_text()


def test_a_published_bundle_that_held_out_other_rows_is_refused(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = altered(tiny_model.bundle, tmp_path / "other", training={"split": "time"})
    assert main(["evaluate", str(tiny_model.folder), "--previous", other.as_uri()]) == 1
    assert "did not hold out the same rows: split" in capsys.readouterr().err
