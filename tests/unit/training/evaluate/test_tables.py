import pytest

from inference.model.bundle import read_verified
from tests.conftest import SAMPLE_MODEL
from training.evaluate import tables
from training.evaluate.results import (
    BaselineMetrics,
    Evaluation,
    Interval,
    ModelSummary,
    PairedComparison,
    Slice,
)


def test_models_differences_and_labels_are_shown_as_in_the_shipped_reports() -> None:
    # GIVEN the metrics in the shipped manifest, and the pages that ship with it
    manifest = read_verified(SAMPLE_MODEL).manifest
    shown = {line for page in SAMPLE_MODEL.glob("*.md") for line in page.read_text().splitlines()}
    int8 = ModelSummary.model_validate(manifest.metrics["int8"])
    fp32 = ModelSummary.model_validate(manifest.metrics["fp32"])
    baseline = BaselineMetrics.model_validate(manifest.metrics["baseline"])
    names = ("fp32 model", "int8 bundle")
    # WHEN they are formatted THEN the pages have every line of the tables
    models = [(baseline.name, baseline), *zip(names, (fp32, int8), strict=True)]
    differences = [(f"{name} against {baseline.name}", model.against_baseline)
        for name, model in zip(names, (fp32, int8), strict=True)]  # fmt: skip
    formatted = [
        tables.format_models(models),
        tables.format_differences(differences),
        tables.format_labels(int8.per_label),
        tables.format_confusion(int8),
    ]
    for table in formatted:
        assert [line for line in table.splitlines() if line not in shown] == []


def test_a_slice_shows_both_models_and_their_difference(evaluation: Evaluation) -> None:
    # GIVEN a slice
    comparison = PairedComparison(
        texts=1234,
        accuracy=0.9,
        accuracy_interval=Interval(0.88, 0.92),
        other_accuracy=0.85,
        other_accuracy_interval=Interval(0.8, 0.9),
        difference=0.05,
        difference_interval=Interval(-0.01, 0.11),
        only_right=9,
        other_only_right=4,
        mcnemar_p=0.2,
    )
    # WHEN it is formatted THEN its row has texts, both accuracies and the difference in points
    table = tables.format_slices([Slice(name="short", **dict(comparison))], "new", "old")
    assert table.splitlines()[0] == "| slice | texts | new | old | points between |"
    row = "| short | 1,234 | 90.00% (88.00 to 92.00) | 85.00% | +5.00 (-1.00 to +11.00) |"
    assert table.splitlines()[2:] == [row]


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("[x](http://e.com)", r"\[x\](http://e.com)"),
        ("*bold* `code`", r"\*bold\* \`code\`"),
        ("account_access", "account_access"),
        ("__init__", r"\_\_init\_\_"),
        ("a\nb", "a b"),
        ("体育", "体育"),
    ],
)
def test_a_label_is_shown_as_it_is(label: str, shown: str) -> None:
    assert tables.escape(label) == shown


def test_the_worst_labels_come_first(evaluation: Evaluation) -> None:
    table = tables.format_worst_labels(evaluation.fp32, limit=2)
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        "Business",
        "Science",
    ]


def test_the_most_frequent_confusions_come_first(evaluation: Evaluation) -> None:
    table = tables.format_confusions(evaluation.fp32, limit=1)
    assert table.splitlines()[2:] == ["| Business | Science | 1,054 | 10.3% |"]


def test_repeats_have_a_row_for_the_file_and_one_for_the_test_rows(evaluation: Evaluation) -> None:
    table = tables.format_repeats(evaluation.repeats)
    assert table.splitlines()[2:] == [
        "| file | 9 | 8 | 1 | 2 | 1 |",
        "| test | 9 | 8 | 1 | 2 | 1 |",
    ]
