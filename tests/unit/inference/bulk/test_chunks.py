from itertools import chain, pairwise
from pathlib import Path

import pytest

from inference.bulk import chunks
from inference.bulk.chunks import LEAST_SLICE, ChunkReader, group_rows, slice_chunk
from inference.tables.columns import InputColumns
from inference.tables.inputs import identify, open_input
from inference.tables.options import ReadOptions
from inference.tables.rows import Reject, Row


def make_rows(*texts: str) -> list[Row]:
    return [Row(line, text, ()) for line, text in enumerate(texts, 1)]


def test_chunks_are_limited_in_rows_and_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN low limits, and short rows before long ones
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 3)
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 50)
    rows = make_rows(*["short"] * 4, *["long" * 10] * 3)
    # WHEN they are grouped
    found = list(group_rows(rows, lambda _: None))
    # THEN no chunk exceeds a limit by more than its last row
    assert [len(chunk) for chunk in found] == [3, 3, 1]
    assert [row for chunk in found for row in chunk] == rows


def test_rejects_are_passed_on_and_belong_to_no_chunk() -> None:
    # GIVEN a reject between two rows
    first, last = make_rows("Fed", "Mars")
    reject = Reject(2, "the text is blank")
    # WHEN they are grouped THEN it is passed on
    passed_on: list[Reject] = []
    assert list(group_rows([first, reject, last], passed_on.append)) == [[first, last]]
    assert passed_on == [reject]


def test_the_rows_of_a_file_are_estimated_from_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a file that was read to its end
    file = tmp_path / "rows.csv"
    file.write_text("title\n" + "Fed\n" * 7)
    location, columns = str(file), InputColumns("title")
    identity = identify(location)
    with open_input(location, columns, ReadOptions(), identity, tmp_path) as source:
        reader = ChunkReader(source, columns, lambda _: None)
        list(reader.chunks())
        # WHEN its rows are estimated THEN the number is exact
        assert reader.estimate_rows() == 7


def test_each_slice_of_a_chunk_has_texts_of_similar_length() -> None:
    # GIVEN a chunk of texts of three lengths, in turns
    chunk = make_rows(*["Fed", "Fed holds", "Fed holds rates"] * LEAST_SLICE)
    # WHEN it is shared among three workers
    slices = slice_chunk(chunk, 3)
    # THEN each row is in one slice, and the slices go from the shortest texts to the longest
    assert sorted(chain.from_iterable(slices)) == list(range(len(chunk)))
    lengths = [[len(chunk[number].text) for number in numbers] for numbers in slices]
    assert all(max(a) <= min(b) for a, b in pairwise(lengths))
    # ... with about as many characters in each
    characters = [sum(one) for one in lengths]
    assert max(characters) - min(characters) <= 2 * len("Fed holds rates")


@pytest.mark.parametrize(
    ("rows", "workers", "slices"),
    [(2 * LEAST_SLICE, 8, 2), (2 * LEAST_SLICE - 1, 8, 1), (1, 8, 1), (4 * LEAST_SLICE, 3, 3)],
)
def test_a_short_chunk_is_cut_into_fewer_slices(rows: int, workers: int, slices: int) -> None:
    assert len(slice_chunk(make_rows(*["Fed"] * rows), workers)) == slices


def test_a_text_that_is_longer_than_all_others_leaves_no_slice_empty() -> None:
    chunk = make_rows(*["Fed"] * 4 * LEAST_SLICE, "long" * 100_000)
    assert [len(one) for one in slice_chunk(chunk, 4)] == [4 * LEAST_SLICE, 1]
