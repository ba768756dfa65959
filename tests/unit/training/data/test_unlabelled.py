"""Texts without labels are read from lines or tables, and none that is held out is used."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from inference.tables.options import ReadOptions
from tests.conftest import HEADLINES
from tests.headlines import news_row
from training.data.examples import LONGEST_TEXT, UNLABELLED, DataError
from training.data.read import BY_CONTENT, read
from training.data.split import split
from training.data.unlabelled import LeftOut, Unlabelled, read_unlabelled
from training.tasks import NEWS, custom_task

DATASET = read(str(HEADLINES), NEWS)
ROWS = split(DATASET, "story", 42)
TEXTS = ['Banks "too big"; regulators, say', "Second headline\tof two", "Ein Café in Wien"]


def read_file(path: Path, options: ReadOptions = BY_CONTENT, **how: bool) -> Unlabelled:
    return read_unlabelled(str(path), DATASET, ROWS, options, **how)


def list_texts(found: Unlabelled) -> list[str]:
    return [example.text for example in found.examples]


def to_zip(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("texts.txt", content)
    return file.getvalue()


def to_zst(content: bytes) -> bytes:
    return bytes(pyarrow.compress(content, "zstd", asbytes=True))


@pytest.mark.parametrize(
    ("ending", "compress"),
    [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress),
     (".zst", to_zst), (".zip", to_zip)],
)  # fmt: skip
def test_each_line_of_a_text_file_is_a_text(
    ending: str, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    # GIVEN lines with quotes, commas, semicolons and tabs
    content = "".join(f"{text}\n" for text in TEXTS).encode()
    (tmp_path / f"texts.txt{ending}").write_bytes(compress(content))
    # WHEN they are read THEN each is a text as it is written, without a label
    found = read_file(tmp_path / f"texts.txt{ending}")
    assert list_texts(found) == TEXTS
    assert {example.label for example in found.examples} == {UNLABELLED}
    assert found.name == f"texts.txt{ending}"
    assert found.sha256 == read_file(tmp_path / f"texts.txt{ending}").sha256


def to_csv(folder: Path) -> Path:
    quoted = [text.replace('"', '""') for text in TEXTS]
    rows = "".join(f'{number},"{text}"\n' for number, text in enumerate(quoted))
    (folder / "texts.csv").write_text(f"id,title\n{rows}", encoding="utf-8")
    return folder / "texts.csv"


def to_json_lines(folder: Path) -> Path:
    lines = (json.dumps({"id": 1, "TITLE": text}) for text in TEXTS)
    (folder / "texts").write_text("\n".join(lines))
    return folder / "texts"


def to_parquet(folder: Path) -> Path:
    pyarrow.parquet.write_table(pyarrow.table({"TITLE": TEXTS}), folder / "texts")
    return folder / "texts"


@pytest.mark.parametrize("write", [to_csv, to_json_lines, to_parquet])
def test_a_table_has_the_texts_in_the_tasks_column(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    # GIVEN a table with a column of the name that the task's texts have WHEN it is read
    # THEN the texts are those of the column
    assert list_texts(read_file(write(tmp_path))) == TEXTS


def test_a_table_without_the_column_is_an_error(tmp_path: Path) -> None:
    # GIVEN a CSV file with another column WHEN it is read
    (tmp_path / "texts.csv").write_text("id,headline\n1,x\n")
    # THEN it is not taken for lines of text
    with pytest.raises(DataError, match=r"texts.csv, line 1: no column 'TITLE': the file has id"):
        read_file(tmp_path / "texts.csv")


def test_lines_of_text_are_no_table_if_columns_are_positions(tmp_path: Path) -> None:
    # GIVEN a task whose columns are positions, and lines with a comma each
    dataset = read(str(HEADLINES), custom_task("mine", "1", "4", None), ReadOptions(no_header=True))
    (tmp_path / "texts.txt").write_text("one, two\nthree, four\n")
    # WHEN they are read THEN they are not cut at the comma
    found = read_unlabelled(str(tmp_path / "texts.txt"), dataset, ROWS, ReadOptions(no_header=True))
    assert list_texts(found) == ["one, two", "three, four"]


def test_no_text_that_is_held_out_is_used_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    # GIVEN held-out headlines in another case and with other punctuation, training headlines,
    # two new texts, one of them twice, and a line of blanks
    held_out = [f"{e.text.upper()}!" for e in [*ROWS.validation, *ROWS.test]]
    labelled = [e.text for e in ROWS.train[:7]]
    lines = [*held_out, *labelled, "First new one", "FIRST NEW ONE", "Another", "   "]
    (tmp_path / "texts.txt").write_text("".join(f"{line}\n" for line in lines))
    # WHEN they are read
    found = read_file(tmp_path / "texts.txt")
    # THEN only the new texts are used, in their order, and the counts add up to the lines
    assert list_texts(found) == ["First new one", "Another"]
    left_out = LeftOut(blank=1, held_out=len(held_out), labelled=7, repeated=1)
    assert found.left_out == left_out
    assert found.rows == len(lines) == 2 + left_out.total


def test_texts_are_cut_to_what_the_api_accepts_before_they_are_compared(tmp_path: Path) -> None:
    # GIVEN two texts that differ after 10,000 characters
    (tmp_path / "texts.txt").write_text(f"{'word ' * 2000}one\n{'word ' * 2000}two\n")
    # WHEN they are read THEN they are one
    (text,) = list_texts(found := read_file(tmp_path / "texts.txt"))
    assert (len(text), found.left_out.repeated) == (LONGEST_TEXT, 1)


def test_rows_that_cannot_be_read_are_an_error_unless_they_may_be_skipped(tmp_path: Path) -> None:
    # GIVEN a row with a column too many
    path = to_csv(tmp_path)
    path.write_text(path.read_text() + "9,x,y\n")
    # WHEN it is read THEN the error names the line
    with pytest.raises(DataError, match=r"texts.csv, line 5: expected 2 columns.*--skip-bad-rows"):
        read_file(path)
    # ... and if bad rows may be skipped, it is counted
    found = read_file(path, skip_bad_rows=True)
    assert (len(found.examples), len(found.rejects), found.rows) == (3, 1, 4)


def test_an_encoding_that_is_given_is_used(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes("Café\n".encode("cp1252"))
    with pytest.raises(DataError, match="line 1: the file is not UTF-8"):
        read_file(tmp_path / "texts.txt")
    assert list_texts(read_file(tmp_path / "texts.txt", ReadOptions(encoding="cp1252"))) == ["Café"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "no text in it"),
        ("\n  \n", "no text in it"),
        (f"{ROWS.test[0].text}\n", "all of its texts are in the data set already"),
    ],
)
def test_a_file_without_a_text_to_learn_from_is_an_error(
    content: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "texts.txt").write_text(content)
    with pytest.raises(DataError, match=rf"texts\.txt: {problem}"):
        read_file(tmp_path / "texts.txt")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_file(tmp_path / "texts.txt")


def test_a_file_in_the_layout_of_the_tasks_data_is_a_table(tmp_path: Path) -> None:
    # GIVEN rows of the news data set, which has no header
    (tmp_path / "more.csv").write_text(news_row("First new one") + news_row("Another"))
    # WHEN they are read without their labels THEN the texts are their titles
    assert list_texts(read_file(tmp_path / "more.csv")) == ["First new one", "Another"]
