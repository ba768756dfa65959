from benchmarks.speed.turns import rotate


def test_another_candidate_begins_in_each_round() -> None:
    names = ["a", "b", "c"]
    assert [rotate(names, number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert rotate(names, 1) == ["b", "c", "a"]
