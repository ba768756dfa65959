import csv
import random
from dataclasses import replace
from pathlib import Path

import pytest

from inference.model.bundle import read_verified
from tests.conftest import HEADLINES, SAMPLE_MODEL
from training.data.examples import DataError, Dataset, Example
from training.data.read import read
from training.labels.check import check_labels
from training.labels.encoder import BundleEncoder
from training.labels.features import WORDS
from training.tasks import NEWS, custom_task, with_labels

SHARE = 0.05


def make_dataset(examples: list[Example], labels: tuple[str, ...] = ("no", "yes")) -> Dataset:
    task = with_labels(custom_task("own", "text", "label", None), labels)
    return Dataset(task, examples, "")


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("seed", [1, 2])
def test_of_the_surest_suspects_most_are_labels_that_were_flipped(
    seed: int, tmp_path: Path
) -> None:
    # GIVEN the sample headlines, with one label in twenty replaced by another one
    dataset = read(str(HEADLINES), NEWS)
    draw = random.Random(seed)  # noqa: S311 (nothing is secret)
    count = round(SHARE * len(dataset.examples))
    wrong = set(draw.sample(range(len(dataset.examples)), count))
    flipped = [
        replace(example, label=(example.label + draw.randint(1, 3)) % 4) if n in wrong else example
        for n, example in enumerate(dataset.examples)
    ]
    # WHEN they are checked, and the suspects are written
    encoder = BundleEncoder(read_verified(SAMPLE_MODEL))
    check_labels(replace(dataset, examples=flipped), encoder).write(tmp_path / "suspects.csv")
    # THEN of the first twentieth of the rows, six in ten or more are flipped
    lines = {dataset.examples[n].line for n in wrong}
    first = read_table(tmp_path / "suspects.csv")[:count]
    found = sum(int(row["line"]) in lines for row in first)
    assert found / count >= 0.6
    # AND nine in ten suggestions for these are the label that they had
    right = {example.line: example.label for example in dataset.examples}
    codes = list(NEWS.codes)
    suggested = [
        codes.index(row["suggested"]) == right[int(row["line"])]
        for row in first
        if int(row["line"]) in lines
    ]
    assert sum(suggested) / len(suggested) >= 0.9


def test_suspects_are_written_as_the_file_writes_labels(tmp_path: Path) -> None:
    # GIVEN a wrong label in line 42 of a file
    subjects = ("shares fall", "vaccine works")
    examples = [Example(f"{subjects[n % 2]} no{n}", n % 2, line=n + 2) for n in range(40)]
    examples.append(Example('shares "fall", today', 1, line=42))
    # WHEN the file is checked
    checked = check_labels(make_dataset(examples, ("b", "m")), None, [WORDS])
    checked.write(tmp_path / "suspects.csv")
    # THEN the list says where it is, what it is, and what it should be
    (row,) = read_table(tmp_path / "suspects.csv")
    assert row.pop("score").startswith("0.")
    assert row == {"line": "42", "text": 'shares "fall", today', "label": "m", "suggested": "b"}
    assert "probably wrong: 1 of 41 rows" in checked.describe()
    assert "1 labelled m, suggested b" in checked.describe()


def test_several_labels_are_written_with_the_separator_of_the_file(tmp_path: Path) -> None:
    task = custom_task("own", "text", "label", None, label_separator="|")
    texts = {(0, 1): "shares fall vaccine works", (0,): "shares fall", (1,): "vaccine works"}
    examples = [
        Example(f"{text} number{n}", -1, labels=labels)
        for n in range(20)
        for labels, text in texts.items()
    ]
    examples.append(Example("shares fall vaccine works today", -1, labels=(0,), line=9))
    examples.append(Example("vaccine works today", -1, labels=(0, 1), line=8))
    dataset = Dataset(with_labels(task, ("x", "y")), examples, "")
    check_labels(dataset, None, [WORDS]).write(tmp_path / "suspects.csv")
    rows = {row["line"]: row for row in read_table(tmp_path / "suspects.csv")}
    assert (rows["9"]["label"], rows["9"]["suggested"]) == ("x", "x|y")
    assert (rows["8"]["label"], rows["8"]["suggested"]) == ("x|y", "y")


def test_labels_that_no_words_tell_are_said_to_be_guessed() -> None:
    examples = [Example(f"word{n}", n % 2) for n in range(40)]
    described = check_labels(make_dataset(examples), None, [WORDS]).describe()
    assert "note: too much of this is guessed" in described


def test_several_labels_that_no_words_tell_are_said_to_be_guessed() -> None:
    # GIVEN texts of which each has few of many labels, so that most are rightly left out
    draw = random.Random(0)  # noqa: S311 (nothing is secret)
    examples = [
        Example(
            f"title{n} the{draw.randint(1, 9)}", -1, labels=tuple(sorted(draw.sample(range(8), 2)))
        )
        for n in range(120)
    ]
    task = custom_task("own", "text", "label", None, label_separator=";")
    dataset = Dataset(with_labels(task, tuple("abcdefgh")), examples, "")
    # WHEN they are checked
    checked = check_labels(dataset, None, [WORDS])
    # THEN the models do not count as agreeing with what both leave out
    assert checked.judgement.agreement < 0.5
    assert "note: too much of this is guessed" in checked.describe()


def test_a_frequent_label_that_is_always_guessed_is_no_agreement() -> None:
    # GIVEN texts of which nine in ten have one label, whatever their words
    examples = [Example(f"word{n}", int(n % 10 == 0)) for n in range(200)]
    # WHEN they are checked
    checked = check_labels(make_dataset(examples), None, [WORDS])
    # THEN models that always answer it are right nine times in ten, but have guessed
    assert checked.judgement.agreement > 0.85
    assert "note: too much of this is guessed" in checked.describe()


def test_labels_that_words_tell_are_not_said_to_be_guessed() -> None:
    subjects = ("shares fall", "vaccine works")
    one = [Example(f"{subjects[n % 2]} no{n}", n % 2) for n in range(40)]
    both = (0, 1)
    several = [
        Example(" ".join(subjects[label] for label in labels) + f" no{n}", -1, labels=labels)
        for n in range(20)
        for labels in (both, (0,), (1,))
    ]
    task = custom_task("own", "text", "label", None, label_separator=";")
    for dataset in (make_dataset(one), Dataset(with_labels(task, ("x", "y")), several, "")):
        assert "guessed" not in check_labels(dataset, None, [WORDS]).describe()


def test_texts_with_different_labels_and_rows_that_are_not_judged_are_counted() -> None:
    subjects = ("shares fall", "vaccine works")
    examples = [Example(f"{subjects[n % 2]} no{n}", n % 2) for n in range(40)]
    examples += [Example("Odd one", 0), Example("odd one!", 1), Example("rare", 2)]
    described = check_labels(make_dataset(examples, ("a", "b", "c")), None).describe()
    assert "note: 1 texts are in the file with different labels" in described
    assert "note: 1 rows are not judged" in described


def test_labels_of_a_single_text_each_cannot_be_judged() -> None:
    examples = [Example(f"text {n}", n) for n in range(20)]
    dataset = make_dataset(examples, tuple(f"label {n}" for n in range(20)))
    with pytest.raises(DataError, match="no label can be judged"):
        check_labels(dataset, None, [WORDS])


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="3 rows are too few"):
        check_labels(make_dataset([Example(f"text {n}", n % 2) for n in range(3)]), None)
