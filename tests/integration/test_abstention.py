"""A bundle that abstains: chosen by `textclf export`, served, scored in bulk."""

import csv
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.out_of_scope import TOPICS, measure, see_news
from inference.model.bundle import Bundle, read_verified
from inference.model.classifier import Classifier
from tests.conftest import HEADLINES, ROOT, SAMPLE_MODEL, TinyModel
from textclf.app import main
from training import tasks
from training.data.read import read
from training.export.abstention import AbstentionFigures

REVIEWS, TICKETS = ROOT / "data" / "reviews.csv", ROOT / "data" / "tickets.csv"
PRECISION = 0.3  # the sample has few rows, and the tiny model knows little


def export(folder: Path, output: Path, *options: str) -> Bundle:
    """Export a trained model with these options, and read the bundle."""
    arguments = ["export", str(folder), "--output", str(output), "--allow-worse", *options]
    assert main(arguments) == 0
    return read_verified(output)


@pytest.fixture(scope="module")
def model(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny model's folder, whose pages may change."""
    return Path(shutil.copytree(tiny_model.folder, tmp_path_factory.mktemp("abstains") / "model"))


@pytest.fixture(scope="module")
def plain(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with thresholds, and the energy as score."""
    others = ["--other-texts", str(REVIEWS), "--other-texts", str(TICKETS), "--text-column", "text"]
    options = ["--precision", str(PRECISION), *others]
    bundle = export(model, tmp_path_factory.mktemp("plain") / "bundle", *options)
    shutil.copy(model / "gate.md", model / "plain.md")
    return bundle


@pytest.fixture(scope="module")
def learnt(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose score was learnt from reviews, with a low limit."""
    options = ["--out-of-scope", str(REVIEWS), "--text-column", "text", "--refused", "0.3"]
    return export(model, tmp_path_factory.mktemp("learnt") / "bundle", *options)


def read_texts(file: Path) -> list[str]:
    """Read the column `text` of a file."""
    with file.open(newline="", encoding="utf-8") as rows:
        return [row["text"] for row in csv.DictReader(rows)]


def headlines() -> list[str]:
    """Read the sample headlines."""
    return [row.text for row in read(str(HEADLINES), tasks.NEWS).examples]


def figures_of(bundle: Bundle) -> AbstentionFigures:
    """Return what the manifest says about abstaining."""
    return AbstentionFigures.model_validate(bundle.manifest.metrics["abstention"])


def scores(bundle: Bundle, texts: Sequence[str]) -> list[float]:
    """Return the out-of-scope scores of texts."""
    found = [prediction.scope_score for prediction in Classifier.load(bundle).predict(texts)]
    return [score for score in found if score is not None]


def test_a_bundle_with_thresholds_is_of_schema_3_and_one_without_stays_as_it_was(
    plain: Bundle, tiny_model: TinyModel
) -> None:
    # GIVEN a bundle with thresholds, and one that was exported without options
    without = read_verified(tiny_model.bundle).manifest
    # THEN only the first one has the new fields
    assert plain.manifest.schema_version == 3
    assert without.schema_version == 2
    written = json.loads((tiny_model.bundle / "manifest.json").read_bytes())
    assert not written.keys() & {"label_thresholds", "out_of_scope"}
    assert "abstention" not in written["metrics"]
    assert "outcomes" not in written["reference"]


def test_probabilities_are_those_of_the_bundle_without_thresholds(
    plain: Bundle, learnt: Bundle, tiny_model: TinyModel
) -> None:
    # GIVEN the same model, with a second output of the graph or without
    texts = headlines()[:20]
    before = Classifier.load(read_verified(tiny_model.bundle)).predict(texts)
    # THEN labels and probabilities are the same to the last bit
    for bundle in (plain, learnt):
        after = Classifier.load(bundle).predict(texts)
        assert [p.probabilities for p in after] == [p.probabilities for p in before]
    assert all(prediction.abstained is None for prediction in before)


def test_answers_abstain_below_the_threshold_of_their_label(plain: Bundle) -> None:
    # GIVEN thresholds
    thresholds = plain.manifest.label_thresholds
    assert thresholds is not None
    assert thresholds.precision == PRECISION
    # WHEN the sample is classified THEN each answer abstains by its own label's threshold
    for prediction in Classifier.load(plain).predict(headlines()):
        least = thresholds.least[prediction.label]
        unsure = least is None or prediction.confidence < least
        if prediction.abstention != "out_of_scope":
            assert prediction.abstention == ("low_confidence" if unsure else None)


def test_the_limit_refuses_five_percent_of_the_validation_rows(model: Path, plain: Bundle) -> None:
    # GIVEN the validation rows of the model
    from training.fit.trained_model import open_trained_model

    rows = open_trained_model(model).rows.validation
    found = scores(plain, [row.text for row in rows])
    # THEN one in twenty has a score above the limit
    limit = plain.manifest.out_of_scope
    assert limit is not None
    assert np.mean(np.array(found) > limit.limit) == pytest.approx(0.05, abs=1 / len(rows))


def test_the_page_shows_thresholds_and_how_texts_of_other_kinds_are_told(
    model: Path, plain: Bundle
) -> None:
    # GIVEN the page of a bundle that was measured on reviews and tickets
    page = (model / "plain.md").read_text()
    assert "## When it abstains" in page
    assert "Above its threshold, a label is right in 30.0% of the cases" in page
    # THEN it has a row for each file, with the figures of the manifest
    for detection in figures_of(plain).detections:
        assert f"| {detection.name} | {detection.texts} | 0 | {detection.auroc:.3f} (" in page
    assert [d.name for d in figures_of(plain).detections] == ["reviews.csv", "tickets.csv"]


def test_texts_that_no_label_fits_make_the_score_better(plain: Bundle, learnt: Bundle) -> None:
    # GIVEN the energy, and a score that has learnt from half of the reviews
    energy = figures_of(plain).detections[0]
    (detection,) = figures_of(learnt).detections
    # THEN the other half is told from headlines more often
    assert detection.learnt_from + detection.texts == energy.texts
    assert detection.auroc > energy.auroc
    assert learnt.manifest.out_of_scope is not None
    assert learnt.manifest.out_of_scope.score == "output"
    # AND so are tickets, which it has not learnt from
    assert np.mean(scores(learnt, read_texts(TICKETS))) > np.mean(scores(learnt, headlines()))


def test_a_score_does_not_depend_on_the_other_texts(learnt: Bundle) -> None:
    # GIVEN texts of one length and of several
    texts = headlines()[:30]
    # THEN the score of a text is the same alone
    alone = [scores(learnt, [text])[0] for text in texts]
    assert scores(learnt, texts) == pytest.approx(alone, abs=1e-5)


def test_bulk_has_columns_for_a_bundle_with_thresholds(
    learnt: Bundle, tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN reviews, which are out of scope
    for bundle, has_columns in ((learnt.folder, True), (tiny_model.bundle, False)):
        output = tmp_path / f"{has_columns}.csv"
        # WHEN they are scored
        files = [str(REVIEWS), "--output", str(output), "--text-column", "text"]
        assert main(["bulk", "--model-uri", bundle.as_uri(), *files]) == 0
        rows = list(csv.DictReader(output.read_text("utf-8").splitlines()))
        # THEN the columns say so, if the bundle can
        assert ("abstained" in rows[0]) is has_columns
        if has_columns:
            reasons = [row["abstention_reason"] for row in rows]
            found = Classifier.load(learnt).predict(read_texts(REVIEWS))
            assert reasons == [prediction.abstention or "" for prediction in found]
            assert 0 < reasons.count("out_of_scope") < len(rows)
            assert [row["abstained"] for row in rows] == [str(bool(r)).lower() for r in reasons]


def test_predict_prints_why_it_abstains(learnt: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a text of another kind
    texts = read_texts(REVIEWS)
    text = texts[int(np.argmax(scores(learnt, texts)))]
    # WHEN it is classified in a pipe, and as JSON
    assert main(["predict", "--model-uri", str(learnt.folder), text]) == 0
    assert main(["predict", "--model-uri", str(learnt.folder), "--json", text]) == 0
    line, answer = capsys.readouterr().out.splitlines()
    # THEN both say why not to act on the label
    assert line.split("\t")[3] == "out_of_scope"
    assert json.loads(answer)["abstained"] is True
    assert json.loads(answer)["abstention_reason"] == "out_of_scope"
    assert json.loads(answer)["predicted_label"] in tasks.NEWS.labels


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "0.999"], "--precision 0.999: no label reaches it"),
        (["--precision", "1"], "--precision"),
        (["--out-of-scope", "few.txt"], "few.txt: 3 texts are too few"),
        (["--refused", "0", "--other-texts", "few.txt"], "--refused 0 leaves out the limit"),
        (["--out-of-scope", "missing.txt"], "missing.txt"),
    ],
)
def test_thresholds_that_cannot_be_chosen_are_refused(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    # GIVEN a precision or a file that is of no use
    monkeypatch.chdir(tmp_path)
    Path("few.txt").write_text("one text\nanother text\na third text\n")
    # THEN nothing is exported, and the error says why
    assert main(["export", str(model), "--output", "bundle", "--allow-worse", *options]) != 0
    assert message in capsys.readouterr().err
    assert not Path("bundle").exists()


def test_the_shipped_model_tells_headlines_of_other_topics_as_documented() -> None:
    # GIVEN the table of the page, which the benchmark printed
    page = (ROOT / "docs" / "publish.md").read_text()
    documented = re.findall(r"\| headlines \| ([\w-]+) \| (.+) \|\n", page)
    # WHEN the scores of the shipped model are measured again
    case = see_news(read_verified(SAMPLE_MODEL), HEADLINES, (TOPICS,))
    measured = {kind: measure(case, kind) for kind in case.others}
    # THEN they are the same, except for what int8 differs by from one kind of CPU to the next
    assert [kind for kind, _ in documented] == list(measured)
    for kind, areas in documented:
        assert measured[kind] == pytest.approx(
            [float(area) for area in areas.split(" | ")], abs=0.03
        )
    # AND headlines of topics that no label fits get the higher energy in most cases
    assert measured["other-topics"][1] > 0.85
