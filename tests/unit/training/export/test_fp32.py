import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper

from training.export.fp32 import fix_inputs, fold_constants
from training.export.nodes import add_weights


@pytest.fixture
def model() -> ModelProto:
    """`(input_ids * attention_mask + token_type_ids) + (2 + 3)`, where the last sum is constant."""
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["masked"]),
        helper.make_node("Add", ["masked", "token_type_ids"], ["typed"]),
        helper.make_node("Add", ["two", "three"], ["five"]),
        helper.make_node("Add", ["typed", "five"], ["y"]),
    ]
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["a", "b"]) for name in names]
    outputs = [helper.make_tensor_value_info("y", TensorProto.INT64, None)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    add_weights(graph, "two", np.array([2]))
    add_weights(graph, "three", np.array([3]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model: ModelProto) -> list[list[int]]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    result: list[list[int]] = session.run(None, {"input_ids": np.array([[7, 8]])})[0].tolist()
    return result


def test_every_token_counts_and_is_of_the_first_segment(model: ModelProto) -> None:
    fix_inputs(model)
    assert [value.name for value in model.graph.input] == ["input_ids"]
    assert run(model) == [[12, 13]]


def test_inputs_that_are_never_read_leave_nothing_behind(model: ModelProto) -> None:
    # GIVEN a graph that reads the tokens alone
    model.graph.node[0].input[1] = model.graph.node[1].input[1] = "input_ids"
    # WHEN its inputs are fixed THEN it has no further nodes
    fix_inputs(model)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Add", "Add", "Add"]


def test_what_does_not_depend_on_the_text_is_computed_beforehand(model: ModelProto) -> None:
    fix_inputs(model)
    folded = fold_constants(model)
    assert "five" in {tensor.name for tensor in folded.graph.initializer}
    assert run(folded) == run(model)
