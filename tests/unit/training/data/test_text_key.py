import pytest

from training.data.text_key import TextKey, normalise


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (":)", ":("),
        ("great :)", "great :("),
        ("great:-)", "great:-("),
        ("(: hello", "): hello"),
        ("C++", "C#"),
        ("C", "C#"),
        ("50%", "50"),
        ("$5", "€5"),
        ("now -5 degrees", "now 5 degrees"),
        ("1/2", "12"),
        ("😂", "😭"),
        ("👍", "👍🏿"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\U0001f3f4"),
        ("की", "का"),
        ("ที่", "ที"),
        ("שָׁלוֹם", "שלום"),
        ("!!!", "???"),
        ("…", "."),
    ],
)
def test_texts_that_mean_something_else_have_different_keys(text: str, other: str) -> None:
    assert normalise(text) != normalise(other)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Fed \uff28olds: RATES!", "fed holds rates"),
        ("don\u2019t", "don't"),
        ("`Spider-Man'", "“spider man”"),
        ("Apple (AAPL): buy", "Apple AAPL buy"),
        ("❤️", "❤"),
        ("a\u00a0b\u200e", "A  b"),
        ("He said: “no” (again)…", "he said no again"),
    ],
)
def test_texts_that_read_the_same_have_one_key(text: str, other: str) -> None:
    assert normalise(text) == normalise(other)


@pytest.mark.parametrize("text", ["!", "…", "—", "😂", ":)", "\u200d", "\u200b", "''"])
def test_no_key_is_empty(text: str) -> None:
    assert normalise(text)


def test_the_key_of_earlier_versions_is_what_it_was() -> None:
    assert TextKey.WORDS.of("C++ :) की") == "c क"
    assert TextKey.CURRENT.of("C++ :) की") == "c++ :) की"


@pytest.mark.parametrize(
    "text", ["C++ :) की", "a-b_c", "Don't!", "x\u200by", "①²", "😂", "İ :-( 1,000"]
)
def test_texts_of_one_key_had_one_key_in_earlier_versions(text: str) -> None:
    """So a model that was split by the old key has no test text in train by the new one, either."""
    assert TextKey.WORDS.of(normalise(text)) == TextKey.WORDS.of(text)
