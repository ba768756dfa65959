from pathlib import Path

import numpy as np
import pytest

from training.evaluate.selective import measure_coverage, plot_coverage


def test_precision_rises_if_the_least_sure_texts_are_left_out() -> None:
    # GIVEN a hundred texts, of which the twenty least sure are wrong
    confidence = np.linspace(0.5, 1, 100)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.where(np.arange(100) < 20, 1, 0)
    # WHEN coverage is measured
    points = measure_coverage(probabilities, labels, np.arange(100))
    # THEN precision rises to 1 where these are left out
    assert [round(p.coverage, 2) for p in points] == [1, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5]
    assert [round(p.precision, 3) for p in points] == [0.8, 0.842, 0.889, 1, 1, 1, 1]
    assert points[0].precision_interval.low < 0.8 < points[0].precision_interval.high
    assert points[3].least_confidence == pytest.approx(confidence[20])


def test_texts_of_equal_confidence_are_one_point() -> None:
    # GIVEN a model that is always equally sure
    points = measure_coverage(np.full((10, 2), 0.5), np.zeros(10, np.int64), np.arange(10))
    # THEN it can leave out all texts or none
    assert [(point.coverage, point.precision) for point in points] == [(1.0, 1.0)]


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    # GIVEN few texts, too
    for rows in (1, 200):
        probabilities = np.full((rows, 2), 0.5)
        plot_coverage(tmp_path / "plot.png", [("model", probabilities, np.zeros(rows, np.int64))])
        assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
