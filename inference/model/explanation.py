"""Explain a prediction: what each word of a text contributes to the predicted label.

Words are hidden, and the label's probability is measured again. A word's contribution is the mean
of two differences:

- what the label loses when the word is hidden in the whole text, and
- what it gains when the word is shown in a text where all words are hidden.

The first alone, occlusion, finds little in a text in which two words say the same, because hiding
either of them changes nothing. The two are the last and the first term of the Shapley value; see
Covert, Lundberg and Lee (2021), https://arxiv.org/abs/2011.14878, on explaining by removing.
`benchmarks/faithfulness.py` compares them. Hidden words keep their place, so that all variants of a
text have its length and run in the same batches. If a text is read in several windows, only those
that have the hidden word are run again.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, Self

from inference.errors import TextClassifierError

# What each word contributes to the probability of the predicted label, from -1 to 1, in the order
# of the text; None for a word that the model did not read.
Explanation = tuple[tuple[str, float | None], ...]

MAX_TEXTS = 8  # that one request may want explained
MAX_SECONDS = 15.0  # for all of them, so that a large model still answers in the function's time
MAX_CHARACTERS = 10_000  # of a text
# In all variants of a text. Words of a text that needs more are hidden in groups of neighbours.
MAX_TOKENS = 16_384
# Tokens that stand for a word without naming it, best first. In a vocabulary that has none of them,
# the first entry is a special token.
MASKS = ("[MASK]", "<mask>", "<|mask|>")
HIDING = (*MASKS, "[UNK]", "<unk>", "[PAD]", "<pad>")

_WORD = re.compile(r"\S+")
# Thai to Burmese, Khmer, and Chinese and Japanese: scripts that put no space between words.
_UNSPACED = (
    "[\u0e00-\u109f\u1780-\u17ff\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)

Span = tuple[int, int]  # of characters: the first, and the one after the last
# Token ids, and the characters of each; none, such as (0, 0), for special tokens.
Window = tuple[Sequence[int], Sequence[Span]]


class ExplanationError(TextClassifierError):
    """The text is too long to be explained, or the model too slow."""


class SpecialToken(Protocol):
    """A token that is not read from a text's words."""

    content: str


class Vocabulary(Protocol):
    """What is needed of a tokenizer."""

    def token_to_id(self, token: str) -> int | None:
        """Return the id of a token."""

    def get_added_tokens_decoder(self) -> Mapping[int, SpecialToken]:
        """Return the special tokens, by their ids."""


@dataclass(frozen=True)
class Word:
    """A word of a text."""

    text: str
    # The places of its wordpieces among those that the model reads, window by window.
    tokens: frozenset[int]


@dataclass(frozen=True)
class Occlusion:
    """The variants of a text that explain its prediction."""

    words: list[Word]
    groups: list[list[int]]  # words that are hidden together; one each, unless there are many
    # Windows of token ids: without each group, then with each alone, then no word.
    variants: list[list[list[int]]]

    @classmethod
    def plan(cls, text: str, windows: Sequence[Window], hiding: int) -> Self:
        """Plan what to hide.

        Args:
            text: The text.
            windows: What the model reads: one window, or several that may overlap.
            hiding: The id of the token that hides a word.

        Raises:
            ExplanationError: The text is too long.
        """
        if len(text) > MAX_CHARACTERS:
            raise ExplanationError(
                f"a text to explain has {len(text):,} characters, and at most {MAX_CHARACTERS:,} "
                "are possible: give a part of it"
            )
        words = find_words(text, [place for _, offsets in windows for place in offsets])
        read = [number for number, word in enumerate(words) if word.tokens]
        if not read:
            return cls(words, [], [])
        token_ids = [ids for ids, _ in windows]
        most = (MAX_TOKENS // max(map(len, token_ids)) - 1) // 2
        groups = _split_evenly(read, max(1, most))
        while len(groups) > 1 and _count_tokens(words, groups, token_ids) > MAX_TOKENS:
            groups = _split_evenly(read, len(groups) - 1)
        tokens = [_join(words, group) for group in groups]
        all_tokens = frozenset[int]().union(*tokens)
        hidden = [*tokens, *(all_tokens - group for group in tokens), all_tokens]
        return cls(words, groups, [_hide(token_ids, places, hiding) for places in hidden])

    def explain(self, whole: float, probabilities: Sequence[float]) -> Explanation:
        """Return the contribution of each word.

        A group's contribution is shared equally by its words.

        Args:
            whole: The probability of the label for the whole text.
            probabilities: That for each of the variants.
        """
        contributions: dict[int, float] = {}  # by word
        count = len(self.groups)
        for number, group in enumerate(self.groups):
            loss = whole - probabilities[number]
            gain = probabilities[count + number] - probabilities[-1]
            contributions |= dict.fromkeys(group, (loss + gain) / 2 / len(group))
        return tuple((word.text, contributions.get(i)) for i, word in enumerate(self.words))


def find_hiding_token(vocabulary: Vocabulary) -> int:
    """Return the id of the token that hides a word.

    Of several masks, it is a special token: an MPNet's vocabulary also has a `[MASK]`, which no
    text has taught it.
    """
    special = {token.content for token in vocabulary.get_added_tokens_decoder().values()}
    names = [*(token for token in MASKS if token in special), *HIDING]
    ids = (vocabulary.token_to_id(token) for token in names)
    return next((token_id for token_id in ids if token_id is not None), 0)


def find_words(text: str, offsets: Sequence[Span]) -> list[Word]:
    """Split a text into words, each with its wordpieces.

    Words are separated by white space. In scripts that write none, each wordpiece is a word.

    Args:
        text: The text.
        offsets: The characters of each wordpiece that the model reads.
    """
    spans = [span for match in _WORD.finditer(text) for span in _cut(text, match.span(), offsets)]
    places: list[set[int]] = [set() for _ in spans]
    number = 0
    # Windows that overlap have some wordpieces twice.
    for place in sorted(range(len(offsets)), key=lambda place: offsets[place][0]):
        begin, end = offsets[place]
        if begin == end:
            continue
        while number < len(spans) - 1 and spans[number][1] <= begin:
            number += 1
        # A wordpiece may include the white space in front of it.
        if spans and begin < spans[number][1] and spans[number][0] < end:
            places[number].add(place)
    return [
        Word(text[begin:end], frozenset(tokens))
        for (begin, end), tokens in zip(spans, places, strict=True)
    ]


def _cut(text: str, span: Span, offsets: Sequence[Span]) -> list[Span]:
    """Cut what stands between white space at wordpieces, where its script has no spaces."""
    begin, end = span
    unspaced = re.compile(_UNSPACED)  # not when imported: that takes 1 % of a cold start
    if not unspaced.search(text, begin, end):
        return [span]
    borders = {first for first, last in offsets if begin <= first < last <= end}
    # What is behind the last wordpiece was not read, unless it is the mark on its last letter.
    unread = max((last for _, last in offsets), default=end)
    if unread < end and not unicodedata.category(text[unread]).startswith("M"):
        borders.add(unread)
    cuts = sorted(
        place
        for place in borders
        if begin < place and (unspaced.match(text, place) or unspaced.match(text, place - 1))
    )
    return list(pairwise((begin, *cuts, end)))


def _split_evenly(words: Sequence[int], most: int) -> list[list[int]]:
    """Split words into at most so many groups of neighbours, whose sizes differ by one at most."""
    count = min(most, len(words))
    borders = [len(words) * number // count for number in range(count + 1)]
    return [list(words[begin:end]) for begin, end in pairwise(borders)]


def _join(words: Sequence[Word], group: Sequence[int]) -> frozenset[int]:
    """Return the places of the wordpieces of a group of words."""
    return frozenset[int]().union(*(words[one].tokens for one in group))


def _count_tokens(
    words: Sequence[Word], groups: Sequence[Sequence[int]], windows: Sequence[Sequence[int]]
) -> int:
    """Count the tokens of all variants, each different window once."""
    numbers = [number for number, ids in enumerate(windows) for _ in ids]
    lengths = [len(ids) for ids in windows]
    touched = ({numbers[place] for place in _join(words, group)} for group in groups)
    # Each group is hidden, and shown, in the windows that have it; once, all words are hidden.
    return sum(2 * lengths[number] for of_group in touched for number in of_group) + sum(lengths)


def _hide(windows: Sequence[Sequence[int]], places: frozenset[int], hiding: int) -> list[list[int]]:
    """Hide wordpieces, whose places are counted through all windows."""
    hidden, first = [], 0
    for ids in windows:
        hidden.append([hiding if first + i in places else ids[i] for i in range(len(ids))])
        first += len(ids)
    return hidden
