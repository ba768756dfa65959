import numpy as np

from inference.drift.report import format_table
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
