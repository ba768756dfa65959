from pathlib import Path

import pytest

from tests.conftest import HEADLINES, REVIEWS
from tests.headlines import news_row, write_rows
from training.data.examples import DataError, Example
from training.data.read import read
from training.tasks import NEWS, SENTIMENT, custom_task

ROW = "1\tFed holds rates\thttp://example.com\tWire\tb\tstory1\texample.com\t1394470370698"


def test_a_double_quote_in_a_headline_is_a_character() -> None:
    # GIVEN the sample headlines, some of which hold one unpaired double quote
    # WHEN they are read
    dataset = read(str(HEADLINES), NEWS)
    # THEN every line is a row
    assert len(dataset.examples) == len(HEADLINES.read_text().splitlines())
    assert any(example.text.count('"') == 1 for example in dataset.examples)


def test_each_row_keeps_its_label_group_time_and_source(tmp_path: Path) -> None:
    # GIVEN one row of each category
    path = write_rows(tmp_path, "".join(news_row(f"t{c}", c, f"s{c}", 7) for c in "btem"))
    # WHEN they are read
    rows = read(path, NEWS).examples
    # THEN every column is in its place
    assert rows[2] == Example("te", 2, group="se", time=7, source="Wire")
    assert [row.label for row in rows] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (ROW + "\n" + ROW.replace("\tb\t", "\tx\t") + "\n", "line 2: unknown label 'x'"),
        (ROW + "\n" + ROW.replace("\tWire", "") + "\n", "line 2: expected 8 columns"),
        (ROW.replace("Fed holds rates", " ") + "\n", "line 1: the text is blank"),
        (ROW.replace("1394470370698", "noon") + "\n", "line 1: 'noon' is not a time"),
        (ROW.replace("1394470370698", "²") + "\n", "line 1: '²' is not a time"),
        (
            ROW.replace("1394470370698", "1394470370698000") + "\n",
            "line 1: '1394470370698000' is not a time in milliseconds",
        ),
    ],
)  # fmt: skip
def test_an_invalid_row_is_an_error_that_names_the_line(
    tmp_path: Path, text: str, message: str
) -> None:
    # GIVEN a file with one mistake WHEN it is read THEN the error says what is wrong, and where
    with pytest.raises(DataError, match=message):
        read(write_rows(tmp_path, text), NEWS)


def test_a_file_whose_rows_are_all_bad_is_not_called_empty(tmp_path: Path) -> None:
    # GIVEN a file without a good row
    path = write_rows(tmp_path, 2 * (ROW.replace("Fed holds rates", " ") + "\n"))
    # WHEN bad rows are left out THEN the error says why none is left
    with pytest.raises(DataError, match="all 2 rows were rejected; the first is line 1: the text"):
        read(path, NEWS, skip_bad_rows=True)


def test_bytes_that_are_not_utf8_are_an_error_that_names_the_line(tmp_path: Path) -> None:
    # GIVEN a file whose second line is Latin-1
    (tmp_path / "rows.csv").write_bytes(f"{ROW}\n".encode() + "Café\n".encode("latin-1"))
    # WHEN it is read THEN the error names the line
    with pytest.raises(DataError, match="line 2: the file is not UTF-8"):
        read(str(tmp_path / "rows.csv"), NEWS)


def test_any_csv_file_with_a_text_and_a_label_column_is_a_task(tmp_path: Path) -> None:
    # GIVEN a user's own CSV file, with a quoted field over two lines
    path = write_rows(tmp_path, 'id,body,topic\n1,"one, two\nthree",red\n2,four,blue\n')
    # WHEN it is read by the names of its columns
    dataset = read(path, custom_task("colours", "body", "topic", None))
    # THEN its labels are found, and sorted
    assert dataset.task.labels == ("blue", "red")
    assert dataset.examples[0] == Example("one, two\nthree", 1)


def test_a_column_without_a_name_is_not_read(tmp_path: Path) -> None:
    # GIVEN a file whose first column has no name, as pandas writes its index
    path = write_rows(tmp_path, ",text,label\n7,a,x\n8,b,y\n")
    # WHEN it is read THEN that column is no group, time, source or part
    dataset = read(path, custom_task("t", "text", "label", None))
    assert dataset.examples == [Example("a", 0), Example("b", 1)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,body", "line 1: no column 'topic': the file has id, body$"),
        ("Bodies;topic", "line 1: no column 'body': the file has Bodies, topic"),
        ("body,topic,topic", "line 1: 2 columns are named 'topic': 'topic' and 'topic'; rename"),
    ],
)
def test_a_missing_column_is_an_error_that_lists_the_columns(
    tmp_path: Path, header: str, message: str
) -> None:
    path = write_rows(tmp_path, f"{header}\n1,text\n")
    with pytest.raises(DataError, match=message):
        read(path, custom_task("colours", "body", "topic", None))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_is_read_as_a_spreadsheet_saves_it(
    tmp_path: Path, separator: str, mark: str
) -> None:
    # GIVEN a file with one of the usual separators, quotes, and perhaps a byte order mark
    rows = [["body", "topic"], ['"say ""a, b; c"""', "red wine"], ["four", "белое вино"]]
    text = mark + "".join(separator.join(row) + "\r\n" for row in rows)
    # WHEN it is read
    dataset = read(write_rows(tmp_path, text), custom_task("wines", "body", "topic", None))
    # THEN texts and labels are what the spreadsheet showed
    assert dataset.task.labels == ("red wine", "белое вино")
    assert [row.text for row in dataset.examples] == ['say "a, b; c"', "four"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,red\nb,\n", "line 3: the label is blank"),
        ("a,red\n,blue\n", "line 3: the text is blank"),
        ("a,red\nb,Blue\nc,blue\n", "line 4: is 'blue' the label 'Blue'?"),
        # Both look the same; one has a letter and a combining dot.
        (
            "a,\u00d6l\nb,O\u0308l\n",
            r"line 2: .* is written in two Unicode forms, '\\xd6l' and 'O\\u0308l'",
        ),
        ("a,red\nb,c,blue\n", "line 3: expected 2 columns separated by comma, found 3"),
        ('a,red\n"b, c",blue\n"d,blue\n', "line 4: a quoted value does not end where its column"),
    ],
)
def test_a_mistake_in_a_users_own_file_is_an_error_that_names_the_line(
    tmp_path: Path, rows: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write_rows(tmp_path, "body,topic\n" + rows), custom_task("t", "body", "topic", None))


def test_a_file_with_one_label_is_an_error(tmp_path: Path) -> None:
    path = write_rows(tmp_path, "text,label\na,x\nb,x\n")
    with pytest.raises(DataError, match="needs two labels"):
        read(path, custom_task("t", "text", "label", None))


def test_labels_of_reviews_are_numbers_or_names(tmp_path: Path) -> None:
    # GIVEN the sample reviews, labelled 0 and 1, and a file labelled in words
    words = write_rows(tmp_path, "text,label\ngood,positive\nbad,negative\n")
    # WHEN both are read THEN their labels are the same two
    assert {row.label for row in read(str(REVIEWS), SENTIMENT).examples} == {0, 1}
    assert [row.label for row in read(words, SENTIMENT).examples] == [1, 0]


def test_an_unknown_part_of_the_split_is_an_error(tmp_path: Path) -> None:
    path = write_rows(tmp_path, "text,label,split\ngood,1,train\nbad,0,unsup\n")
    with pytest.raises(DataError, match="line 3: the split is 'unsup', neither train nor test"):
        read(path, SENTIMENT)


MULTI = custom_task("t", "text", "topics", None, ";")


def test_a_cell_may_have_several_labels_or_none(tmp_path: Path) -> None:
    # GIVEN rows with two labels, one and none
    path = tmp_path / "rows.csv"
    path.write_text("text,topics\na,billing; refund\nb,refund\nc,\n")
    # WHEN they are read by the separator
    dataset = read(str(path), MULTI)
    # THEN each row has the numbers of its labels
    assert dataset.task.labels == ("billing", "refund")
    assert [row.labels for row in dataset.examples] == [(0, 1), (1,), ()]
    assert dataset.hints == ()


def test_labels_may_have_a_column_each(tmp_path: Path) -> None:
    # GIVEN the same rows, with a column for each label, as pandas writes them
    path = tmp_path / "rows.csv"
    path.write_text("refund,text,billing\n1,a,1.0\ntrue,b,0\n0,c,false\n")
    task = custom_task("t", "text", "", None, label_columns=("billing", "refund"))
    # WHEN they are read THEN the labels are in the order that the user gave
    dataset = read(str(path), task)
    assert dataset.task.labels == ("billing", "refund")
    assert [row.labels for row in dataset.examples] == [(0, 1), (1,), ()]


def test_a_flag_that_is_neither_0_nor_1_names_its_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,a,b\nx,1,0\ny,yes,0\n")
    task = custom_task("t", "text", "", None, label_columns=("a", "b"))
    with pytest.raises(DataError, match="line 3: the column 'a' has 'yes', which is neither 0"):
        read(str(path), task)


def test_lists_of_json_lines_are_lists(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "x", "topics": ["a", "b"]}\n{"text": "y", "topics": []}\n')
    assert [row.labels for row in read(str(path), MULTI).examples] == [(0, 1), ()]


def test_a_list_with_a_label_that_could_not_be_written_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "x", "topics": ["a", "b;c"]}\n{"text": "y", "topics": [null]}\n')
    with pytest.raises(DataError, match="line 1: the label 'b;c' has the separator") as raised:
        read(str(path), MULTI)
    assert "one more row is bad, in line 2" in str(raised.value)
    assert "note: " not in str(raised.value)  # there is no good row to take a hint from


def test_two_labels_of_lists_that_differ_only_in_case_are_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,topics\na,Refund;billing\nb,refund\n")
    with pytest.raises(DataError, match="line 3: is 'refund' the label 'Refund'"):
        read(str(path), MULTI)


@pytest.mark.parametrize("blank", ["", "\nz,"])
def test_cells_that_look_like_lists_are_one_label_with_a_hint(tmp_path: Path, blank: str) -> None:
    # GIVEN a file of lists, perhaps with a blank one WHEN it is read as one label a text
    path = tmp_path / "rows.csv"
    path.write_text(f"text,topics\na,x;y\nb,x\nc,y{blank}\n")
    task = custom_task("t", "text", "topics", None)
    # THEN nothing is guessed, but the option is named, even where a blank cell is an error
    if blank:
        with pytest.raises(DataError, match=r"label is blank(.|\n)*--label-separator ';'"):
            read(str(path), task)
    else:
        dataset = read(str(path), task)
        assert dataset.task.labels == ("x", "x;y", "y")
        assert "--label-separator ';'" in dataset.hints[0]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [(["x;y"] * 3, "needs two labels"), (["x;y", "X;y", "x"], "is 'x;y' the label 'X;y'")],
)
def test_errors_about_labels_come_with_the_hint(
    tmp_path: Path, cells: list[str], problem: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,topics\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
    with pytest.raises(DataError, match=rf"{problem}(.|\n)*note: .*--label-separator ';'"):
        read(str(path), custom_task("t", "text", "topics", None))


def test_a_separator_that_no_cell_has_makes_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,topics\na,x|y\nb,x\nc,y\n")
    dataset = read(str(path), MULTI)
    first, second = dataset.hints
    assert "no label cell has ';'" in first
    assert "--label-separator '|'" in second
    # ... but not in a further file, whose few texts may well have one label each
    assert read(str(path), dataset.task).hints == ()
