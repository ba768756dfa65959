from training.data.examples import Example, clusters_of, labels_of


def test_rows_of_one_group_or_of_equal_text_are_one_cluster() -> None:
    rows = [Example("a", 0, group="s"), Example("b", 0, group="s"), Example("A!", 0)]
    assert clusters_of([*rows, Example("a", 0)]).tolist() == [0, 0, 1, 1]


def test_labels_are_in_the_order_of_the_rows() -> None:
    assert labels_of([Example("a", 2), Example("b", 0)]).tolist() == [2, 0]
