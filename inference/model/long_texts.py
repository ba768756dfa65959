"""Tokenize texts of any length in bounded time and memory.

A model reads a few hundred wordpieces, and a tokenizer turns all of a text into wordpieces before
it drops the others: for a text of 50 MB, that takes 20 s and some 5 GB. So a long text is cut
first, at the end that the tokenizer would cut, and far behind the last wordpiece that is read.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer

LONG = 100_000  # characters; shorter texts are tokenized whole
# No more is read of any text. To differ from the whole text, these must hold fewer wordpieces than
# the model reads: a million blanks before the first word, or a word of a million letters.
LONGEST = 1_600_000


class ReadText(NamedTuple):
    """What is read of a text."""

    windows: list[Encoding]  # one, unless long texts are read in several
    is_truncated: bool  # whether something of the text was not read

    @property
    def token_ids(self) -> list[list[int]]:
        """The token ids of each window."""
        return [window.ids for window in self.windows]  # that property copies its list


def read_texts(tokenizer: Tokenizer, texts: Sequence[str], most: int = 1) -> list[ReadText]:
    """Tokenize texts as if each was tokenized whole, into at most so many windows.

    They are the first ones, or the last ones if the tokenizer cuts the beginning. Windows overlap
    by the stride of the tokenizer's truncation.
    """
    read = []
    for text, encoding in zip(texts, _encode(tokenizer, texts, most), strict=True):
        windows = [encoding, *encoding.overflowing]  # the property copies its list
        is_truncated = len(text) > LONGEST or len(windows) > most
        read.append(ReadText(windows[:most], is_truncated))
    return read


def _encode(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> list[Encoding]:
    """Tokenize texts; the windows that are read are as if each text was tokenized whole."""
    if len(texts) == 1 and len(texts[0]) <= LONG:  # a batch would wake another thread
        return [tokenizer.encode(texts[0])]
    is_left = (tokenizer.truncation or {}).get("direction") == "left"
    encodings: list[Encoding] = tokenizer.encode_batch(
        [_cut(text, LONG, is_left=is_left) for text in texts]
    )
    for number, text in enumerate(texts):
        size = LONG
        while len(text) > size < LONGEST and not _is_safe(
            encodings[number], most, size, is_left=is_left
        ):
            size *= 4
            encodings[number] = tokenizer.encode(_cut(text, size, is_left=is_left))
    return encodings


def _cut(text: str, size: int, *, is_left: bool) -> str:
    return text if len(text) <= size else text[-size:] if is_left else text[:size]


def _is_safe(encoding: Encoding, most: int, size: int, *, is_left: bool) -> bool:
    """Whether the wordpieces that are read are those of the whole text.

    Only the word at the cut can be another one in the whole text, so it must be among what the
    tokenizer drops. Half of the characters must lie in between, for markup that the tokenizer
    replaces may begin before the cut and end after it.
    """
    windows = [encoding, *encoding.overflowing]
    read, dropped = windows[:most][-1], windows[most:]
    words = [word for word in read.word_ids if word is not None]
    offsets = [place for place in read.offsets if place != (0, 0)]
    if not (dropped and words and offsets):
        return False
    if is_left:
        return bool(words[0] > 0 and offsets[0][0] >= size / 2)
    last = max(word for word in dropped[-1].word_ids if word is not None)
    return bool(words[-1] < last and offsets[-1][1] <= size / 2)
