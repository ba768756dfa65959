import os
from pathlib import Path

import pytest

from inference.bulk.streams import is_stream, open_stream, stat_output, write_stream

LINK = "link"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("-", True),
        ("/dev/stdout", True),
        ("/dev/fd/63", True),
        ("/proc/self/fd/1", True),
        ("/dev/null", True),
        ("{folder}/fifo", True),
        ("{folder}/link", True),
        ("{folder}/file", False),
        ("{folder}/none", False),
        ("{folder}", False),
        ("s3://bucket/key", False),
    ],
)
def test_what_takes_bytes_at_once_is_a_stream(
    location: str, tmp_path: Path, *, expected: bool
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/dev/stdout")  # as in a container's /var/log
    os.mkfifo(tmp_path / "fifo")
    assert is_stream(location.format(folder=tmp_path)) == expected


def test_an_open_file_is_written_to_where_it_is(tmp_path: Path) -> None:
    # GIVEN a file that a shell opened with >>, which holds something
    file = tmp_path / "file"
    file.write_bytes(b"before\n")
    with file.open("ab") as opened:
        location = f"/dev/fd/{opened.fileno()}"
        # WHEN it is written to by the name of its descriptor
        descriptor = open_stream(location)
        write_stream(descriptor, b"after\n")
        os.close(descriptor)
        # THEN what was there stays, and it is known to be that file
        now = stat_output(location)
        assert now
        assert os.path.samestat(now, file.stat())
    assert file.read_bytes() == b"before\nafter\n"


def test_all_of_the_data_is_written_to_a_slow_reader() -> None:
    # GIVEN a pipe that takes less than all at once
    reader, writer = os.pipe()
    if not os.fork():
        os.close(reader)
        write_stream(writer, bytes(range(256)) * 4096)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert file.read() == bytes(range(256)) * 4096
    os.wait()


def test_links_in_a_circle_are_no_stream(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert not is_stream(str(tmp_path / "a"))
