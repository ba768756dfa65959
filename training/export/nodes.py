"""Find, add and remove the nodes and weights of an ONNX graph."""

import copy

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, numpy_helper

MICROSOFT = "com.microsoft"  # the domain of onnxruntime's own operators
INTEGER_PRODUCT = "MatMulIntegerToFloat"
ATTENTION = "MultiHeadAttention"


def take_weights(graph: GraphProto, name: str) -> NDArray[np.float32]:
    """Remove weights from a graph and return them."""
    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    graph.initializer.remove(tensor)
    values: NDArray[np.float32] = numpy_helper.to_array(tensor)
    return values


def read_weights(graph: GraphProto, name: str) -> NDArray[np.float32]:
    """Return weights that stay in a graph."""
    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    values: NDArray[np.float32] = numpy_helper.to_array(tensor)
    return values


def add_weights(graph: GraphProto, name: str, values: object) -> None:
    """Add weights or a constant to a graph."""
    graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def find_embedding(graph: GraphProto, weights: str) -> NodeProto | None:
    """Find the node that looks up rows of the weights whose name ends like this, if any does."""
    lookups = (
        node for node in graph.node if node.op_type == "Gather" and node.input[0].endswith(weights)
    )
    return next(lookups, None)


def find_word_embedding(graph: GraphProto) -> NodeProto:
    """Find the node that looks up the row of each word."""
    lookup: NodeProto = next(
        node for node in graph.node if node.op_type == "Gather" and node.input[1] == "input_ids"
    )
    return lookup


def find_attentions(graph: GraphProto) -> list[NodeProto]:
    """Find the attention of each layer, in order."""
    return [node for node in graph.node if node.op_type == ATTENTION]


def rename_input(node: NodeProto, old: str, new: str) -> None:
    """Let a node read another value instead of the one it reads."""
    for index, name in enumerate(node.input):
        if name == old:
            node.input[index] = new


def drop_unused(graph: GraphProto) -> None:
    """Remove the nodes and weights whose values are never read."""
    used = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):  # from those that are read last
        if used & set(node.output):
            used |= list_inputs(node)
            kept.append(node)
    nodes = [copy.deepcopy(node) for node in reversed(kept)]
    del graph.node[:]
    graph.node.extend(nodes)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def list_inputs(node: NodeProto) -> set[str]:
    """List what a node reads, and what the branches of an `If` read of the graph around them."""
    names = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names |= list_inputs(inner)
        names |= {value.name for value in attribute.g.output}
    return names
