"""Long texts in windows, from a CSV file to answers: what is read, and what that is good for."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.local.emulator import free_ports
from inference.model.bundle import Bundle, parse_manifest, read_verified
from inference.model.classifier import Classifier
from inference.model.explanation import MAX_TOKENS
from inference.model.windows import SlowTextsError
from tests import multi_label
from tests.conftest import HEADLINES, MESSAGES, REVIEWS, ROOT
from tests.e2e.conftest import TEXTCLF, ask, serving
from textclf.app import main
from training import tasks
from training.data.read import read
from training.evaluate.fp32 import Fp32Model
from training.evaluate.results import Evaluation
from training.fit.process_group import Group
from training.fit.teacher_answers import ask_teacher
from training.fit.trained_model import open_trained_model
from training.labels.encoder import BundleEncoder
from training.recipes.soup import soup

LABELS = {"Business": "shares", "Health": "virus"}  # the one word that tells the label
WORDS = 40  # of a text; a window has 14 wordpieces of it
MOST = 6  # windows
TRAINING = ["--epochs", "2", "--evaluations", "1", "--learning-rate", "2e-3", "--batch-size", "16"]
TRAINING += ["--averaging", "0.9", "--precision", "fp32"]
STRATIFIED = ["--split", "stratified"]
COLUMNS = ["--task", "long", "--text-column", "text", "--label-column", "label"]
READING = ["--max-length", "16", "--long-texts", "windows", "--max-windows", str(MOST)]


def list_filler() -> list[str]:
    """List frequent words of the sample headlines, which the tiny model knows."""
    texts = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples]
    counts = Counter(" ".join(texts).lower().split())
    return sorted(
        word
        for word, count in counts.items()
        if count > 5 and word.isalpha() and word not in LABELS.values()
    )


FILLER = list_filler()


def write_text(word: str, place: int, seed: int, words: int = WORDS) -> str:
    """Write a text of filler with one word at a place."""
    filler = np.random.default_rng(seed).choice(FILLER, words - 1).tolist()
    return " ".join([*filler[:place], word, *filler[place:]])


def train(base: Path, folder: Path, *options: str) -> None:
    """Train on texts whose label a single word tells, anywhere in them."""
    draw = np.random.default_rng(0)
    data = folder.with_suffix(".csv")
    with data.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        for number in range(2400):
            label, word = draw.choice(sorted(LABELS.items()))
            text = write_text(word, int(draw.integers(WORDS)), number)
            writer.writerow((text, label))
    given = ["--data", str(data), "--base-model", str(base), "--output", str(folder)]
    training = STRATIFIED if "frozen" in options else [*STRATIFIED, *TRAINING]
    assert main(["train", *given, *COLUMNS, *training, *options]) == 0
    assert main(["evaluate", str(folder)]) == 0


@pytest.fixture(scope="module")
def folder(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reads long texts in windows, evaluated and exported."""
    folder = tmp_path_factory.mktemp("long") / "windows"
    train(tiny_base, folder, *READING)
    assert main(["export", str(folder), "--refused", "0.05", "--precision", "0.9"]) == 0
    return folder


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return read_verified(folder / "bundle")


@pytest.fixture(scope="module")
def classifier(bundle: Bundle) -> Classifier:
    return Classifier.load(bundle)


def test_windows_find_what_one_window_misses(folder: Path, tiny_base: Path, tmp_path: Path) -> None:
    # GIVEN a model that reads texts in windows, and one that reads the first 14 words of 40
    train(tiny_base, tmp_path / "cut", "--max-length", "16")
    windows, cut = Evaluation.read(folder), Evaluation.read(tmp_path / "cut")
    # THEN the first is right nearly always, and the second where the word is among those
    assert windows.fp32.accuracy > 0.97
    assert cut.fp32.accuracy < 0.8
    # AND the pooling that was chosen lets a single window decide
    record = open_trained_model(folder).record
    assert record.windows is not None
    assert record.windows.sharpness >= 0.5
    assert record.cut_texts == 0
    assert (
        "Long texts are read in up to 6 overlapping windows" in (folder / "report.md").read_text()
    )


def test_the_bundle_says_how_long_texts_are_read(bundle: Bundle, folder: Path) -> None:
    # GIVEN an exported bundle THEN it reads and pools as training and evaluation did
    assert bundle.manifest.windows == open_trained_model(folder).record.windows
    # AND a reader that does not know the field is not given it as an older schema
    assert bundle.manifest.schema_version == 3
    older = json.loads(bundle.manifest.to_bytes()) | {"schema_version": 2}
    with pytest.raises(Exception, match="schema_version must be 3"):
        parse_manifest(json.dumps(older).encode())


def test_the_bundle_agrees_with_the_model_on_long_texts(folder: Path, bundle: Bundle) -> None:
    # The gate compares both on test rows, all of which have several windows.
    assert bundle.manifest.quantization["agreement"] > 98.5
    assert bundle.manifest.quantization["max_change"] < 0.1


@pytest.mark.parametrize("label", LABELS)
def test_a_word_counts_wherever_it_is(classifier: Classifier, label: str) -> None:
    texts = [write_text(LABELS[label], place, place) for place in range(WORDS)]
    assert {prediction.label for prediction in classifier.predict(texts)} == {label}


def test_an_answer_does_not_depend_on_the_other_texts(classifier: Classifier) -> None:
    # GIVEN texts of one window and of many, two of them equal
    texts = [
        "virus",
        write_text("shares", 30, 1),
        write_text("virus", 3, 2, 200),
        "a film",
        "virus",
    ]
    # WHEN they are classified together and alone THEN the predictions are equal to the last bit
    alone = [classifier.predict([text])[0] for text in texts]
    assert classifier.predict(texts) == alone


@pytest.mark.parametrize(
    ("words", "windows", "is_truncated"),
    [(1, 1, False), (14, 1, False), (15, 2, False), (69, 6, False), (70, 6, True), (500, 6, True)],
)
def test_a_text_is_truncated_if_a_word_was_not_read(
    classifier: Classifier, words: int, windows: int, is_truncated: bool
) -> None:
    # GIVEN texts that fill a window, all windows, and one word more; neighbours share three
    (prediction,) = classifier.predict([" ".join(FILLER[:1] * words)])
    assert prediction.truncated == is_truncated
    assert prediction.tokens == min(words + 3 * (windows - 1), 6 * 14) + 2 * windows


def test_an_unread_word_changes_nothing(classifier: Classifier) -> None:
    # GIVEN a text as long as is read, and one with more behind it
    whole = write_text("virus", 60, 1, 69)
    same, longer = classifier.predict([whole, f"{whole} shares shares"])
    assert longer.probabilities == same.probabilities
    assert (same.truncated, longer.truncated) == (False, True)


def test_an_explanation_finds_the_word_in_any_window(classifier: Classifier) -> None:
    # GIVEN texts with the word in the first window, in two at once, and in the last one
    for place in (3, 13, WORDS - 1):
        text = write_text("virus", place, place)
        (prediction,) = classifier.predict([text])
        # WHEN the label is explained
        (explanation,) = classifier.explain([text], [prediction])
        # THEN that word contributes the most
        assert [word for word, _ in explanation] == text.split()
        best = max(range(WORDS), key=lambda number: explanation[number][1] or 0)
        assert best == place
    # AND words that were not read have no contribution
    (prediction,) = classifier.predict([text := write_text("virus", 0, 0, 80)])
    (explanation,) = classifier.explain([text], [prediction])
    assert [share is None for _, share in explanation] == [False] * 69 + [True] * 11


def test_explaining_a_long_text_reads_a_bounded_number_of_wordpieces(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a text of many words and windows, and a count of what the model reads
    tokens = 0
    run = classifier._run

    def count(token_ids: Sequence[Sequence[int]]) -> object:
        nonlocal tokens
        tokens += sum(map(len, token_ids))
        return run(token_ids)

    text = write_text("virus", 5, 0, 69)
    (prediction,) = classifier.predict([text])
    monkeypatch.setattr(classifier, "_run", count)
    # WHEN it is explained THEN only windows with the hidden words are read again
    classifier.explain([text], [prediction])
    every_variant = (2 * 69 + 1) * 6 * 16
    assert tokens < every_variant / 3
    assert tokens <= MAX_TOKENS


def test_texts_that_take_too_long_are_refused(classifier: Classifier) -> None:
    assert classifier.has_windows
    with pytest.raises(SlowTextsError, match="fewer or shorter"):
        classifier.predict(["a film", "a virus"], seconds=0)


def test_a_text_of_other_words_is_out_of_scope_by_the_mean_of_its_windows(
    classifier: Classifier,
) -> None:
    # GIVEN a text whose windows are one window, repeated
    window = " ".join(FILLER[:11])  # what a window has before its next one begins
    one, many = classifier.predict([window, " ".join([window] * 3)])
    # THEN its score is about that of the window
    assert one.scope_score is not None
    assert many.scope_score == pytest.approx(one.scope_score, abs=1.0)


def test_bulk_answers_as_the_classifier_does(
    bundle: Bundle, classifier: Classifier, tmp_path: Path
) -> None:
    # GIVEN a file of texts of one window, of many, and of more than are read
    texts = ["a virus", write_text("shares", 33, 1), write_text("virus", 0, 2, 300)]
    source, output = tmp_path / "texts.txt", tmp_path / "out.csv"
    source.write_text("\n".join(["text", *texts]) + "\n")
    command = [sys.executable, "-m", "textclf", "bulk", str(source), "--output", str(output)]
    subprocess.run([*command, "--model-uri", bundle.folder.as_uri()], cwd=ROOT, check=True)
    # THEN its rows are what the classifier predicts
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    predictions = classifier.predict(texts)
    assert [row["predicted_label"] for row in rows] == [each.label for each in predictions]
    assert [row["truncated"] == "true" for row in rows] == [False, False, True]


def test_the_api_answers_long_texts(bundle: Bundle, classifier: Classifier) -> None:
    # GIVEN the bundle, served as Lambda would
    command = [*TEXTCLF, "serve", "--bundle", str(bundle.folder), "--port", str(free_ports(1)[0])]
    texts = ["a virus", write_text("shares", 33, 1), write_text("virus", 0, 2, 300)]
    with serving(os.environ | {"PYTHONPATH": str(ROOT)}, command) as (url, _):
        # WHEN it gets texts of one window, of many, and of more than are read
        answer = ask(url, {"inputs": texts})
        explained = ask(url, {"inputs": texts[1], "explain": True})
    # THEN it answers as the classifier does, and tells what was not read
    predictions = classifier.predict(texts)
    assert [each["probabilities"] for each in answer["predictions"]] == [
        pytest.approx(each.probabilities, abs=1e-6) for each in predictions
    ]
    assert [each["truncated"] for each in answer["predictions"]] == [False, False, True]
    assert all("abstained" in each for each in answer["predictions"])
    words = dict(explained["explanation"])
    assert words["shares"] == max(words.values())


def test_a_teacher_answers_whole_texts(folder: Path) -> None:
    # GIVEN the trained model as a teacher, and a few texts that it was tested on
    rows = open_trained_model(folder).rows.test[:40]
    group = Group(rank=0, size=1, device=torch.device("cpu"))
    # WHEN it is asked THEN its answers are what evaluation measures
    answers = ask_teacher(folder, [row.text for row in rows], group, None, with_states=True)
    expected = Fp32Model(folder).compute_logits(rows)
    np.testing.assert_allclose(answers.logits, expected, atol=1e-3)
    assert np.linalg.norm(answers.states, axis=1) == pytest.approx(1, abs=1e-2)


def test_a_soup_reads_and_pools_as_its_models_do(folder: Path, tmp_path: Path) -> None:
    # GIVEN a model WHEN a soup is made of it alone THEN nothing changes
    mean = soup([folder, folder], tmp_path / "soup")
    assert mean.record.windows == open_trained_model(folder).record.windows
    rows = mean.rows.test[:20]
    of_model, of_soup = (Fp32Model(each).compute_logits(rows) for each in (folder, mean.folder))
    np.testing.assert_allclose(of_soup, of_model, atol=1e-5)


def test_the_encoder_represents_a_text_by_all_of_its_windows(bundle: Bundle) -> None:
    # GIVEN texts that differ in a word of their last window WHEN the encoder reads them
    one, other, short = BundleEncoder(bundle).encode(
        [write_text("shares", WORDS - 1, 5), write_text("virus", WORDS - 1, 5), "virus"]
    )
    # THEN their states differ
    assert one.shape == other.shape == short.shape
    assert np.abs(one - other).max() > 1e-3


def test_a_score_that_is_learnt_refuses_about_as_many_texts_as_it_should(
    folder: Path, tmp_path: Path
) -> None:
    # GIVEN reviews, which no label fits WHEN the out-of-scope score is learnt from them
    output = tmp_path / "bundle"
    options = ["--out-of-scope", str(REVIEWS), "--text-column", "text", "--refused", "0.1"]
    assert main(["export", str(folder), "--output", str(output), *options]) == 0
    # THEN about one in ten test texts is refused, and more of the reviews
    figures = read_verified(output).manifest.metrics["abstention"]
    assert 0.02 < figures["out_of_scope"] < 0.25
    assert figures["detections"][0]["refused"] > 0.5


def test_a_frozen_encoder_reads_windows(tiny_base: Path, tmp_path: Path) -> None:
    # GIVEN a head that is fitted to an encoder as it is
    train(tiny_base, tmp_path / "frozen", *READING, "--method", "frozen", "--pooling", "mean")
    trained = open_trained_model(tmp_path / "frozen")
    # THEN it finds the word in some window, if not as surely
    assert trained.record.windows is not None
    assert Evaluation.read(tmp_path / "frozen").fp32.accuracy > 0.6


def test_texts_in_windows_may_have_several_labels(tmp_path: Path) -> None:
    # GIVEN messages that are read in windows of few wordpieces
    model, base = tmp_path / "model", multi_label.write_base(tmp_path)
    given = ["--data", str(MESSAGES), "--base-model", str(base), "--output", str(model)]
    options = [*multi_label.SEVERAL, *multi_label.TRAINING, "--long-texts", "windows"]
    options[options.index("--max-length") + 1] = "12"
    options[options.index("--epochs") + 1] = "15"
    # WHEN they become a bundle
    assert main(["train", *given, *options]) == 0
    assert main(["evaluate", str(model)]) == 0
    assert main(["export", str(model), "--allow-worse"]) == 0
    bundle = read_verified(model / "bundle")
    # THEN it agrees with the model, and answers with all labels of a long text
    assert bundle.manifest.windows is not None
    assert bundle.manifest.quantization["max_change"] < 0.1
    row = max(open_trained_model(model).rows.train, key=lambda row: len(row.text))
    (prediction,) = Classifier.load(bundle).predict([row.text])
    assert prediction.labels is not None
    assert prediction.tokens > 12
