from msgspec.structs import replace

from inference.model.abstention import LabelThresholds, OutOfScope
from inference.model.bundle import ClassifierSpec
from training.evaluate.results import Interval
from training.export.abstention import AbstentionFigures, Detection, LabelPrecision
from training.export.abstention_page import describe_abstention, summarise_abstention
from training.export.thresholds import Choice

CHOICES = [Choice("a|c", 0.7, 50, 40, 0.91), Choice("b", None, 9, 0, 0.4)]
SPEC = ClassifierSpec(
    labels=("a|c", "b"),
    max_length=64,
    temperature=1.0,
    label_thresholds=LabelThresholds(precision=0.9, confidence=0.95, least={"a|c": 0.7, "b": None}),
    out_of_scope=OutOfScope(score="output", limit=1.25, refused=0.05),
)
FIGURES = AbstentionFigures(
    answered=0.5,
    precision=0.93,
    precision_interval=Interval(0.9, 0.95),
    low_confidence=0.4,
    out_of_scope=0.1,
    labels=(
        LabelPrecision(
            label="a|c", least_confidence=0.7, validation_rows=50, proved=0.91,
            coverage=0.8, precision=0.93, precision_interval=Interval(0.9, 0.95),
        ),
        LabelPrecision(
            label="b", least_confidence=None, validation_rows=9, proved=0.4,
            coverage=0, precision=None, precision_interval=None,
        ),
    ),
    detections=(
        Detection(
            name="mail.txt", texts=1500, learnt_from=1400, auroc=0.95,
            auroc_interval=Interval(0.94, 0.96), confidence_auroc=0.8, refused=0.75,
        ),
    ),
)  # fmt: skip


def test_the_page_has_a_row_for_each_label_and_each_file() -> None:
    page = "\n".join(describe_abstention(SPEC, CHOICES, FIGURES))
    assert r"| a\|c | 0.700 | 50 | 91.00% | 80.0% | 93.00% (90.00 to 95.00) |" in page
    assert "| b | abstains | 9 | 40.00% | 0.0% |  |" in page
    assert "| mail.txt | 1,500 | 1,400 | 0.950 (0.940 to 0.960) | 0.800 | 75.0% |" in page
    assert "score above 1.25 count as unlike" in page
    assert "at no confidence for b" in page


def test_only_what_a_bundle_has_is_described() -> None:
    # GIVEN a bundle with thresholds for its labels alone
    spec = replace(SPEC, out_of_scope=None)
    figures = FIGURES.model_copy(update={"detections": ()})
    page = "\n".join(describe_abstention(spec, CHOICES, figures))
    assert "out-of-scope score" not in page
    assert "AUROC" not in page


def test_the_summary_says_what_becomes_of_the_test_rows() -> None:
    assert summarise_abstention(FIGURES) == (
        "It answers 50.0% of the test rows, 93.0% of them rightly, and abstains from 40.0% for low "
        "confidence and from 10.0% as out of scope."
    )
    nothing = FIGURES.model_copy(update={"answered": 0.0, "precision": None})
    assert summarise_abstention(nothing).startswith("It answers 0.0% of the test rows, and")
