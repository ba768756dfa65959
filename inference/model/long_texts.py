"""Tokenize texts of any length in bounded time and memory.

A model reads a few hundred wordpieces, and a tokenizer turns all of a text into wordpieces before
it drops the others: for a text of 50 MB, that takes 20 s and some 5 GB. So a long text is cut
first, at the end that the tokenizer would cut, and far behind the last wordpiece that is read.
"""

from collections.abc import Sequence

from tokenizers import Encoding, Tokenizer

LONG = 100_000  # characters; shorter texts are tokenized whole
# No more is read of any text. To differ from the whole text, these must hold fewer wordpieces than
# the model reads: a million blanks before the first word, or a word of a million letters.
LONGEST = 1_600_000


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
    """Tokenize texts as if each was tokenized whole, cut to what the model reads."""
    is_left = (tokenizer.truncation or {}).get("direction") == "left"
    encodings: list[Encoding] = tokenizer.encode_batch(
        [_cut(text, LONG, is_left=is_left) for text in texts]
    )
    for number, text in enumerate(texts):
        size = LONG
        while len(text) > size < LONGEST and not _is_safe(encodings[number], size, is_left=is_left):
            size *= 4
            encodings[number] = tokenizer.encode(_cut(text, size, is_left=is_left))
    return encodings


def is_truncated(text: str, encoding: Encoding) -> bool:
    """Whether a text was longer than what is read of it."""
    return len(text) > LONGEST or bool(encoding.overflowing)


def _cut(text: str, size: int, *, is_left: bool) -> str:
    return text if len(text) <= size else text[-size:] if is_left else text[:size]


def _is_safe(encoding: Encoding, size: int, *, is_left: bool) -> bool:
    """Whether the wordpieces that are read are those of the whole text.

    Only the word at the cut can be another one in the whole text, so it must be among what the
    tokenizer drops. Half of the characters must lie in between, for markup that the tokenizer
    replaces may begin before the cut and end after it.
    """
    overflowing = encoding.overflowing  # a copy
    words = [word for word in encoding.word_ids if word is not None]
    offsets = [place for place in encoding.offsets if place != (0, 0)]
    if not (overflowing and words and offsets):
        return False
    if is_left:
        return bool(words[0] > 0 and offsets[0][0] >= size / 2)
    last = max(word for word in overflowing[-1].word_ids if word is not None)
    return bool(words[-1] < last and offsets[-1][1] <= size / 2)
