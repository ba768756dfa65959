import resource
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, normalizers

from inference.local.checkout import SAMPLE_MODEL
from inference.model import long_texts
from inference.model.long_texts import ReadText, read_texts

# Words, blanks, punctuation, scripts without blanks, marks that are dropped, letters that become
# several, markup, and words that are too long for the vocabulary.
PIECES = (
    "Fed", "holds", "rates", "unbelievable", " ", "\n", "\u00a0", ".", "-", "火星", "Ä", "e\u0301",
    "\u0301", "\x00", "\u200b", "ﬁ", "😂", "[SEP]", "[UNK]", "<br />", "<", "x" * 150,
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=120).map("".join)


def open_tokenizer(direction: str, max_length: int, overlap: int = 0) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(SAMPLE_MODEL / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, stride=overlap, direction=direction)
    markup = normalizers.Replace(Regex(r"<br\s*/?>"), " ")
    tokenizer.normalizer = normalizers.Sequence([markup, tokenizer.normalizer])
    return tokenizer


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "LONG", 50)
    monkeypatch.setattr(long_texts, "LONGEST", 10**9)


@pytest.mark.usefixtures("short_limit")
@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize(
    ("max_length", "overlap", "most"), [(3, 0, 1), (8, 0, 1), (30, 0, 1), (8, 2, 2), (12, 3, 5)]
)
def test_a_text_gives_the_wordpieces_that_it_gives_whole(
    direction: str, max_length: int, overlap: int, most: int
) -> None:
    tokenizer = open_tokenizer(direction, max_length, overlap)

    def read_whole(text: str) -> tuple[list[list[int]], bool]:
        encoding = tokenizer.encode(text)
        windows = [encoding, *encoding.overflowing]
        return [window.ids for window in windows[:most]], len(windows) > most

    @settings(max_examples=300, deadline=None)
    @given(st.lists(TEXTS, min_size=1, max_size=3))
    def check(texts: list[str]) -> None:
        found = read_texts(tokenizer, texts, most)
        assert [(text.token_ids, text.is_truncated) for text in found] == [
            read_whole(text) for text in texts
        ]

    check()


@pytest.mark.parametrize("text", ["Life in Mars ", "火星", "x", " "], ids=ascii)
@pytest.mark.parametrize(("overlap", "most"), [(0, 1), (15, 32)], ids=["cut", "windows"])
def test_50_million_characters_take_little_time_and_memory(
    text: str, overlap: int, most: int
) -> None:
    # GIVEN a text of words, or of one word, or of blanks
    long = text * (50_000_000 // len(text))
    tokenizer = open_tokenizer("right", 64, overlap)
    before, started = peak(), time.process_time()
    # WHEN it is tokenized
    (read,) = read_texts(tokenizer, [long], most)
    # THEN the rest of it costs nothing
    assert time.process_time() - started < 10
    assert peak() - before < 1_000
    assert read.is_truncated
    assert len(read.windows) <= most


# What a window of eight wordpieces holds of a text are six; two of these are in its neighbour, too.
SIZE, OVERLAP = 8, 2


def read_words(count: int, most: int = 9, direction: str = "right") -> ReadText:
    """Read a text of so many different words, each of which is a wordpiece."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    words += ["eleven", "twelve"]
    (read,) = read_texts(open_tokenizer(direction, SIZE, OVERLAP), [" ".join(words[:count])], most)
    return read


@pytest.mark.parametrize(
    ("words", "windows"),
    [(1, [3]), (5, [7]), (6, [8]), (7, [8, 5]), (10, [8, 8]), (11, [8, 8, 5])],
)
def test_a_text_has_as_many_windows_as_it_needs(words: int, windows: list[int]) -> None:
    # GIVEN texts shorter than a window, as long as one or two, and longer by one word
    read = read_words(words)
    # THEN each window is full but the last one, and nothing is left out
    assert [len(ids) for ids in read.token_ids] == windows
    assert not read.is_truncated


def test_neighbours_share_the_words_at_their_border() -> None:
    first, second = (window.tokens[1:-1] for window in read_words(10).windows)
    assert first[-OVERLAP:] == second[:OVERLAP] == ["five", "six"]


def test_if_the_beginning_is_cut_windows_begin_at_the_end() -> None:
    last, first = (window.tokens[1:-1] for window in read_words(10, direction="left").windows)
    assert last == ["five", "six", "seven", "eight", "nine", "ten"]
    assert first == ["one", "two", "three", "four", "five", "six"]


@pytest.mark.parametrize(("words", "is_truncated"), [(10, False), (11, True)])
@pytest.mark.parametrize("direction", ["right", "left"])
def test_a_text_is_truncated_if_it_has_more_windows_than_are_read(
    words: int, is_truncated: bool, direction: str
) -> None:
    # GIVEN a text that two windows hold, and one with a word more WHEN two windows are read
    read = read_words(words, 2, direction)
    assert len(read.windows) == 2
    assert read.is_truncated == is_truncated


def peak() -> float:
    """Return the most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
