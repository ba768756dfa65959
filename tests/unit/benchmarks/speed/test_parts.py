from pathlib import Path

from benchmarks.speed.commit import Tree
from benchmarks.speed.modes import list_modes
from benchmarks.speed.parts import PARTS, count_rounds, list_rounds
from benchmarks.speed.samples import find_rank
from benchmarks.speed.subjects import COMPARISON, PEERS, Amounts, Subjects

TREE = Tree(Path("tree"), "1a2b")


def make_subjects(amx: bool, amounts: Amounts, peers: tuple[str, ...] = PEERS) -> Subjects:
    modes = tuple(list_modes({0, 1}, amx))
    return Subjects(Path("build"), (TREE,), {}, peers, None, modes, amounts)


def test_a_round_has_every_mode() -> None:
    # GIVEN a CPU without AMX, and two rounds
    subjects = make_subjects(False, Amounts(requests=2))
    # WHEN the rounds of requests are listed
    rounds = [key for key, _ in list_rounds("requests", subjects)]
    # THEN one core and all cores alternate
    assert [(number, mode) for _, number, mode in rounds] == [
        *((0, "one core"), (0, "2 cores")),
        *((1, "one core"), (1, "2 cores")),
    ]


def test_without_amx_every_other_round_is_enough() -> None:
    # GIVEN a CPU with AMX, and four rounds
    subjects = make_subjects(True, Amounts(bulk=4))
    # WHEN the rounds without it are listed
    rounds = [key for key, mode in list_rounds("bulk", subjects) if mode.amx_denied]
    # THEN they are half as many
    assert [number for _, number, _ in rounds] == [0, 0, 2, 2]


def test_training_uses_all_cores() -> None:
    subjects = make_subjects(True, Amounts(training=1))
    assert [key[2] for key, _ in list_rounds("training", subjects)] == ["2 cores"]


def test_a_comparison_with_a_commit_has_enough_rounds_to_be_certain() -> None:
    subjects = make_subjects(False, COMPARISON, peers=())
    assert all(find_rank(count_rounds(part, subjects)) is not None for part in PARTS)


def test_a_comparison_with_a_commit_answers_requests_on_one_core() -> None:
    subjects = make_subjects(False, COMPARISON, peers=())
    assert {key[2] for key, _ in list_rounds("requests", subjects)} == {"one core"}
