import resource
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Encoding, Regex, Tokenizer, normalizers

from inference.local.checkout import SAMPLE_MODEL
from inference.model import long_texts
from inference.model.long_texts import encode_texts, is_truncated

# Words, blanks, punctuation, scripts without blanks, marks that are dropped, letters that become
# several, markup, and words that are too long for the vocabulary.
PIECES = (
    "Fed", "holds", "rates", "unbelievable", " ", "\n", "\u00a0", ".", "-", "火星", "Ä", "e\u0301",
    "\u0301", "\x00", "\u200b", "ﬁ", "😂", "[SEP]", "[UNK]", "<br />", "<", "x" * 150,
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=120).map("".join)


def open_tokenizer(direction: str, max_length: int) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(SAMPLE_MODEL / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, direction=direction)
    markup = normalizers.Replace(Regex(r"<br\s*/?>"), " ")
    tokenizer.normalizer = normalizers.Sequence([markup, tokenizer.normalizer])
    return tokenizer


@pytest.fixture
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "LONG", 50)
    monkeypatch.setattr(long_texts, "LONGEST", 10**9)


@pytest.mark.usefixtures("short_limit")
@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("max_length", [3, 8, 30])
def test_a_text_gives_the_wordpieces_that_it_gives_whole(direction: str, max_length: int) -> None:
    tokenizer = open_tokenizer(direction, max_length)

    def read(text: str, encoding: Encoding) -> tuple[list[int], bool]:
        return encoding.ids, is_truncated(text, encoding)

    @settings(max_examples=300, deadline=None)
    @given(st.lists(TEXTS, min_size=1, max_size=3))
    def check(texts: list[str]) -> None:
        found = [read(*pair) for pair in zip(texts, encode_texts(tokenizer, texts), strict=True)]
        whole = tokenizer.encode_batch(texts)
        assert found == [read(*pair) for pair in zip(texts, whole, strict=True)]

    check()


@pytest.mark.parametrize("text", ["Life in Mars ", "火星", "x", " "], ids=ascii)
def test_50_million_characters_take_little_time_and_memory(text: str) -> None:
    # GIVEN a text of words, or of one word, or of blanks
    long = text * (50_000_000 // len(text))
    tokenizer = open_tokenizer("right", 64)
    before, started = peak(), time.process_time()
    # WHEN it is tokenized
    (encoding,) = encode_texts(tokenizer, [long])
    # THEN the rest of it costs nothing
    assert time.process_time() - started < 10
    assert peak() - before < 1_000
    assert is_truncated(long, encoding)


def peak() -> float:
    """Return the most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
