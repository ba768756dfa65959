"""The ids that answers give to predictions, by which clients send feedback.

An id names the item of the prediction, so that finding it takes no search, and the version of the
model, whose labels are the ones that feedback may name. It cannot be guessed: it holds the id of
the request, a random UUID that only its caller and the logs know. It consists of characters that
need no escape in a URL (RFC 3986, section 2.3).
"""

import re
from dataclasses import dataclass
from typing import Self

MAX_LENGTH = 200  # in characters
_FORM = re.compile(r"([0-9a-f]{16})\.([A-Za-z0-9_.-]{1,150})\.(0|[1-9][0-9]{0,8})")


@dataclass(frozen=True)
class PredictionId:
    """Identifies the prediction for the text at an index of a request."""

    version: str  # of the model
    request_id: str  # of the request, or of a part of a large one
    index: int

    def __str__(self) -> str:
        """Return the form that clients get."""
        return f"{self.version}.{self.request_id}.{self.index}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what a client sends; None if no prediction can have this id."""
        match = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
        return cls(match[1], match[2], int(match[3])) if match else None

    @classmethod
    def from_key(cls, key: str, version: str) -> Self:
        """Return the id of the prediction whose item has this key."""
        request_id, _, index = key.rpartition("#")
        return cls(version, request_id, int(index))

    @property
    def key(self) -> str:
        """The key of the item in the prediction table."""
        return f"{self.request_id}#{self.index}"
