from pathlib import Path

import numpy as np

from inference.drift.report import draw_bars, format_table
from inference.drift.stability import Feature


def test_a_row_shows_the_verdict_and_the_largest_shift() -> None:
    # GIVEN a feature that drifted and one that did not
    label = Feature("label", ("News", "Sport"), np.array([5e5, 5e5]), np.array([9e5, 1e5]), 1.0)
    tokens = Feature("tokens", ("0 to under 9", "from 9"), np.full(2, 5e5), np.full(2, 5e5), 1.0)
    # WHEN they are reported
    *_, first, second = format_table([label, tokens]).splitlines()
    # THEN each has a row in Markdown
    assert first == "| label | 0.879 | 0.200 | **drifted** | News: 50.0% → 90.0% |"
    assert second == "| tokens | 0.000 | 0.200 | stable | 0 to under 9: 50.0% → 50.0% |"


def test_five_features_are_drawn_too(tmp_path: Path) -> None:
    # GIVEN one feature more than the usual four
    feature = Feature("f", ("a", "b"), np.array([9.0, 1.0]), np.array([5.0, 5.0]), 1.0)
    # WHEN they are drawn THEN there is a picture
    draw_bars([feature] * 5, tmp_path / "bars.png")
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")


def test_the_features_of_single_labels_are_one_picture(tmp_path: Path) -> None:
    # GIVEN thirty labels, of which a text may have several
    labels = [
        Feature(f"label: {n}", ("with", "without"), np.array([9.0, 1.0]), np.array([5.0, 5.0]), 1.0)
        for n in range(30)
    ]
    tokens = Feature("tokens", ("a", "b"), np.array([9.0, 1.0]), np.array([5.0, 5.0]), 1.0)
    # WHEN they are drawn with another one THEN the picture is not thirty times as high
    draw_bars([tokens], tmp_path / "one.png")
    draw_bars([*labels, tokens], tmp_path / "both.png")
    heights = [
        int.from_bytes((tmp_path / name).read_bytes()[20:24]) for name in ("one.png", "both.png")
    ]
    assert heights[1] == heights[0]
