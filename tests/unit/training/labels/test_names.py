from training.labels.names import name_some, shorten


def test_a_few_labels_are_all_named() -> None:
    assert name_some(["Business", "Health"]) == "Business, Health"


def test_of_many_labels_the_first_ones_are_named() -> None:
    assert name_some([str(number) for number in range(151)], limit=3) == "0, 1, 2 and 148 more"


def test_a_long_label_keeps_its_beginning_and_its_end() -> None:
    (name,) = shorten(["beginning " + "x" * 80 + " end"])
    assert len(name) == 40
    assert name.startswith("beginning")
    assert name.endswith("end")


def test_labels_that_become_alike_are_numbered() -> None:
    first, second = shorten([f"{'x' * 50}{middle}{'y' * 50}" for middle in "ab"])
    assert (first[-3:], second[-3:]) == (" #0", " #1")


def test_a_label_is_one_line_without_control_characters() -> None:
    assert shorten(["a\nb\x1b[31m\u202ec"]) == ["a b [31m c"]
