import struct
from pathlib import Path

import numpy as np
import pytest

from training.evaluate.plots import name_ticks, plot_confusion, plot_reliability

PNG = b"\x89PNG"


def test_a_confusion_matrix_is_plotted_even_with_a_label_that_never_occurs(tmp_path: Path) -> None:
    plot_confusion(tmp_path / "confusion.png", [[8, 2], [0, 0]], ["a", "b"])
    assert (tmp_path / "confusion.png").read_bytes().startswith(PNG)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [2, 12, 40, 151])
def test_labels_of_any_number_and_script_can_be_plotted(count: int, tmp_path: Path) -> None:
    # GIVEN labels in Chinese and Hindi, with a formula, HTML, a bar and 80 characters
    odd = ["体育", "खेल", "$x_{", "<b>a|b</b>", "long " * 16, "😂"]
    names = [f"{odd[number % len(odd)]} {number}" for number in range(count)]
    matrix = np.random.default_rng(0).integers(0, 9, (count, count)).tolist()
    # WHEN they are plotted THEN there is a picture of a size for a screen, without a warning
    plot_confusion(tmp_path / "confusion.png", matrix, names)
    width, height = struct.unpack(">II", (tmp_path / "confusion.png").read_bytes()[16:24])
    assert max(width, height) < 2400


def test_labels_that_the_font_lacks_are_numbered() -> None:
    assert name_ticks(["sports", "体育", "5 $"]) == ["sports", "label 2", "5 \\$"]


def test_reliability_is_plotted_before_and_after_temperature_scaling(tmp_path: Path) -> None:
    before, after = np.array([[0.99, 0.01]] * 4), np.array([[0.7, 0.3]] * 4)
    plot_reliability(tmp_path / "reliability.png", before, after, np.array([0, 0, 0, 1]))
    assert (tmp_path / "reliability.png").read_bytes().startswith(PNG)
