"""Compute the few channels of an activation that eight bits cannot represent in fp32.

In some encoders, such as an MPNet, one or a few channels of a layer's input are dozens of times as
large as the others (Dettmers et al. 2022, https://arxiv.org/abs/2208.07339), and a range for all
leaves those only a few steps. So these channels are multiplied apart, in fp32, and their weights
are 0 in the integer product. Its input then has a range that fits the other channels.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, helper

from training.export.nodes import add_weights, read_weights, take_weights
from training.export.quantize import Channels, find_products

# A channel is an outlier if its greatest value is this many times that of the median channel.
TIMES_MEDIAN = 5
MOST_OUTLIERS = 8  # of an input; the largest

Outliers = dict[str, NDArray[np.int64]]  # the numbers of these channels, by the input's name


def split_outliers(graph: GraphProto, channels: Mapping[str, Channels]) -> Outliers:
    """Give the outliers of each input products of their own.

    Args:
        graph: the graph before its products are quantized.
        channels: what calibration texts show of each input.
    """
    outliers = {}
    for source, products in find_splittable(graph).items():
        numbers = choose_outliers(channels[source])
        if len(numbers):
            outliers[source] = numbers
            _split(graph, source, products, numbers)
    return outliers


def choose_outliers(channels: Channels) -> NDArray[np.int64]:
    """Return the numbers of the channels that are far larger than most."""
    size = np.maximum(-channels.least, channels.greatest)
    largest = np.argsort(-size, kind="stable")[:MOST_OUTLIERS]
    return np.sort(largest[size[largest] > TIMES_MEDIAN * np.median(size)])


def find_splittable(graph: GraphProto) -> dict[str, list[NodeProto]]:
    """Find the products of each input whose weights no other input has.

    Weights that several inputs share, as those of all layers of an ALBERT, cannot be 0 for the
    outliers of each.
    """
    sources: dict[str, set[str]] = {}
    readers: dict[str, list[NodeProto]] = {}
    for product in find_products(graph):
        sources.setdefault(product.input[1], set()).add(product.input[0])
        readers.setdefault(product.input[0], []).append(product)
    return {
        source: products
        for source, products in readers.items()
        if all(
            len(sources[product.input[1]]) == 1 and product.op_type == "MatMul"
            for product in products
        )
    }


def _split(
    graph: GraphProto, source: str, products: list[NodeProto], numbers: NDArray[np.int64]
) -> None:
    """Multiply some channels apart, and add the result to that of the other channels."""
    add_weights(graph, f"{source}_outliers", numbers)
    inputs, outliers = [source, f"{source}_outliers"], f"{source}_outlying"
    gather = helper.make_node("Gather", inputs, [outliers], axis=-1)
    graph.node.insert(min(list(graph.node).index(product) for product in products), gather)
    for name in sorted({product.input[1] for product in products}):
        weights = read_weights(graph, name)
        add_weights(graph, f"{name}_outlying", weights[numbers])
        rest = take_weights(graph, name).copy()
        rest[numbers] = 0
        add_weights(graph, name, rest)
    for product in products:
        last = _find_bias(graph, product) or product
        output = last.output[0]
        apart = [outliers, f"{product.input[1]}_outlying"]
        last.output[0] = f"{output}_rest"
        place = list(graph.node).index(last) + 1
        sums = [f"{output}_rest", f"{output}_outlying"]
        graph.node.insert(place, helper.make_node("Add", sums, [output]))
        graph.node.insert(place, helper.make_node("MatMul", apart, [f"{output}_outlying"]))


def _find_bias(graph: GraphProto, product: NodeProto) -> NodeProto | None:
    """Find the node that adds the bias of a product; an integer product will do that itself."""
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    readers = [node for node in graph.node if product.output[0] in node.input]
    if [node.op_type for node in readers] != ["Add"]:
        return None
    columns = [shapes[product.input[1]][1]]
    return readers[0] if columns in [shapes.get(name) for name in readers[0].input] else None
