"""When two texts count as equal.

Equal texts are held out together, and only one of them is learnt. So texts that read the same must
have the same key, and texts that mean something else must not.
"""

import re
import unicodedata
from enum import IntEnum

# Punctuation that carries meaning: C# is not C, 5 % is not 5, 1/2 is not 12.
_LOUD = frozenset("#%&*/@\\_‰‱")
# Characters that only say how others look or break: soft hyphen, zero-width space, word joiner,
# byte order mark, direction marks. The joiners of emoji and of Indic and Persian words stay.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_VARIATIONS = re.compile("[\ufe00-\ufe0f]")  # whether an emoji is drawn in colour
_ACCENTS_AS_QUOTES = str.maketrans(
    "`\u00b4", "''"
)  # symbols to Unicode, quotes to those who type them
_EYES, _MOUTHS = ":;=", r"()\[\]{}"
# Eyes, perhaps a nose, and a mouth: :) ;-( :'( =] and, as a word of its own, (: but not "(US): ".
_EMOTICON = re.compile(
    rf"[{_EYES}]['\-^*o]?[{_MOUTHS}]+|(?<!\S)[{_MOUTHS}]+['\-^*o]?[{_EYES}](?!\S)"
)
_NEGATIVE = re.compile(r"(?<!\S)[-\u2212](?=\d)")  # the sign of a number, not a hyphen


class TextKey(IntEnum):
    """The versions of the key; a model's record says by which one its rows were split."""

    WORDS = 1  # letters and digits alone, until 0.1.0
    MARKS_AND_SYMBOLS = 2
    CURRENT = 2

    def of(self, text: str) -> str:
        """Return the key of a text."""
        return _by_words(text) if self is TextKey.WORDS else normalise(text)


def normalise(text: str) -> str:
    """Drop case, character width and plain punctuation: texts that read the same become equal.

    Marks (the vowel signs of Hindi and Thai), symbols, emoji and emoticons stay. A text of nothing
    but punctuation is its own key, so that no key is empty.
    """
    folded = unicodedata.normalize("NFKC", text.translate(_ACCENTS_AS_QUOTES)).casefold()
    folded = _VARIATIONS.sub("", _INVISIBLE.sub(" ", unicodedata.normalize("NFKC", folded)))
    kept, end = [], 0
    for match in _EMOTICON.finditer(folded):
        kept += [_drop_punctuation(folded[end : match.start()]), f" {match[0]} "]
        end = match.end()
    kept.append(_drop_punctuation(folded[end:]))
    return " ".join("".join(kept).split()) or " ".join(folded.split()) or text


class _SpacesForPunctuation(dict[int, int]):
    """What to read each character as, worked out when it is first met."""

    def __missing__(self, code: int) -> int:
        category = unicodedata.category(chr(code))
        # Joiners, private characters and emoji that this Python does not know yet are kept.
        is_plain = category[0] in "PZ" or category in ("Cc", "Cs")
        self[code] = ord(" ") if is_plain and chr(code) not in _LOUD else code
        return self[code]


_SPACES_FOR_PUNCTUATION = _SpacesForPunctuation()


def _drop_punctuation(text: str) -> str:
    return _NEGATIVE.sub("\u2212", text).translate(_SPACES_FOR_PUNCTUATION)


def _by_words(text: str) -> str:
    """Return the key of version 1, in which texts without letters and digits are all equal."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
