from pathlib import Path

import pytest

from training.labels.llm.bedrock import Problem, Reply
from training.labels.llm.journal import MOST_ATTEMPTS, Journal, JournalError
from training.labels.llm.spending import Usage

MADE_WITH = {"model": "m", "prompt": "p"}
CALL = Usage(1, 100, 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_what_was_paid_for_is_known_the_next_time(path: Path) -> None:
    # GIVEN a journal with a label and a refusal
    with Journal.open(path, MADE_WITH) as journal:
        journal.add("a", Reply("Health", None, CALL))
        journal.add("b", Reply(None, Problem.REFUSED, CALL))
    # WHEN it is opened again THEN it has both, and what they cost
    with Journal.open(path, MADE_WITH) as journal:
        assert (journal.find_label("a"), journal.find_problem("a")) == ("Health", None)
        assert (journal.find_label("b"), journal.find_problem("b")) == (None, Problem.REFUSED)
        assert [journal.is_settled(text) for text in "abc"] == [True, True, False]
        assert journal.usage == CALL + CALL
        assert journal.find_usage("a") == CALL
        assert journal.find_usage("c") == Usage()


def test_an_unusable_answer_settles_a_text_only_after_some_attempts(path: Path) -> None:
    with Journal.open(path, MADE_WITH) as journal:
        for attempt in range(MOST_ATTEMPTS):
            assert not journal.is_settled("a")
            assert journal.count_attempts("a") == attempt
            journal.add("a", Reply(None, Problem.UNUSABLE, CALL))
        assert journal.is_settled("a")


def test_an_answer_that_was_lost_costs_but_is_no_attempt(path: Path) -> None:
    # GIVEN more lost answers than attempts WHEN the journal is opened again
    with Journal.open(path, MADE_WITH) as journal:
        for _ in range(MOST_ATTEMPTS + 1):
            journal.add("a", Reply(None, Problem.LOST, CALL))
    # THEN the text may still be asked about
    with Journal.open(path, MADE_WITH) as journal:
        assert journal.count_attempts("a") == 0
        assert not journal.is_settled("a")
        assert journal.usage.calls == MOST_ATTEMPTS + 1


def test_problems_are_written_by_name_since_their_words_may_change(path: Path) -> None:
    with Journal.open(path, MADE_WITH) as journal:
        journal.add("a", Reply(None, Problem.TOO_LONG, CALL))
    assert '"problem":"TOO_LONG"' in path.read_text()


def test_it_holds_no_texts(path: Path) -> None:
    with Journal.open(path, MADE_WITH) as journal:
        journal.add("confidential", Reply("Health", None, CALL))
    assert "confidential" not in path.read_text()


def test_a_line_that_a_crash_cut_short_is_dropped(path: Path) -> None:
    # GIVEN a journal whose last line is not whole
    with Journal.open(path, MADE_WITH) as journal:
        journal.add("a", Reply("Health", None, CALL))
        journal.add("b", Reply("Health", None, CALL))
    path.write_bytes(path.read_bytes()[:-5])
    # WHEN it is continued THEN that text is not settled, and later lines are whole
    with Journal.open(path, MADE_WITH) as journal:
        assert [journal.is_settled(text) for text in "ab"] == [True, False]
        journal.add("c", Reply("Health", None, CALL))
    with Journal.open(path, MADE_WITH) as journal:
        assert [journal.is_settled(text) for text in "abc"] == [True, False, True]


def test_only_the_first_line_was_begun(path: Path) -> None:
    path.write_text('{"model": ')
    with Journal.open(path, MADE_WITH) as journal:
        assert journal.usage == Usage()
    assert path.read_text() == '{"model": "m", "prompt": "p"}\n'


def test_it_names_what_it_was_made_with(path: Path) -> None:
    with Journal.open(path, MADE_WITH):
        pass
    with (
        pytest.raises(JournalError, match="made with another model:"),
        Journal.open(path, {**MADE_WITH, "model": "other"}),
    ):
        pass


@pytest.mark.parametrize(
    "content",
    [
        "text,label\n",
        "[]\n",
        "\n",
        "no end of a line",
        '{"model": "m", "prompt": "p"}\nx\n',
        '{"model": "m", "prompt": "p"}\nx\nno end of a line',
    ],
)
def test_another_file_is_left_alone(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(JournalError, match="not a journal"), Journal.open(path, MADE_WITH):
        pass
    assert path.read_text() == content


def test_two_runs_cannot_have_it_at_once(path: Path) -> None:
    with (
        Journal.open(path, MADE_WITH),
        pytest.raises(JournalError, match="another run is writing"),
        Journal.open(path, MADE_WITH),
    ):
        pass
