"""The entry point of `textclf`, and of `python -m textclf`.

It imports next to nothing before it can catch Ctrl-C: importing the commands takes a few tenths of
a second, and an interruption in that time deserves one line, too.
"""

import os
import signal
import sys

INTERRUPTED = 130  # the exit code of a shell for SIGINT


def main() -> int:
    """Import the commands, and run one."""
    catches = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # or SIGINT is ignored
    if catches:
        signal.signal(signal.SIGINT, _end)
    from textclf import app

    if catches:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = app.main()
    if catches:  # there is nothing left to tell, and Python's end would show a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return code


def _end(*_: object) -> None:
    """End at once: an exception could be swallowed, or reworded, by a module that is imported."""
    os.write(2, b"error: interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
