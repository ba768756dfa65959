import pytest

from training.evaluate.results import Interval
from training.export.multi_label_gate import MultiLabelQuantization


def quantize(**changes: object) -> MultiLabelQuantization:
    values: dict[str, object] = {
        "accuracy_drop": 0.1,
        "agreement": 99.0,
        "max_change": 0.02,
        "bundle_bytes": 1,
        "weights_bytes": 4,
        "texts": 16,
    }
    return MultiLabelQuantization.model_validate(values | changes)


def test_the_limits_are_those_of_accuracy() -> None:
    assert quantize().passes
    assert not quantize(accuracy_drop=0.6).passes
    assert not quantize(agreement=98.0).passes


def test_few_rows_are_not_held_against_a_bundle() -> None:
    unsure = quantize(accuracy_drop=3.0, accuracy_drop_interval=Interval(-1.0, 7.0))
    assert unsure.passes
    assert unsure.describe().endswith("The 16 test rows are too few to hold that against it.")


def test_the_description_names_what_is_measured() -> None:
    assert "int8 loses 0.10 points of micro-F1" in quantize().describe()
    assert quantize().to_json()["measure"] == "micro_f1"
    assert "int8 gains 5.89 points of micro-F1" in quantize(accuracy_drop=-5.89).describe()


def test_figures_of_another_measure_are_refused() -> None:
    with pytest.raises(ValueError, match="measure"):
        quantize(measure="accuracy")
