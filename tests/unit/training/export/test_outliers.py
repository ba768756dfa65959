import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from training.export.nodes import INTEGER_PRODUCT, MICROSOFT, add_weights
from training.export.outliers import MOST_OUTLIERS, choose_outliers, split_outliers
from training.export.quantize import Channels, measure_channels, quantize_products

SIZE, COLUMNS, LOUD = 16, 12, 5
RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(50, SIZE)).astype(np.float32)
TABLE[:, LOUD] *= 60  # this channel is far larger than the others
WEIGHTS = RANDOM.normal(size=(SIZE, COLUMNS)).astype(np.float32)
BIAS = RANDOM.normal(size=COLUMNS).astype(np.float32)
CALIBRATION = [[token] for token in range(50)]


def make_model() -> ModelProto:
    """Look up states, multiply them with weights, add a bias, and then a product that is last."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["states"]),
        helper.make_node("MatMul", ["states", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node("MatMul", ["sum", "eye"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
    )
    for name, values in {"table": TABLE, "weights": WEIGHTS, "bias": BIAS}.items():
        add_weights(graph, name, values)
    add_weights(graph, "eye", np.eye(COLUMNS, dtype=np.float32))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(model: ModelProto) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    result: NDArray[np.float32] = session.run(None, {"input_ids": np.arange(50)[np.newaxis]})[0][0]
    return result


def quantize(*, split: bool) -> ModelProto:
    model = make_model()
    channels = measure_channels(model, CALIBRATION)
    outliers = split_outliers(model.graph, channels) if split else {}
    ranges = {name: one.choose_range(outliers.get(name, ())) for name, one in channels.items()}
    quantize_products(model.graph, ranges)
    return model


def test_an_outlier_that_is_multiplied_apart_leaves_eight_bits_for_the_others() -> None:
    # GIVEN states of which one channel is dozens of times as large as the others
    exact = TABLE @ WEIGHTS + BIAS
    # WHEN they are multiplied in integers, with that channel and without it
    plain, apart = run(quantize(split=False)), run(quantize(split=True))
    # THEN the products are far closer to the exact ones without it
    assert np.square(apart - exact).mean() < np.square(plain - exact).mean() / 20


def test_all_other_channels_stay_in_one_integer_product() -> None:
    operators = [node.op_type for node in quantize(split=True).graph.node]
    assert operators.count(INTEGER_PRODUCT) == 1
    assert operators.count("MatMul") == 2  # the outlier's, and the last one


def test_weights_that_several_inputs_share_are_left_whole() -> None:
    # GIVEN a second input of the same weights
    model = make_model()
    model.graph.node[3].input[0] = "both"
    for new in (
        helper.make_node("Add", ["sum", "again"], ["both"]),
        helper.make_node("MatMul", ["louder", "weights"], ["again"]),
        helper.make_node("Add", ["states", "states"], ["louder"]),
    ):
        model.graph.node.insert(3, new)
    before = run(model)
    # WHEN outliers are looked for THEN nothing changes
    assert split_outliers(model.graph, measure_channels(model, CALIBRATION)) == {}
    assert run(model) == pytest.approx(before)


def test_only_the_largest_channels_are_outliers() -> None:
    # GIVEN a hundred channels of which twelve are large, some of them below 0
    greatest = np.ones(100, np.float32)
    least = -greatest
    greatest[:6], least[6:12] = np.arange(10, 16), -np.arange(20, 26)
    # WHEN outliers are chosen THEN there are no more than a few, the largest
    chosen = choose_outliers(Channels(least, greatest))
    assert chosen.tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
    assert len(chosen) == MOST_OUTLIERS
    assert not len(choose_outliers(Channels(-np.ones(9, np.float32), np.ones(9, np.float32))))
