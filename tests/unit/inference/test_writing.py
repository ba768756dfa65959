import errno
import os
from pathlib import Path

import pytest

from inference.writing import OutputError, naming


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), RuntimeError("I/O error (os error 28)")],
    ids=["of Python", "of Rust"],
)
def test_a_full_disk_names_the_file_and_what_to_do(error: Exception) -> None:
    message = "cannot write a.txt: No space left on device; correct that, then resume"
    with pytest.raises(OutputError, match=message), naming(Path("a.txt"), "then resume"):
        raise error


def test_other_errors_and_closed_pipes_pass_unchanged() -> None:
    for error in (ValueError("a mistake"), BrokenPipeError(errno.EPIPE, "Broken pipe")):
        with pytest.raises(type(error), match=str(error.args[-1])), naming(Path("a.txt")):
            raise error
