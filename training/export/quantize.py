"""Turn the weights of an ONNX graph into small integers, and its products into integer ones.

- The weights of matrix products become 7-bit integers with one scale per column. Full 8-bit
  weights would saturate on a CPU without VNNI, so different hosts would give different answers.
- Embeddings become integers with one scale per row: of 4 bits in a DistilBERT. Other
  encoders, such as an MPNet, lose more by 4 and have 8, unless their vocabulary is huge.
- Every activation has a fixed 8-bit range, measured on training texts. Dynamic quantization
  measures the range anew in each run, so the texts of a list would move each other's probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from training.export.nodes import (
    INTEGER_PRODUCT,
    MICROSOFT,
    add_weights,
    find_word_embedding,
    read_weights,
    take_weights,
)

EMBEDDING_BITS: Final = 4  # in a DistilBERT
NIBBLE_ZERO = 8  # represents 0 in 4 bits without a sign
BYTE_ZERO = 128  # the same in 8 bits
HUGE_TABLE = 100_000_000  # values; that of an XLM-R would take 192 MB in bytes
WEIGHT_LIMIT = 63  # 7 bits: 2 * 255 * 63 fits the 16-bit sums of AVX2's multiply-add
ACTIVATION_STEPS = 255  # 8 bits
CLIPPING = np.linspace(0.5, 1, 11)  # shares of the greatest value that may set the scale of a row

Ranges = dict[str, tuple[float, float]]  # least and greatest value of an input, by its name


def describe_scheme(embedding_bits: int) -> str:
    """Say in how many bits what is stored, as manifests do."""
    return (
        f"7 bits, a scale a column; embeddings {embedding_bits} bits, a scale a row; fixed 8-bit "
        "ranges of activations"
    )


def choose_embedding_bits(graph: GraphProto, *, is_own: bool) -> Literal[4, 8]:
    """Choose the bits of embeddings: few in a DistilBERT, which is our own, and in a huge table."""
    table = find_word_embedding(graph).input[0]
    return EMBEDDING_BITS if is_own or read_weights(graph, table).size > HUGE_TABLE else 8


def quantize_embeddings(graph: GraphProto, bits: Literal[4, 8]) -> None:
    """Store the embedding of each word in 4 or 8 bits, with one scale per word."""
    if bits == EMBEDDING_BITS:
        _store_in_nibbles(graph)
    else:
        _store_in_bytes(graph)


def _store_in_nibbles(graph: GraphProto) -> None:
    """Store the embedding of each word in 4 bits, with one scale per word.

    A byte holds two values: one of the first half of the dimensions in its low bits, one of the
    second half in its high bits.
    """
    node = find_word_embedding(graph)
    index = list(graph.node).index(node)
    table, ids, output = node.input[0], node.input[1], node.output[0]
    values, scale = _round_to_nibbles(take_weights(graph, table))
    low, high = np.split(values, 2, axis=1)
    add_weights(graph, f"{table}_uint4", low | high << 4)
    add_weights(graph, f"{table}_scale", scale)
    add_weights(graph, "low_bits", np.uint8(15))
    add_weights(graph, "four", np.uint8(4))
    add_weights(graph, "one", np.float32(1))
    add_weights(graph, "zero", np.uint8(NIBBLE_ZERO))
    graph.node.remove(node)
    row, names = f"{table}_row", [f"{table}_low", f"{table}_high"]
    for new in (  # from the last to the first, as each is inserted before those that read it
        helper.make_node("Mul", [f"{table}_float", f"{table}_scale_row"], [output]),
        helper.make_node("Gather", [f"{table}_scale", ids], [f"{table}_scale_row"]),
        helper.make_node("DequantizeLinear", [f"{table}_uint8", "one", "zero"], [f"{table}_float"]),
        helper.make_node("Concat", names, [f"{table}_uint8"], axis=-1),
        helper.make_node("BitShift", [row, "four"], names[1:], direction="RIGHT"),
        helper.make_node("BitwiseAnd", [row, "low_bits"], names[:1]),
        helper.make_node("Gather", [f"{table}_uint4", ids], [row]),
    ):
        graph.node.insert(index, new)


def _store_in_bytes(graph: GraphProto) -> None:
    """Store the embedding of each word in 8 bits, with one scale per word."""
    node = find_word_embedding(graph)
    table, ids, output = node.input[0], node.input[1], node.output[0]
    index = list(graph.node).index(node)
    values = take_weights(graph, table)
    scale = _scale(np.abs(values).max(axis=1, keepdims=True), BYTE_ZERO - 1)
    add_weights(graph, f"{table}_bytes", (np.round(values / scale) + BYTE_ZERO).astype(np.uint8))
    add_weights(graph, f"{table}_scale", scale)
    add_weights(graph, "one", np.float32(1))
    add_weights(graph, "zero", np.uint8(BYTE_ZERO))
    graph.node.remove(node)
    for new in (  # from the last to the first, as each is inserted before those that read it
        helper.make_node("Mul", [f"{table}_float", f"{table}_scale_row"], [output]),
        helper.make_node("Gather", [f"{table}_scale", ids], [f"{table}_scale_row"]),
        helper.make_node("DequantizeLinear", [f"{table}_row", "one", "zero"], [f"{table}_float"]),
        helper.make_node("Gather", [f"{table}_bytes", ids], [f"{table}_row"]),
    ):
        graph.node.insert(index, new)


def _round_to_nibbles(
    values: NDArray[np.float32],
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Round each row to 4 bits, and return its scale, shape (rows, 1).

    The scale is the one with the least squared error. In 8 bits the greatest value may set the
    scale; in 4 bits that would leave too few steps for the many small values.
    """
    greatest = np.abs(values).max(axis=1, keepdims=True)
    best, scales = np.zeros_like(values), np.zeros_like(greatest)
    least = np.full_like(greatest, np.inf)
    for share in CLIPPING:
        scale = _scale(greatest * share, NIBBLE_ZERO - 1)
        rounded = np.clip(np.round(values / scale), -NIBBLE_ZERO, NIBBLE_ZERO - 1)
        error = np.square(rounded * scale - values).sum(axis=1, keepdims=True)
        better = error < least
        best, scales = np.where(better, rounded, best), np.where(better, scale, scales)
        least = np.where(better, error, least)
    return (best + NIBBLE_ZERO).astype(np.uint8), scales


@dataclass(frozen=True)
class Channels:
    """The least and the greatest value of each channel of an input, both 0 or beyond."""

    least: NDArray[np.float32]
    greatest: NDArray[np.float32]

    def choose_range(self, outliers: Sequence[int] | NDArray[np.int64] = ()) -> tuple[float, float]:
        """Return the least and the greatest value of the channels that are no outliers."""
        least, greatest = np.delete(self.least, outliers), np.delete(self.greatest, outliers)
        return float(least.min()), float(greatest.max())


def measure_channels(
    model: ModelProto, calibration: Sequence[Sequence[int]]
) -> dict[str, Channels]:
    """Measure the ranges of every input that `quantize_products` will quantize, by name.

    Args:
        model: the model before its products are quantized.
        calibration: token ids of typical texts.
    """
    names = sorted({node.input[0] for node in find_products(model.graph)})
    probe = ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    nothing = Channels(np.zeros(1, np.float32), np.zeros(1, np.float32))
    measured = dict.fromkeys(names, nothing)
    for token_ids in calibration:
        values = session.run(names, {"input_ids": np.array([token_ids], np.int64)})
        for name, value in zip(names, values, strict=True):
            tokens = value.reshape(-1, value.shape[-1])
            before = measured[name]
            measured[name] = Channels(
                np.minimum(before.least, tokens.min(axis=0)),
                np.maximum(before.greatest, tokens.max(axis=0)),
            )
    return measured


def quantize_products(graph: GraphProto, ranges: Ranges) -> None:
    """Replace products with weights by integer ones, whose inputs are quantized to 8 bits.

    Args:
        graph: the graph.
        ranges: of the inputs to quantize.
    """
    for name, (least, greatest) in ranges.items():
        scale = (greatest - least) / ACTIVATION_STEPS or 1.0
        add_weights(graph, f"{name}_scale", np.float32(scale))
        add_weights(graph, f"{name}_zero", np.uint8(round(-least / scale)))
    quantized: set[str] = set()
    for node in [node for node in find_products(graph) if node.input[0] in ranges]:
        _merge_bias(graph, node)
        source, weights = node.input[0], node.input[1]
        scales = _quantize_weights(graph, weights, transpose=node.op_type == "Gemm")
        index = list(graph.node).index(node)
        graph.node.remove(node)
        graph.node.insert(index, _make_integer_product(node, scales))
        if source not in quantized:
            quantized.add(source)
            inputs = [source, f"{source}_scale", f"{source}_zero"]
            quantization = helper.make_node("QuantizeLinear", inputs, [f"{source}_uint8"])
            graph.node.insert(index, quantization)


def find_products(graph: GraphProto) -> list[NodeProto]:
    """Find the matrix products with weights, except the last, which is too small to gain."""
    weights = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    products = [n for n in graph.node if n.op_type in ("MatMul", "Gemm") and n.input[1] in weights]
    return [n for n in products if n.output[0] != graph.output[0].name]


def _merge_bias(graph: GraphProto, product: NodeProto) -> None:
    """Let a product add the bias that the next node adds now."""
    if product.op_type == "Gemm":  # adds its bias already
        return
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    columns = shapes[product.input[1]][1]
    readers = [node for node in graph.node if product.output[0] in node.input]
    if [node.op_type for node in readers] != ["Add"]:
        return
    (addition,) = readers
    if bias := [name for name in addition.input if shapes.get(name) == [columns]]:
        product.input.extend(bias)
        product.output[0] = addition.output[0]
        graph.node.remove(addition)


def _make_integer_product(product: NodeProto, scales: str) -> NodeProto:
    """Return the node that computes with integers what a product computes with floats."""
    source, weights, *bias = product.input
    scaling = [f"{source}_scale", scales]
    inputs = [f"{source}_uint8", weights, *scaling, f"{source}_zero", "", *bias]
    return helper.make_node(INTEGER_PRODUCT, inputs, product.output, domain=MICROSOFT)


def _quantize_weights(graph: GraphProto, name: str, *, transpose: bool) -> str:
    """Store a matrix in 7 bits with one scale per column; return the name of the scales."""
    values = read_weights(graph, name)
    if values.dtype == np.int8:  # of a product before, such as that of another layer
        return f"{name}_scale"
    take_weights(graph, name)
    if transpose:  # Gemm keeps its weights as PyTorch does, with one row per output
        values = values.T
    scale = _scale(np.abs(values).max(axis=0), WEIGHT_LIMIT)
    add_weights(graph, name, np.round(values / scale).astype(np.int8))
    add_weights(graph, f"{name}_scale", scale)
    return f"{name}_scale"


def _scale(greatest: NDArray[np.float32], limit: int) -> NDArray[np.float32]:
    return np.where(greatest == 0, 1, greatest / limit).astype(np.float32)
