"""New rows are joined to the data set, and do not leak into the rows that are held out."""

from pathlib import Path

import pytest

from inference.tables.options import ReadOptions
from tests.conftest import HEADLINES
from tests.headlines import news_row
from training.data.examples import DataError, Example, NewFile
from training.data.new_rows import join
from training.data.read import read
from training.data.split import is_held_out, split
from training.tasks import NEWS

SEED = 42
BASE = read(str(HEADLINES), NEWS)


def story(*, held_out: bool) -> str:
    """A story that the sample does not have, on the given side of the split."""
    names = (f"new{number}" for number in range(999))
    sides = ((name, is_held_out(Example("x", 0, name), SEED)) for name in names)
    return next(name for name, side in sides if side is held_out)


def test_rows_come_after_those_of_the_data_set(tmp_path: Path) -> None:
    # GIVEN two files, one of them in a subfolder
    (tmp_path / "a.csv").write_text(news_row("first") + news_row("second"))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.csv").write_text(news_row("third"))
    # WHEN they are joined
    joined = join(BASE, tmp_path, SEED)
    # THEN their rows come after those of the data set
    assert joined.examples[: len(BASE.examples)] == BASE.examples
    assert [e.text for e in joined.examples[len(BASE.examples) :]] == ["first", "second", "third"]
    assert joined.new_files == (NewFile("a.csv", 2), NewFile("deep/b.csv", 1))


def test_an_empty_file_is_no_file(tmp_path: Path) -> None:
    # GIVEN an object of zero bytes, by which S3 marks a folder, and a file of one row
    (tmp_path / "folder").touch()
    (tmp_path / "a.csv").write_text(news_row("first"))
    # WHEN they are joined THEN the first one is neither joined nor set aside
    joined = join(BASE, tmp_path, SEED)
    assert joined.new_files == (NewFile("a.csv", 1),)
    (tmp_path / "folder").unlink()
    assert join(BASE, tmp_path, SEED) == joined


def test_the_digest_covers_the_files_that_were_joined(tmp_path: Path) -> None:
    assert join(BASE, tmp_path, SEED).sha256 == BASE.sha256
    (tmp_path / "a.csv").write_text(news_row("first"))
    first = join(BASE, tmp_path, SEED).sha256
    assert first == join(BASE, tmp_path, SEED).sha256 != BASE.sha256
    (tmp_path / "a.csv").write_text(news_row("other"))
    assert join(BASE, tmp_path, SEED).sha256 != first


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("b.csv", news_row("x") + news_row("y", "z"), "b.csv, line 2: unknown label 'z'"),
        ("b.csv", "1\ttitle\n", "b.csv, line 1: expected 8 columns"),
        ("b.csv", news_row("  "), "b.csv, line 1: the text is blank"),
        ("b.csv", news_row("caf\xe9").encode("latin-1"), "b.csv, line 1: the file is not UTF-8"),
        ("b.csv", "\n", "b.csv is empty"),
        ("b.csv.gz", b"\x1f\x8b no gzip", "cannot decompress b.csv.gz"),
    ],
)
def test_a_file_with_an_invalid_row_is_set_aside_with_the_reason(
    name: str, content: str | bytes, problem: str, tmp_path: Path
) -> None:
    # GIVEN a good file, and one with an invalid row
    (tmp_path / "a.csv").write_text(news_row("good"))
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    # WHEN they are joined
    joined = join(BASE, tmp_path, SEED)
    # THEN only the rows of the good file are there, and the other is named as it is in the folder
    assert [e.text for e in joined.examples[len(BASE.examples) :]] == ["good"]
    assert joined.new_files[1].problem.startswith(problem)
    assert str(tmp_path) not in joined.new_files[1].problem


def test_bad_rows_of_a_file_can_be_left_out_instead(tmp_path: Path) -> None:
    # GIVEN a file with a row of an unknown category, and one that is too short
    content = f"{news_row('good')}{news_row('y', 'z')}1\ttitle\n{news_row('better')}"
    (tmp_path / "a.csv").write_text(content)
    # WHEN it is joined without its bad rows
    joined = join(BASE, tmp_path, SEED, skip_bad_rows=True)
    # THEN the other rows are there, and the bad ones are listed under the file's name
    assert [e.text for e in joined.examples[len(BASE.examples) :]] == ["good", "better"]
    (file,) = joined.new_files
    assert (file.name, file.rows) == ("a.csv", 2)
    assert [reject.line for reject in file.rejects] == [2, 3]
    # AND those of the data set stay its own
    assert joined.rejects == BASE.rejects == ()


def test_new_files_are_read_as_the_user_says(tmp_path: Path) -> None:
    # GIVEN a file in another encoding
    (tmp_path / "a.csv").write_bytes(news_row("Café").encode("cp1252"))
    # WHEN it is joined with that encoding THEN its letters are right
    joined = join(BASE, tmp_path, SEED, options=ReadOptions(encoding="cp1252"))
    assert joined.examples[-1].text == "Café"


def test_rows_that_are_held_out_stay_so_and_are_not_learnt(tmp_path: Path) -> None:
    # GIVEN new rows that repeat held-out headlines, in other stories and another case
    before = split(BASE, "story", SEED)
    held_out = [*before.validation, *before.test]
    side = story(held_out=False)
    (tmp_path / "a.csv").write_text(
        "".join(news_row(e.text.upper() + "!", "b", side) for e in held_out)
    )
    # WHEN they are joined and split
    after = split(join(BASE, tmp_path, SEED), "story", SEED)
    # THEN the same rows are held out, and none of them is in train
    assert (after.validation, after.test) == (before.validation, before.test)
    assert after.train == before.train


def test_new_stories_are_tested_on_too(tmp_path: Path) -> None:
    # GIVEN a new story on each side of the split
    lines = news_row("to learn", story=story(held_out=False)) + news_row(
        "to test", story=story(held_out=True)
    )
    (tmp_path / "a.csv").write_text(lines)
    # WHEN they are joined and split THEN each row is where its story belongs
    before = split(BASE, "story", SEED)
    after = split(join(BASE, tmp_path, SEED), "story", SEED)
    assert [e.text for e in after.train[len(before.train) :]] == ["to learn"]
    new = {e.text for e in after.test + after.validation}
    assert "to test" in new
    assert {e.text for e in before.test + before.validation} < new


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        join(BASE, tmp_path / "nowhere", SEED)
