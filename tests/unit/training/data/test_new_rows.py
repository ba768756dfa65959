"""New rows join the data set, and leak nothing into what is held out."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import HEADLINES
from training.data.examples import DataError, Example, NewFile
from training.data.new_rows import join
from training.data.read import read
from training.data.split import is_held_out, split
from training.fit import distilbert
from training.fit.settings import Settings, rows_of
from training.fit.train import Texts, batches_from
from training.tasks import NEWS

SEED = 42
BASE = read(str(HEADLINES), NEWS)


def row(title: str, category: str = "b", story: str = "new") -> str:
    return f"1\t{title}\turl\tWire\t{category}\t{story}\thost\t1\n"


def story(*, held_out: bool) -> str:
    """A story that is none of the sample's, on the given side."""
    names = (f"new{number}" for number in range(999))
    sides = ((name, is_held_out(Example("x", 0, name), SEED)) for name in names)
    return next(name for name, side in sides if side is held_out)


def test_rows_come_after_those_of_the_data_set(tmp_path: Path) -> None:
    # GIVEN two files, one of them in a folder
    (tmp_path / "a.csv").write_text(row("first") + row("second"))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.csv").write_text(row("third"))
    # WHEN they are joined
    joined = join(BASE, tmp_path, SEED)
    # THEN the rows are the data set's and theirs
    assert joined.examples[: len(BASE.examples)] == BASE.examples
    assert [e.text for e in joined.examples[len(BASE.examples) :]] == ["first", "second", "third"]
    assert joined.new_files == (NewFile("a.csv", 2), NewFile("deep/b.csv", 1))


def test_the_digest_is_that_of_what_was_joined(tmp_path: Path) -> None:
    assert join(BASE, tmp_path, SEED).sha256 == BASE.sha256
    (tmp_path / "a.csv").write_text(row("first"))
    first = join(BASE, tmp_path, SEED).sha256
    assert first == join(BASE, tmp_path, SEED).sha256 != BASE.sha256
    (tmp_path / "a.csv").write_text(row("other"))
    assert join(BASE, tmp_path, SEED).sha256 != first


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("b.csv", row("x") + row("y", "z"), "b.csv, line 2: unknown category 'z'"),
        ("b.csv", "1\ttitle\n", "b.csv, line 1: expected 8 columns"),
        ("b.csv", row("  "), "b.csv, line 1: the text is blank"),
        ("b.csv", b"\xff\xfe", "b.csv, line 1: not UTF-8 text"),
        ("b.csv", "", "b.csv is empty"),
        ("b.csv.gz", b"no gzip", "cannot decompress b.csv.gz"),
    ],
)
def test_a_file_with_a_wrong_row_is_set_aside_with_the_reason(
    name: str, content: str | bytes, problem: str, tmp_path: Path
) -> None:
    # GIVEN a good file and one with a row that is wrong
    (tmp_path / "a.csv").write_text(row("good"))
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    # WHEN they are joined
    joined = join(BASE, tmp_path, SEED)
    # THEN none of its rows is, those of the other are, and it is named as it is in the folder
    assert [e.text for e in joined.examples[len(BASE.examples) :]] == ["good"]
    assert joined.new_files[1].problem.startswith(problem)
    assert str(tmp_path) not in joined.new_files[1].problem


def test_held_out_rows_stay_held_out_and_are_not_learnt(tmp_path: Path) -> None:
    # GIVEN new rows that repeat held-out headlines, in other stories and another case
    before = split(BASE, "story", SEED)
    held_out = [*before.validation, *before.test]
    side = story(held_out=False)
    (tmp_path / "a.csv").write_text("".join(row(e.text.upper() + "!", "b", side) for e in held_out))
    # WHEN they are joined and split
    after = split(join(BASE, tmp_path, SEED), "story", SEED)
    # THEN what was held out is still, and nothing of it is in train
    assert (after.validation, after.test) == (before.validation, before.test)
    assert after.train == before.train


def test_new_stories_are_tested_on_too(tmp_path: Path) -> None:
    # GIVEN rows of a new story on either side
    lines = row("to learn", story=story(held_out=False)) + row(
        "to test", story=story(held_out=True)
    )
    (tmp_path / "a.csv").write_text(lines)
    # WHEN they are joined and split THEN each is where its story belongs
    before = split(BASE, "story", SEED)
    after = split(join(BASE, tmp_path, SEED), "story", SEED)
    assert [e.text for e in after.train[len(before.train) :]] == ["to learn"]
    new = {e.text for e in after.test + after.validation}
    assert "to test" in new
    assert {e.text for e in before.test + before.validation} < new


def test_few_new_rows_can_count_as_many(tiny_base: Path, tmp_path: Path) -> None:
    # GIVEN a new row among the sample's, to be learnt three times an epoch
    (tmp_path / "a.csv").write_text(row("to learn", story=story(held_out=False)))
    settings = Settings(
        str(HEADLINES), "out", new_rows=str(tmp_path), new_rows_times=3, batch_size=8
    )
    _, rows = rows_of(settings)
    # WHEN the batches of an epoch are made
    _, tokenizer = distilbert.load(tiny_base)
    targets = np.zeros((len(rows.train), 4), np.float32)
    texts = Texts.of(rows.train, targets, tokenizer, settings.new_rows_times)
    batches = list(islice(batches_from(0, texts, settings), texts.steps(8)))
    # THEN it is in them three times, and each other row once
    counts = np.bincount(np.concatenate(batches))
    assert counts.tolist() == [1] * (len(rows.train) - 1) + [3]
    # AND a run that goes on amid the epoch goes on with the same batches
    again = islice(batches_from(5, texts, settings), texts.steps(8) - 5)
    assert [batch.tolist() for batch in again] == [batch.tolist() for batch in batches[5:]]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        join(BASE, tmp_path / "nowhere", SEED)


@pytest.mark.parametrize("options", [{"split": "random"}, {"split": "time"}, {"max_rows": 100}])
def test_only_a_story_split_of_all_rows_can_be_joined(
    options: dict[str, object], tmp_path: Path
) -> None:
    settings = Settings(str(HEADLINES), "out", new_rows=str(tmp_path), **options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="split by story"):
        rows_of(settings)
