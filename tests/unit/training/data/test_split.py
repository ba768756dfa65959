import contextlib
from pathlib import Path

import pytest

from tests.conftest import HEADLINES, REVIEWS
from tests.headlines import news_row, write_rows
from training.data.examples import DataError
from training.data.read import read
from training.data.split import Dropped, Split, sample, split
from training.data.text_key import TextKey, normalise
from training.tasks import NEWS, SENTIMENT, custom_task


def test_a_story_split_keeps_stories_whole_and_no_title_on_both_sides() -> None:
    # GIVEN the sample headlines
    dataset = read(str(HEADLINES), NEWS)
    # WHEN they are split by story
    parts = split(dataset, "story", seed=42)
    # THEN no story and no normalised title is both in train and held out
    stories = {row.group for row in parts.train}
    titles = {normalise(row.text) for row in parts.train}
    for held_out in (parts.validation, parts.test):
        assert held_out
        assert not stories & {row.group for row in held_out}
        assert not titles & {normalise(row.text) for row in held_out}


def test_a_held_out_title_that_is_also_in_train_is_dropped(tmp_path: Path) -> None:
    # GIVEN 60 stories that each end in one shared title
    rows = "".join(
        news_row(f"Only here {n}", story=f"s{n}") + news_row("Same, EVERYWHERE!", story=f"s{n}")
        for n in range(60)
    )
    # WHEN they are split by story
    parts = split(read(write_rows(tmp_path, rows), NEWS), "story", seed=1)
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


def test_the_numbers_of_a_split_select_its_rows() -> None:
    # GIVEN a split of the sample headlines
    dataset = read(str(HEADLINES), NEWS)
    parts = split(dataset, "story", seed=42)
    # WHEN its rows are selected by their numbers THEN they are the same
    assert Split.select(dataset, parts.numbers) == parts
    assert [dataset.examples[number] for number in parts.numbers.test] == parts.test


def test_a_time_split_tests_on_the_newest_rows() -> None:
    parts = split(read(str(HEADLINES), NEWS), "time", seed=0)
    assert max(e.time for e in parts.train) <= min(e.time for e in parts.validation)
    assert max(e.time for e in parts.validation) <= min(e.time for e in parts.test)


def test_a_time_split_needs_times() -> None:
    with pytest.raises(DataError, match="needs a time"):
        split(read(str(REVIEWS), SENTIMENT), "time", seed=0)


def test_a_label_that_training_would_not_see_is_an_error(tmp_path: Path) -> None:
    # GIVEN headlines of which only the newest is Science
    rows = [news_row(f"old {n}", time=n + 1) for n in range(39)] + [news_row("x", "t", "s", 99)]
    dataset = read(write_rows(tmp_path, "".join(rows)), NEWS)
    # WHEN the newest are held out THEN the error names the label
    with pytest.raises(DataError, match="time split holds out every row of 'Science': 1"):
        split(dataset, "time", seed=0)


def write_topics(folder: Path, topics: list[str]) -> str:
    rows = "".join(f"text {n},{topic}\n" for n, topic in enumerate(topics))
    return write_rows(folder, f"text,topics\n{rows}")


def test_cells_that_are_lists_are_named_where_the_split_fails_for_them(tmp_path: Path) -> None:
    # GIVEN texts with lists of labels, each list rare, that are read as one label each
    topics = [
        f"{first};{second}" for first in "abcdefgh" for second in "abcdefgh" if first < second
    ]
    dataset = read(
        write_topics(tmp_path, [*topics, *"abcdefgh"]), custom_task("t", "text", "topics", None)
    )
    # WHEN they are split THEN the error comes with the note that says how to read them
    with pytest.raises(DataError, match=r"every row of(.|\n)*note: .*--label-separator ';'"):
        split(dataset, "story", seed=1)


def test_the_error_of_a_rare_label_says_how_to_keep_some_of_it(tmp_path: Path) -> None:
    # GIVEN a label with two rows, and a sample and a split that hold out those drawn
    topics = [*("ab" * 40), "rare", "rare"]
    dataset = read(write_topics(tmp_path, topics), custom_task("t", "text", "topics", None))
    message, seed = "", 0
    while "every row of 'rare'" not in message:
        seed += 1
        sampled = sample(dataset, 70, seed)
        with contextlib.suppress(DataError):
            split(sampled, "story", seed)
            continue
        # WHEN the error is read
        with pytest.raises(DataError) as raised:
            split(sampled, "story", seed)
        message = str(raised.value)
    # THEN it names the options that help
    assert "--split stratified, use more rows (--max-rows), or remove" in message
    # AND the one does
    labels = {row.label for row in split(sampled, "stratified", seed).train}
    assert labels == {row.label for row in sampled.examples}


def test_a_sample_that_is_too_small_is_not_said_to_need_more_data(tmp_path: Path) -> None:
    topics = write_topics(tmp_path, list("ab" * 40))
    dataset = read(topics, custom_task("t", "text", "topics", None))
    with pytest.raises(DataError, match="give a higher --max-rows"):
        split(sample(dataset, 4, 0), "story", 0)


def test_a_label_that_max_rows_does_not_draw_is_not_said_to_be_missing(tmp_path: Path) -> None:
    # GIVEN texts with several labels, one of which a single text has
    task = custom_task("t", "text", "topics", None, label_separator=";")
    dataset = read(write_topics(tmp_path, [*(["a;b", "a", "b"] * 30), "c"]), task)
    seed = next(
        seed
        for seed in range(1000)
        if all(row.labels != (2,) for row in sample(dataset, 60, seed).examples)
    )
    # WHEN a sample without it is split THEN the error says that it was not drawn
    with pytest.raises(DataError, match="no text that --max-rows draws has the label 'c'"):
        split(sample(dataset, 60, seed), "stratified", seed)


def review(text: str, part: str) -> str:
    return f"{text},{len(text) % 2},{part}\n"


def test_an_official_split_tests_on_the_rows_that_the_file_marks(tmp_path: Path) -> None:
    # GIVEN reviews that their authors split in halves; one text is in both
    rows = "".join(review("a" * n, "train") + review("b" * n, "test") for n in range(1, 100))
    path = write_rows(tmp_path, "text,label,split\n" + rows + review("Aaaa!", "test"))
    dataset = read(path, SENTIMENT)
    assert dataset.task.default_split == "official"
    # WHEN they are split as their authors did
    parts = split(dataset, "official", seed=1)
    # THEN the test rows are the authors', except for the text that is also for training
    assert [row.text for row in parts.test] == ["b" * n for n in range(1, 100)]
    # AND validation is a small part of the training half
    assert {row.part for row in parts.train + parts.validation} == {"train"}
    assert 0 < len(parts.validation) < len(parts.train) / 8


def test_reviews_without_an_official_split_are_split_by_text() -> None:
    dataset = read(str(REVIEWS), SENTIMENT)
    assert dataset.task.default_split == "story"
    with pytest.raises(DataError, match="needs train or test in the split column of every row"):
        split(dataset, "official", seed=1)


def test_too_few_rows_are_an_error(tmp_path: Path) -> None:
    dataset = read(write_rows(tmp_path, news_row("a") + news_row("b", "t")), NEWS)
    with pytest.raises(DataError, match="too few"):
        split(dataset, "story", seed=0)


def test_a_sample_is_drawn_by_seed_and_stays_in_file_order() -> None:
    dataset = read(str(HEADLINES), NEWS)
    drawn = sample(dataset, 50, seed=3)
    assert drawn == sample(dataset, 50, seed=3)
    assert len(drawn.examples) == 50
    places = [dataset.examples.index(example) for example in drawn.examples]
    assert places == sorted(places)


def test_rows_that_are_dropped_are_counted_by_reason(tmp_path: Path) -> None:
    # GIVEN 60 stories of two rows, of which the second has one shared title
    rows = "".join(
        news_row(f"Only here {n}", story=f"s{n}") + news_row("Same :)", story=f"s{n}")
        for n in range(60)
    )
    dataset = read(write_rows(tmp_path, rows), NEWS)
    # WHEN they are split THEN each row is in a part, or is counted among those that are not
    parts = split(dataset, "story", seed=1)
    used = len(parts.train) + len(parts.validation) + len(parts.test)
    assert used + parts.dropped.repeated + parts.dropped.learnt == 120
    assert parts.dropped.repeated > 40
    assert parts.dropped.learnt > 5


def test_texts_of_emoji_stay_different_rows(tmp_path: Path) -> None:
    # GIVEN 200 texts of one emoji each
    rows = "".join(f"{chr(0x1F300 + n)},{n % 2}\n" for n in range(200))
    dataset = read(write_rows(tmp_path, "text,label\n" + rows), SENTIMENT)
    # WHEN they are split THEN none is left out, but with the key of earlier versions they were one
    assert split(dataset, "story", seed=1).dropped == Dropped()
    with pytest.raises(DataError, match=r"200 rows in 1 groups .* are too few"):
        split(dataset, "story", seed=1, key=TextKey.WORDS)


def test_a_stratified_split_keeps_groups_whole_and_rare_labels_in_every_part(
    tmp_path: Path,
) -> None:
    # GIVEN 400 rows in groups of two, of which one group in ten has a second label
    topics = ["common;rare" if n // 2 % 10 == 0 else "common" for n in range(400)]
    rows = [f"text {n},s{n // 2},{topics[n]}" for n in range(400)]
    path = tmp_path / "rows.csv"
    path.write_text("text,story,topics\n" + "\n".join(rows) + "\n")
    dataset = read(str(path), custom_task("t", "text", "topics", "story", ";"))
    # WHEN they are split
    parts = split(dataset, "stratified", seed=1)
    # THEN no group is on both sides
    stories = [{row.group for row in part} for part in (parts.train, parts.validation, parts.test)]
    assert not stories[0] & stories[1] | stories[0] & stories[2] | stories[1] & stories[2]
    # AND each part has its share of the rare label
    rare = [sum(1 in (row.labels or ()) for row in part) for part in (parts.train, parts.test)]
    assert rare == [34, 4]


def test_texts_with_other_sets_of_labels_are_not_repeats(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    others = "".join(f"text {n},a;b\n" for n in range(200))
    path.write_text("text,topics\nsame,a\nsame,a;b\nsame,b;a\n" + others)
    dataset = read(str(path), custom_task("t", "text", "topics", None, ";"))
    parts = split(dataset, "stratified", seed=1)
    assert sum(row.text == "same" for row in parts.train) in (0, 2)
    assert parts.dropped.repeated in (0, 1)


def test_a_column_of_zeros_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,a,b,never\n" + "".join(f"text {n},1,{n % 2},0\n" for n in range(200)))
    columns = ("a", "b", "never")
    dataset = read(str(path), custom_task("t", "text", "", None, label_columns=columns))
    with pytest.raises(DataError, match="no text has the label 'never'"):
        split(dataset, "stratified", seed=1)
