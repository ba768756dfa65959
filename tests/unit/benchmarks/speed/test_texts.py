import csv
import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from benchmarks.speed.errors import BenchError
from benchmarks.speed.subjects import Amounts
from benchmarks.speed.texts import choose_of_length, read_headlines, write_lines, write_rows
from tests.conftest import SAMPLE_MODEL


def test_no_two_texts_of_a_file_are_the_same(tmp_path: Path) -> None:
    # GIVEN fewer headlines than a file is to have
    headlines = read_headlines()
    # WHEN it is written
    lines = write_lines(headlines, 3 * len(headlines), tmp_path / "in.jsonl").read_text()
    # THEN nobody can score it faster by scoring duplicates once
    texts = [json.loads(line)["text"] for line in lines.splitlines()]
    assert len(set(texts)) == len(texts) == 3 * len(headlines)


def test_rows_to_learn_have_all_labels(tmp_path: Path) -> None:
    path = write_rows(read_headlines(), 100, tmp_path / "rows.csv")
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 100
    assert {row["label"] for row in rows} == {f"label {number}" for number in range(4)}
    assert all(row["text"] for row in rows)


def test_the_headlines_are_texts() -> None:
    headlines = read_headlines()
    assert len(headlines) == 508
    assert headlines[0] == "Redmoor steelworks to close with loss of 1,900 jobs"


@pytest.mark.parametrize("tokens", Amounts().lengths)
def test_every_length_that_is_measured_is_found(tokens: int) -> None:
    # GIVEN the tokenizer of the shipped model
    tokenizer = SAMPLE_MODEL / "tokenizer.json"
    # WHEN a text of a length is chosen, of two headlines if need be THEN it has that length
    text = choose_of_length(read_headlines(), tokens, tokenizer)
    assert len(Tokenizer.from_file(str(tokenizer)).encode(text).ids) == tokens


def test_a_headline_of_a_length_is_found() -> None:
    tokenizer = SAMPLE_MODEL / "tokenizer.json"
    assert choose_of_length(read_headlines(), 16, tokenizer) in read_headlines()
    with pytest.raises(BenchError, match="no sample headline has 999 tokens"):
        choose_of_length(read_headlines(), 999, tokenizer)
