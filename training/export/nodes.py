"""Find, add and remove the nodes and weights of an ONNX graph."""

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


def add_weights(graph: GraphProto, name: str, values: object) -> None:
    """Add weights or a constant to a graph."""
    graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def find_embedding(graph: GraphProto, weights: str) -> NodeProto:
    """Find the node that looks up rows of the weights whose name ends like this."""
    lookup: NodeProto = next(
        node for node in graph.node if node.op_type == "Gather" and node.input[0].endswith(weights)
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
    for node in reversed(list(graph.node)):
        used = {name for other in graph.node for name in other.input}
        used |= {value.name for value in graph.output}
        if not used & set(node.output):
            graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
