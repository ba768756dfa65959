import gzip
import lzma
import zipfile
from pathlib import Path

import pytest

from tests.conftest import HEADLINES, REVIEWS
from training.data.examples import DataError, Example, clusters_of, normalise
from training.data.read import read
from training.data.split import sample, split
from training.labels.conflicts import repeats
from training.tasks import NEWS, SENTIMENT, custom_task

ROW = "1\tFed holds rates\thttp://example.com\tWire\tb\tstory1\texample.com\t1394470370698"


def write(folder: Path, text: str, name: str = "rows.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def news_row(title: str, category: str = "b", story: str = "s", time: int = 1) -> str:
    return f"1\t{title}\turl\tWire\t{category}\t{story}\thost\t{time}\n"


def test_a_double_quote_in_a_headline_is_a_character() -> None:
    # GIVEN the sample headlines, some of which hold one unpaired double quote
    # WHEN they are read
    dataset = read(str(HEADLINES), NEWS)
    # THEN every line is a row
    assert len(dataset.examples) == len(HEADLINES.read_text().splitlines())
    assert any(example.text.count('"') == 1 for example in dataset.examples)


def test_each_row_keeps_its_label_group_time_and_source(tmp_path: Path) -> None:
    # GIVEN one row a category
    # WHEN they are read
    path = write(tmp_path, "".join(news_row(f"t{c}", c, f"s{c}", 7) for c in "btem"))
    rows = read(path, NEWS).examples
    # THEN the columns are in their places
    assert rows[2] == Example("te", 2, group="se", time=7, source="Wire")
    assert [row.label for row in rows] == [0, 1, 2, 3]


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zip"])
def test_a_compressed_file_gives_the_same_rows_and_digest(tmp_path: Path, suffix: str) -> None:
    # GIVEN the sample headlines under a compression
    raw, path = HEADLINES.read_bytes(), tmp_path / f"headlines.csv{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "x")
            archive.writestr("small.csv", "x")
            archive.writestr("headlines.csv", raw)
    else:
        packed = {"": raw, ".gz": gzip.compress(raw), ".xz": lzma.compress(raw)}
        path.write_bytes(packed[suffix])
    # WHEN it is read
    dataset = read(str(path), NEWS)
    # THEN it is the same data set
    assert dataset == read(str(HEADLINES), NEWS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (ROW.replace("\t", ",") + "\n", "line 1: expected 8 columns separated by tab, found 1; "
         "it looks separated by comma"),
        (ROW + "\n" + ROW.replace("\tb\t", "\tx\t") + "\n", "line 2: unknown category 'x'"),
        (ROW + "\n" + ROW.replace("\tWire", "") + "\n", "line 2: expected 8 columns"),
        (ROW.replace("Fed holds rates", " ") + "\n", "line 1: the text is blank"),
        (ROW.replace("1394470370698", "noon") + "\n", "line 1: 'noon' is not a time"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    # GIVEN a file with one thing wrong
    # WHEN it is read
    # THEN the error says what and where
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, text), NEWS)


def test_bytes_that_are_not_utf8_are_an_error_with_their_line(tmp_path: Path) -> None:
    # GIVEN a file whose second line is Latin-1
    (tmp_path / "rows.csv").write_bytes(f"{ROW}\n".encode() + "Café\n".encode("latin-1"))
    # WHEN it is read THEN the line is named
    with pytest.raises(DataError, match="line 2: not UTF-8"):
        read(str(tmp_path / "rows.csv"), NEWS)


@pytest.mark.parametrize(
    "name", ["missing.csv", "broken.csv.gz", "damaged.csv.gz", "broken.csv.xz", "broken.zip"]
)
def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, name: str) -> None:
    # GIVEN no file, or one that is not what its name says
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"not compressed")
    if name.startswith("damaged"):
        whole = bytearray(gzip.compress(HEADLINES.read_bytes()))
        whole[100:200] = bytes(100)
        (tmp_path / name).write_bytes(whole)
    # WHEN it is read THEN the error names it
    with pytest.raises(DataError, match=name):
        read(str(tmp_path / name), NEWS)


def test_any_csv_with_a_text_and_a_label_column_is_a_task(tmp_path: Path) -> None:
    # GIVEN a CSV file of somebody's own, with quoted fields over two lines
    path = write(tmp_path, 'id,body,topic\n1,"one, two\nthree",red\n2,four,blue\n')
    # WHEN it is read by the names of its columns
    dataset = read(path, custom_task("colours", "body", "topic", None))
    # THEN the labels are those in the file, sorted
    assert dataset.task.labels == ("blue", "red")
    assert dataset.examples[0] == Example("one, two\nthree", 1)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,body", "line 1: no column 'topic'; it has id, body$"),
        ("Body;topic", "line 1: no column 'body'; it has Body;topic$"),
        ("body,topic,topic", "line 1: two columns are named 'topic'$"),
    ],
)
def test_a_missing_column_is_an_error_that_lists_the_columns(
    tmp_path: Path, header: str, message: str
) -> None:
    path = write(tmp_path, f"{header}\n1,text\n")
    with pytest.raises(DataError, match=message):
        read(path, custom_task("colours", "body", "topic", None))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_is_read_as_its_spreadsheet_saved_it(
    tmp_path: Path, separator: str, mark: str
) -> None:
    # GIVEN a file with one of the usual separators, quotes, and perhaps a byte order mark
    rows = [["body", "topic"], ['"say ""a, b; c"""', "red wine"], ["four", "белое вино"]]
    text = mark + "".join(separator.join(row) + "\r\n" for row in rows)
    # WHEN it is read THEN texts and labels are what was meant
    dataset = read(write(tmp_path, text), custom_task("wines", "body", "topic", None))
    assert dataset.task.labels == ("red wine", "белое вино")
    assert [row.text for row in dataset.examples] == ['say "a, b; c"', "four"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,red\nb,\n", "line 3: the label is blank"),
        ("a,red\n,blue\n", "line 3: the text is blank"),
        ("a,red\nb,Blue\nc,blue\n", "line 4: is 'blue' the label 'Blue'?"),
        ("a,red\nb,c,blue\n", "line 3: expected 2 columns separated by comma, found 3"),
        ('a,red\n"b,blue\n', "line 3: unexpected end of data"),
    ],
)
def test_a_slip_in_a_file_of_ones_own_is_an_error_with_its_line(
    tmp_path: Path, rows: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, "body,topic\n" + rows), custom_task("t", "body", "topic", None))


def test_a_label_that_training_would_not_see_is_an_error(tmp_path: Path) -> None:
    # GIVEN headlines of which only the newest are Science
    rows = "".join(news_row(f"old {n}", time=n + 1) for n in range(39)) + news_row(
        "x", "t", "s", 99
    )
    dataset = read(write(tmp_path, rows), NEWS)
    # WHEN the newest are held out THEN the error names the label
    with pytest.raises(DataError, match="time split holds out every row of 'Science': 1"):
        split(dataset, "time", seed=0)


def test_one_label_is_not_a_classification(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label\na,x\nb,x\n")
    with pytest.raises(DataError, match="needs two labels"):
        read(path, custom_task("t", "text", "label", None))


def test_reviews_are_read_by_number_or_name(tmp_path: Path) -> None:
    # GIVEN the sample reviews, labelled 0 and 1, and a file labelled in words
    words = write(tmp_path, "text,label\ngood,positive\nbad,negative\n")
    # WHEN both are read THEN their labels are the same two
    assert {row.label for row in read(str(REVIEWS), SENTIMENT).examples} == {0, 1}
    assert [row.label for row in read(words, SENTIMENT).examples] == [1, 0]


def test_a_story_split_keeps_stories_whole_and_no_title_on_both_sides() -> None:
    # GIVEN the sample headlines
    dataset = read(str(HEADLINES), NEWS)
    # WHEN they are split by story
    parts = split(dataset, "story", seed=42)
    # THEN neither a story nor a normalised title of train stands in a held-out part
    stories = {row.group for row in parts.train}
    titles = {normalise(row.text) for row in parts.train}
    for held_out in (parts.validation, parts.test):
        assert held_out
        assert not stories & {row.group for row in held_out}
        assert not titles & {normalise(row.text) for row in held_out}


def test_a_held_out_title_that_stands_in_train_is_dropped(tmp_path: Path) -> None:
    # GIVEN 60 stories that each end in one shared title
    rows = "".join(
        news_row(f"Only here {n}", story=f"s{n}") + news_row("Same, EVERYWHERE!", story=f"s{n}")
        for n in range(60)
    )
    # WHEN they are split by story
    parts = split(read(write(tmp_path, rows), NEWS), "story", seed=1)
    # THEN the shared title is in train, once, and nowhere else
    shared = [e for e in parts.train if e.text.startswith("Same")]
    assert len(shared) == 1
    assert all(e.text.startswith("Only") for e in parts.validation + parts.test)


@pytest.mark.parametrize("how", ["story", "random", "time"])
def test_the_same_seed_gives_the_same_split(how: str) -> None:
    dataset = read(str(HEADLINES), NEWS)
    assert split(dataset, how, 7) == split(dataset, how, 7)


def test_another_seed_gives_another_split() -> None:
    dataset = read(str(HEADLINES), NEWS)
    assert split(dataset, "story", 7).test != split(dataset, "story", 8).test


def test_a_time_split_tests_on_the_newest_rows() -> None:
    parts = split(read(str(HEADLINES), NEWS), "time", seed=0)
    assert max(e.time for e in parts.train) <= min(e.time for e in parts.validation)
    assert max(e.time for e in parts.validation) <= min(e.time for e in parts.test)


def test_a_time_split_needs_times() -> None:
    with pytest.raises(DataError, match="needs a time"):
        split(read(str(REVIEWS), SENTIMENT), "time", seed=0)


def review(text: str, part: str) -> str:
    return f"{text},{len(text) % 2},{part}\n"


def test_an_official_split_tests_on_the_rows_that_the_file_says(tmp_path: Path) -> None:
    # GIVEN reviews that their authors split in halves; one text stands in both
    rows = "".join(review("a" * n, "train") + review("b" * n, "test") for n in range(1, 100))
    path = write(tmp_path, "text,label,split\n" + rows + review("Aaaa!", "test"))
    dataset = read(path, SENTIMENT)
    assert dataset.task.default_split == "official"
    # WHEN they are split as their authors did
    parts = split(dataset, "official", seed=1)
    # THEN the test rows are all of theirs but the text that is also for training
    assert [row.text for row in parts.test] == ["b" * n for n in range(1, 100)]
    # AND validation is a small part of the training half
    assert {row.part for row in parts.train + parts.validation} == {"train"}
    assert 0 < len(parts.validation) < len(parts.train) / 8


def test_reviews_without_an_official_split_are_split_by_text() -> None:
    dataset = read(str(REVIEWS), SENTIMENT)
    assert dataset.task.default_split == "story"
    with pytest.raises(DataError, match="needs train or test in the split column of every row"):
        split(dataset, "official", seed=1)


def test_a_row_of_an_unknown_part_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label,split\ngood,1,train\nbad,0,unsup\n")
    with pytest.raises(DataError, match="line 3: the split is 'unsup', neither train nor test"):
        read(path, SENTIMENT)


def test_too_few_rows_are_an_error(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, news_row("a") + news_row("b", "t")), NEWS)
    with pytest.raises(DataError, match="too few"):
        split(dataset, "story", seed=0)


def test_a_sample_is_drawn_by_seed_in_file_order() -> None:
    dataset = read(str(HEADLINES), NEWS)
    drawn = sample(dataset, 50, seed=3)
    assert drawn == sample(dataset, 50, seed=3)
    assert len(drawn.examples) == 50
    places = [dataset.examples.index(example) for example in drawn.examples]
    assert places == sorted(places)


def test_repeats_and_label_conflicts_are_counted(tmp_path: Path) -> None:
    # GIVEN a title thrice under two labels, one twice under one label, and one alone
    rows = news_row("Same") + news_row("same!") + news_row("SAME", "t")
    rows += news_row("Twice") * 2 + news_row("Once", "t")
    # WHEN they are counted THEN one row cannot be got right together with the others
    assert repeats(read(write(tmp_path, rows), NEWS).examples) == {
        "rows": 6,
        "texts": 3,
        "conflicting_texts": 1,
        "conflicting_rows": 3,
        "outvoted_rows": 1,
    }


def test_a_cluster_is_a_group_or_the_rows_of_one_text() -> None:
    rows = [Example("a", 0, group="s"), Example("b", 0, group="s"), Example("A!", 0)]
    assert clusters_of([*rows, Example("a", 0)]).tolist() == [0, 0, 1, 1]
