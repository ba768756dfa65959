import numpy as np
import pytest
from onnx import GraphProto, helper

from training.export import nodes


@pytest.fixture
def graph() -> GraphProto:
    """`y = relu(x + a)`, and a branch that is never read."""
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "a"], ["sum"]),
            helper.make_node("Mul", ["x", "b"], ["product"]),
            helper.make_node("Neg", ["product"], ["unread"]),
            helper.make_node("Relu", ["sum"], ["y"]),
        ],
        "graph",
        inputs=[helper.make_tensor_value_info("x", 1, [2])],
        outputs=[helper.make_tensor_value_info("y", 1, [2])],
    )
    nodes.add_weights(graph, "a", np.ones(2, np.float32))
    nodes.add_weights(graph, "b", np.zeros(2, np.float32))
    return graph


def test_what_is_never_read_is_dropped_with_its_weights(graph: GraphProto) -> None:
    nodes.drop_unused(graph)
    assert [node.op_type for node in graph.node] == ["Add", "Relu"]
    assert [weights.name for weights in graph.initializer] == ["a"]


def test_weights_that_are_taken_are_gone(graph: GraphProto) -> None:
    assert nodes.take_weights(graph, "a").tolist() == [1, 1]
    assert [weights.name for weights in graph.initializer] == ["b"]


def test_a_renamed_input_leaves_the_others_alone(graph: GraphProto) -> None:
    nodes.rename_input(graph.node[0], "x", "z")
    assert list(graph.node[0].input) == ["z", "a"]


def test_what_a_branch_reads_of_the_graph_around_it_stays(graph: GraphProto) -> None:
    # GIVEN an `If` whose branch reads a value of the graph
    output = helper.make_tensor_value_info("z", 1, [2])
    branch = helper.make_graph([helper.make_node("Neg", ["product"], ["z"])], "then", [], [output])
    choice = helper.make_node("If", ["yes"], ["y2"], then_branch=branch, else_branch=branch)
    graph.node.append(choice)
    graph.output[0].name = "y2"
    # WHEN what is never read is dropped THEN that value is still made
    nodes.drop_unused(graph)
    assert [node.op_type for node in graph.node] == ["Mul", "If"]


def test_a_table_that_a_graph_does_not_have_is_not_found(graph: GraphProto) -> None:
    assert nodes.find_embedding(graph, "position_embeddings.weight") is None
