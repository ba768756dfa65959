"""Ask before money is spent."""

import sys

from inference.errors import TextClassifierError


class ConsentError(TextClassifierError):
    """The user has not agreed to what a command costs."""


def require_consent(*, yes: bool) -> None:
    """Ask on the terminal whether to go on; without one, --yes has to say so.

    Raises:
        ConsentError: the user did not agree.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConsentError("nothing was asked or paid: add --yes to go on")
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConsentError("nothing was asked or paid")
