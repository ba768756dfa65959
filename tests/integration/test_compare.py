"""Two published bundles on the rows that both held out."""

import json
import re
import shutil
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from inference.model import publish
from inference.model.bundle import parse_manifest
from tests.conftest import HEADLINES, REVIEWS, TinyModel
from training.evaluate import evaluation as evaluate
from training.fit.record import record
from training.fit.settings import Settings, rows_of


def altered(bundle: Path, folder: Path, **changes: object) -> Path:
    """A copy of a bundle with another manifest."""
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, value in changes.items():
        manifest[name] = manifest[name] | value if isinstance(value, dict) else value
    (folder / "manifest.json").write_bytes(parse_manifest(json.dumps(manifest).encode()).to_bytes())
    return folder


@pytest.fixture
def short_sighted(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """The tiny bundle, but that it reads only the first six wordpieces."""
    return altered(tiny_model.bundle, tmp_path / "short", max_length=8)


def test_two_bundles_are_compared_on_their_test_rows(
    s3: S3Client,
    bucket: str,
    tiny_model: TinyModel,
    short_sighted: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN two published bundles that were trained on the same rows
    store = f"s3://{bucket}/news"
    new, old = (publish.publish(s3, each, store) for each in (tiny_model.bundle, short_sighted))
    # WHEN they are compared on the file
    assert publish.main(["--compare", new, old, "--data", str(HEADLINES)]) == 0
    # THEN the first has the accuracy its manifest claims, and the difference is that of the two
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
    assert re.search(r"to \d+ words \|", out)


def test_a_bundle_agrees_with_itself(
    tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = tiny_model.bundle.as_uri()
    assert publish.main(["--compare", uri, uri, "--data", str(HEADLINES)]) == 0
    assert "the two give 100.00% of them the same label" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"split": "random"}}, "did not hold out the same rows: split"),
        ({"training": {"dataset_sha256": "0" * 64}}, "the same rows: dataset_sha256"),
        ({"training": {"settings": {}}}, "a bundle's manifest does not say its 'task'"),
    ],
)
def test_bundles_that_held_out_other_rows_are_not_compared(
    changes: dict[str, object],
    message: str,
    tiny_model: TinyModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a bundle that may have learnt the other one's test rows
    other = altered(tiny_model.bundle, tmp_path / "other", **changes)
    # WHEN they are compared THEN it is refused, and says what differs
    uris = [tiny_model.bundle.as_uri(), other.as_uri()]
    assert publish.main(["--compare", *uris, "--data", str(HEADLINES)]) == 1
    assert message in capsys.readouterr().err


def test_a_file_that_the_bundles_were_not_trained_on_is_refused(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fewer.csv").write_bytes(b"".join(HEADLINES.read_bytes().splitlines(True)[:400]))
    uri = tiny_model.bundle.as_uri()
    assert publish.main(["--compare", uri, uri, "--data", str(tmp_path / "fewer.csv")]) == 1
    assert "is not the file" in capsys.readouterr().err


def test_new_rows_that_were_learnt_belong_to_the_data(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a bundle that was also trained on a new row
    (tmp_path / "more").mkdir()
    more = HEADLINES.read_bytes().replace(b"\t", b"\tMore: ", 1).splitlines(True)[0]
    (tmp_path / "more" / "a.csv").write_bytes(more)
    settings = Settings(str(HEADLINES), "", new_rows=str(tmp_path / "more"))
    known = record(settings, *rows_of(settings))
    names = ("dataset_sha256", "rows", "new_rows")
    changes = {name: known[name] for name in names}
    uri = altered(tiny_model.bundle, tmp_path / "bundle", training=changes).as_uri()
    command = ["--compare", uri, uri, "--data", str(HEADLINES)]
    # WHEN it is compared without them THEN the error says what is missing
    assert publish.main(command) == 1
    assert "or --new-rows not the 1 joined to it" in capsys.readouterr().err
    # AND with them it is compared
    assert publish.main([*command, "--new-rows", str(tmp_path / "more")]) == 0


def test_a_file_that_is_split_otherwise_than_for_the_bundles_is_refused(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a bundle of a time when the code held out other rows of the same file
    old = altered(tiny_model.bundle, tmp_path / "old", training={"rows": {"test": 36}}).as_uri()
    # WHEN it is compared THEN its figures would be of rows it may have learnt
    assert publish.main(["--compare", old, old, "--data", str(HEADLINES)]) == 1
    assert "is read otherwise than" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("uri", "location", "message"),
    [("file:///nowhere", HEADLINES, "No such file"), (None, REVIEWS, "expected 8 columns")],
)
def test_what_cannot_be_had_is_an_error(
    uri: str | None,
    location: Path,
    message: str,
    tiny_model: TinyModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri = uri or tiny_model.bundle.as_uri()
    assert publish.main(["--compare", uri, uri, "--data", str(location)]) == 1
    assert message in capsys.readouterr().err


def test_comparing_needs_the_data() -> None:
    with pytest.raises(SystemExit):
        publish.main(["--compare", "file:///a", "file:///b"])


def test_a_model_is_evaluated_next_to_a_published_one(
    s3: S3Client, bucket: str, tiny_model: TinyModel, short_sighted: Path, tmp_path: Path
) -> None:
    # GIVEN a trained model, and a published one to do better than
    folder = tmp_path / "model"
    shutil.copytree(tiny_model.folder, folder)
    uri = publish.publish(s3, short_sighted, f"s3://{bucket}/news")
    # WHEN it is evaluated next to that
    assert evaluate.main([str(folder), "--previous", uri]) == 0
    # THEN the report has a row of it, with the figures of the same rows
    found = json.loads((folder / "evaluation.json").read_text())
    assert found["previous"]["version"] == uri[-16:]
    assert found["previous"]["accuracy"] == found["fp32"]["accuracy"]
    assert found["previous"]["other_accuracy"] != found["fp32"]["accuracy"]
    assert f"against published {uri[-16:]} |" in (folder / "report.md").read_text()


def test_a_published_model_that_held_out_other_rows_is_refused(
    tiny_model: TinyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = altered(tiny_model.bundle, tmp_path / "other", training={"split": "time"})
    assert evaluate.main([str(tiny_model.folder), "--previous", other.as_uri()]) == 1
    assert "did not hold out the same rows: split" in capsys.readouterr().err
