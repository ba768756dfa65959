"""The ONNX graph that is served: fused, in int8, and the same for a text in any company.

What ``optimum`` exports is changed in five ways:

- Attention and the feed-forward activations become one node each (onnxruntime's own fusion).
  The products for queries, keys and values stay apart, so that each runs once over the tokens
  of all texts, and every product adds its bias as it goes.
- There is no attention mask: serving only ever runs texts of equal length together.
- The last layer is computed for the first token only, which is all that the label is read from;
  its keys and values are of all tokens.
- Outputs of one label are summed, and positions that no text reaches are left out.
- Weights are 7-bit integers with a scale a column (embeddings: 4 bits, a scale a row), and every
  activation has a fixed 8-bit range, taken from training texts. A range taken from each run, as
  dynamic quantization does, would let the texts of a list move each other's probabilities; and
  full 8-bit weights saturate on a CPU without VNNI, so that hosts would answer differently.
"""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import main_export
from transformers import DistilBertConfig

from inference.model.bundle import MODEL, WEIGHTS
from training.fit.distilbert import outputs_by_label

NIBBLE_ZERO = 8  # what stands for 0 in 4 bits without a sign
WEIGHT_LIMIT = 63  # 7 bits: 2 * 255 * 63 fits the 16-bit sums of AVX2's multiply-add
MICROSOFT = "com.microsoft"  # the domain of onnxruntime's own operators
INTEGER_PRODUCT = "MatMulIntegerToFloat"
ATTENTION = "MultiHeadAttention"
BIAS, MASK = 3, 4  # numbers of its inputs, after queries, keys and values


def write_graph(
    source: Path, folder: Path, max_length: int, calibration: Sequence[Sequence[int]]
) -> None:
    """Write the int8 ``model.onnx`` and ``model.onnx.data`` of a model folder.

    Args:
        source: a folder that ``transformers`` loads.
        folder: where they go.
        max_length: the most tokens that a text will have.
        calibration: token ids of training texts, which give the range of each activation.
    """
    config = DistilBertConfig.from_pretrained(source)
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the tracing exporter, which optimum still uses
        main_export(
            str(source),
            temporary,
            task="text-classification",
            library_name="transformers",
            do_validation=False,
        )
        model = fuse(Path(temporary) / MODEL, config)
    drop_mask(model.graph)
    keep_first_token(model.graph)
    split_bias(model.graph)
    drop_unread_positions(model.graph, max_length)
    quantize_embeddings(model.graph)
    quantize(model.graph, activation_ranges(model, calibration))
    sum_outputs(model.graph, outputs_by_label(config))
    drop_unused(model.graph)
    save(model, folder)


def fuse(file: Path, config: DistilBertConfig) -> ModelProto:
    """The graph with one node for each attention and each activation.

    Raises:
        RuntimeError: onnxruntime does not know the graph that this version of optimum exports.
    """
    options = FusionOptions("bert")
    options.enable_embed_layer_norm = False  # they would hide what is changed below
    options.enable_skip_layer_norm = False  # slower than the two nodes it stands for
    options.enable_bias_skip_layer_norm = False
    options.use_multi_head_attention = True  # its products stay outside, over all texts at once
    options.enable_bias_gelu = False  # an integer product adds a bias at no cost
    fused = optimize_model(
        str(file),
        "bert",
        num_heads=config.n_heads,
        hidden_size=config.dim,
        optimization_options=options,
        opt_level=0,
    )
    model: ModelProto = fused.model
    found = sum(node.op_type == ATTENTION for node in model.graph.node)
    if found != config.n_layers:
        raise RuntimeError(f"{found} attentions were found in {config.n_layers} layers")
    if MICROSOFT not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    return model


def drop_mask(graph: GraphProto) -> None:
    """Let every attention see every token, and read ``input_ids`` alone."""
    for node in graph.node:
        if node.op_type == ATTENTION:
            del node.input[MASK:]
    inputs = [value for value in graph.input if value.name != "attention_mask"]
    del graph.input[:]
    graph.input.extend(inputs)
    drop_unused(graph)


def keep_first_token(graph: GraphProto) -> None:
    """Let the last attention ask for the first token alone; what follows is (texts, 1, dim)."""
    nodes = list(graph.node)
    last = max(index for index, node in enumerate(nodes) if node.op_type == ATTENTION)
    query = next(node for node in nodes if nodes[last].input[0] in node.output)
    states = query.input[0]
    _give(graph, "first", np.array([0]))
    gather = helper.make_node("Gather", [states, "first"], [f"{states}_first"], axis=1)
    graph.node.insert(nodes.index(query), gather)
    for node in (query, *nodes[last + 1 :]):  # the states go around the attention, too
        _rename(node, states, f"{states}_first")


def split_bias(graph: GraphProto) -> None:
    """Give each query, key and value its own bias, which the product before it will take in."""
    for attention in [node for node in graph.node if node.op_type == ATTENTION]:
        bias = _take(graph, attention.input[BIAS])
        del attention.input[BIAS:]
        for number, part in enumerate(np.split(bias, len(attention.input))):
            name = attention.input[number]
            _give(graph, f"{name}_bias", part)
            attention.input[number] = f"{name}_biased"
            addition = helper.make_node("Add", [name, f"{name}_bias"], [f"{name}_biased"])
            graph.node.insert(list(graph.node).index(attention), addition)


def quantize_embeddings(graph: GraphProto) -> None:
    """Store each word's embedding in 4 bits and a scale of its own.

    A byte holds two values: one of the first half of the dimensions in its low bits, one of the
    second half in its high bits.
    """
    node = _gather_of(graph, "word_embeddings.weight")
    index = list(graph.node).index(node)
    table, ids, output = node.input[0], node.input[1], node.output[0]
    values, scale = _nibbles(_take(graph, table))
    low, high = np.split(values, 2, axis=1)
    _give(graph, f"{table}_uint4", low | high << 4)
    _give(graph, f"{table}_scale", scale)
    _give(graph, "low_bits", np.uint8(15))
    _give(graph, "four", np.uint8(4))
    _give(graph, "one", np.float32(1))
    _give(graph, "zero", np.uint8(NIBBLE_ZERO))
    graph.node.remove(node)
    row, names = f"{table}_row", [f"{table}_low", f"{table}_high"]
    for new in (
        helper.make_node("Mul", [f"{table}_float", f"{table}_scale_row"], [output]),
        helper.make_node("Gather", [f"{table}_scale", ids], [f"{table}_scale_row"]),
        helper.make_node("DequantizeLinear", [f"{table}_uint8", "one", "zero"], [f"{table}_float"]),
        helper.make_node("Concat", names, [f"{table}_uint8"], axis=-1),
        helper.make_node("BitShift", [row, "four"], names[1:], direction="RIGHT"),
        helper.make_node("BitwiseAnd", [row, "low_bits"], names[:1]),
        helper.make_node("Gather", [f"{table}_uint4", ids], [row]),
    ):
        graph.node.insert(index, new)


def _nibbles(values: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Each row in 4 bits, and its scale, of shape (rows, 1): the one with the least squared error.

    The greatest value sets the scale of 8 bits; of 4, it leaves the many small ones too few steps.
    """
    greatest = np.abs(values).max(axis=1, keepdims=True)
    best, scales = np.zeros_like(values), np.zeros_like(greatest)
    least = np.full_like(greatest, np.inf)
    for share in np.linspace(0.5, 1, 11):
        scale = _scale(greatest * share, NIBBLE_ZERO - 1)
        rounded = np.clip(np.round(values / scale), -NIBBLE_ZERO, NIBBLE_ZERO - 1)
        error = np.square(rounded * scale - values).sum(axis=1, keepdims=True)
        better = error < least
        best, scales = np.where(better, rounded, best), np.where(better, scale, scales)
        least = np.where(better, error, least)
    return (best + NIBBLE_ZERO).astype(np.uint8), scales


def drop_unread_positions(graph: GraphProto, max_length: int) -> None:
    """Keep the position embeddings of texts as long as the tokenizer lets them be."""
    table = _gather_of(graph, "position_embeddings.weight").input[0]
    _give(graph, table, _take(graph, table)[:max_length])


def _gather_of(graph: GraphProto, weights: str) -> NodeProto:
    found: NodeProto = next(
        node for node in graph.node if node.op_type == "Gather" and node.input[0].endswith(weights)
    )
    return found


def activation_ranges(
    model: ModelProto, calibration: Sequence[Sequence[int]]
) -> dict[str, tuple[float, float]]:
    """The least and greatest value, 0 included, of each input that ``quantize`` will quantize."""
    names = sorted({node.input[0] for node in _products(model.graph)})
    probe = ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    least, greatest = np.zeros(len(names)), np.zeros(len(names))
    for token_ids in calibration:
        values = session.run(names, {"input_ids": np.array([token_ids], np.int64)})
        least = np.minimum(least, [value.min() for value in values])
        greatest = np.maximum(greatest, [value.max() for value in values])
    return dict(zip(names, zip(least.tolist(), greatest.tolist(), strict=True), strict=True))


def quantize(graph: GraphProto, ranges: dict[str, tuple[float, float]]) -> None:
    """Turn the products with weights into integer ones, their inputs into 8 bits."""
    for name, (least, greatest) in ranges.items():
        scale = (greatest - least) / 255
        _give(graph, f"{name}_scale", np.float32(scale))
        _give(graph, f"{name}_zero", np.uint8(round(-least / scale)))
    quantized: set[str] = set()
    for node in _products(graph):
        _take_in_bias(graph, node)
        source, weights = node.input[0], node.input[1]
        scales = _quantize_weights(graph, weights, transpose=node.op_type == "Gemm")
        index = list(graph.node).index(node)
        graph.node.remove(node)
        graph.node.insert(index, _integer_product(node, scales))
        if source not in quantized:
            quantized.add(source)
            inputs = [source, f"{source}_scale", f"{source}_zero"]
            graph.node.insert(
                index, helper.make_node("QuantizeLinear", inputs, [f"{source}_uint8"])
            )


def _take_in_bias(graph: GraphProto, product: NodeProto) -> None:
    """Make the bias that is added to a product a part of it."""
    if product.op_type == "Gemm":  # has it
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


def _integer_product(node: NodeProto, scales: str) -> NodeProto:
    """The node that does on integers what a product does on floats, bias included."""
    source, weights, *bias = node.input
    scaling = [f"{source}_scale", scales]
    inputs = [f"{source}_uint8", weights, *scaling, f"{source}_zero", "", *bias]
    return helper.make_node(INTEGER_PRODUCT, inputs, node.output, domain=MICROSOFT)


def _products(graph: GraphProto) -> list[NodeProto]:
    """The matrix products with weights; without that of the labels, too small to gain anything."""
    weights = {tensor.name for tensor in graph.initializer}
    found = [n for n in graph.node if n.op_type in ("MatMul", "Gemm") and n.input[1] in weights]
    return [n for n in found if n.output[0] != graph.output[0].name]


def _quantize_weights(graph: GraphProto, name: str, *, transpose: bool) -> str:
    """Store a matrix in 7 bits with a scale a column; the name of its scales."""
    values = _take(graph, name)
    if transpose:  # ``Gemm`` keeps them as PyTorch does, a row an output
        values = values.T
    scale = _scale(np.abs(values).max(axis=0), WEIGHT_LIMIT)
    _give(graph, name, np.round(values / scale).astype(np.int8))
    _give(graph, f"{name}_scale", scale)
    return f"{name}_scale"


def _scale(greatest: NDArray[np.float32], limit: int) -> NDArray[np.float32]:
    return np.where(greatest == 0, 1, greatest / limit).astype(np.float32)


def sum_outputs(graph: GraphProto, outputs: Sequence[int]) -> None:
    """Make a label that has several outputs as probable as they are together."""
    if max(outputs) == 1:
        return
    logits = graph.output[0]
    for node in graph.node:
        if node.output[0] == logits.name:
            node.output[0] = "outputs"
    parts = [f"outputs_{label}" for label in range(len(outputs))]
    _give(graph, "outputs_sizes", np.array(outputs))
    _give(graph, "outputs_axis", np.array([1]))
    graph.node.append(helper.make_node("Split", ["outputs", "outputs_sizes"], parts, axis=1))
    sums = [f"{part}_sum" for part in parts]
    for part, total in zip(parts, sums, strict=True):
        graph.node.append(helper.make_node("ReduceLogSumExp", [part, "outputs_axis"], [total]))
    graph.node.append(helper.make_node("Concat", sums, [logits.name], axis=1))
    logits.type.tensor_type.shape.dim[1].dim_value = len(outputs)


def drop_unused(graph: GraphProto) -> None:
    """Drop the nodes and weights that nothing reads."""
    for node in reversed(list(graph.node)):
        used = {name for other in graph.node for name in other.input}
        used |= {value.name for value in graph.output}
        if not used & set(node.output):
            graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def save(model: ModelProto, folder: Path) -> None:
    """Write a graph, and beside it the weights that onnxruntime repacks for the CPU.

    It maps that file and lets go of it once they are packed, which takes two thirds of the time
    of reading them out of ``model.onnx``. What it does not repack, such as the embeddings, would
    stay mapped as long as the model serves: a change of the file would change the answers.
    """
    packed = {node.input[1] for node in model.graph.node if node.op_type == INTEGER_PRODUCT}
    for tensor in model.graph.initializer:
        if tensor.name in packed:
            set_external_data(tensor, WEIGHTS)
    (folder / WEIGHTS).write_bytes(b"")  # onnx appends, and makes a file for its owner alone
    onnx.save(model, folder / MODEL)


def _take(graph: GraphProto, name: str) -> NDArray[np.float32]:
    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    graph.initializer.remove(tensor)
    values: NDArray[np.float32] = numpy_helper.to_array(tensor)
    return values


def _give(graph: GraphProto, name: str, values: object) -> None:
    graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def _rename(node: NodeProto, old: str, new: str) -> None:
    for index, name in enumerate(node.input):
        if name == old:
            node.input[index] = new
