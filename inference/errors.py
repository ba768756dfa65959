"""The base class of every error that a user can fix."""


class TextClassifierError(Exception):
    """An error that a user can fix; its message says what is wrong and what to do.

    The command line prints the message without a traceback and exits with ``exit_code``.
    """

    exit_code = 1


class InterruptedRunError(TextClassifierError):
    """The user stopped work that can be resumed; the message says how."""

    exit_code = 130  # as a shell reports Ctrl-C
