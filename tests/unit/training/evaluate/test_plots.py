from pathlib import Path

import numpy as np

from training.evaluate.plots import plot_confusion, plot_reliability

PNG = b"\x89PNG"


def test_a_confusion_matrix_is_plotted_even_with_a_label_that_never_occurs(tmp_path: Path) -> None:
    plot_confusion(tmp_path / "confusion.png", [[8, 2], [0, 0]], ["a", "b"])
    assert (tmp_path / "confusion.png").read_bytes().startswith(PNG)


def test_reliability_is_plotted_before_and_after_temperature_scaling(tmp_path: Path) -> None:
    before, after = np.array([[0.99, 0.01]] * 4), np.array([[0.7, 0.3]] * 4)
    plot_reliability(tmp_path / "reliability.png", before, after, np.array([0, 0, 0, 1]))
    assert (tmp_path / "reliability.png").read_bytes().startswith(PNG)
