from pathlib import Path

import numpy as np

from training.evaluate.multi_label.plots import plot_reliability


def test_the_plot_is_a_png(tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).random((50, 3))
    labels = probabilities > 0.5
    plot_reliability(tmp_path / "plot.png", probabilities, probabilities / 2, labels)
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
