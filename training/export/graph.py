"""The ONNX graph that is served: fused, in int8, and indifferent to the other texts of a list.

It differs from what `optimum` exports in five ways:

- Attention and the feed-forward activations are one node each (onnxruntime's own fusion). The
  products for queries, keys and values stay outside, so that each runs once over the tokens of
  all texts, and every product adds its bias on the way.
- There is no attention mask: only texts of equal length are served together.
- If the label is read from the first token alone, the last layer is computed for that one only;
  its keys and values come from all tokens. If it is read from the mean of all tokens, that mean
  and the head are added here.
- Positions that no text reaches are left out.
- Weights and activations are integers, see `training/export/quantize.py`.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper
from onnx.external_data_helper import set_external_data
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import main_export
from safetensors.numpy import load_file
from transformers import AutoConfig, DistilBertConfig

from inference.model.bundle import MODEL, WEIGHTS
from training.export.nodes import (
    INTEGER_PRODUCT,
    MICROSOFT,
    add_weights,
    drop_unused,
    find_attentions,
    find_embedding,
    rename_input,
    take_weights,
)
from training.export.quantize import measure_ranges, quantize_embeddings, quantize_products
from training.fit import encoder
from training.fit.text_model import ModelError

BIAS, MASK = 3, 4  # the numbers of an attention's inputs, after queries, keys and values


def write_graph(
    source: Path, folder: Path, max_length: int, calibration: Sequence[Sequence[int]]
) -> None:
    """Write the int8 `model.onnx` and `model.onnx.data` of a model.

    Args:
        source: a folder that `transformers` loads.
        folder: where to write.
        max_length: the most tokens that a text can have.
        calibration: token ids of training texts, which give the range of each activation.
    """
    config = DistilBertConfig.from_pretrained(source)
    pools = hasattr(config, encoder.POOLING)
    with tempfile.TemporaryDirectory() as temporary:
        _export_fp32(
            source, Path(temporary), "feature-extraction" if pools else "text-classification"
        )
        model = fuse(Path(temporary) / MODEL, config)
    drop_mask(model.graph)
    if pools:
        add_mean_head(model.graph, load_file(source / encoder.WEIGHTS))
    else:
        keep_first_token(model.graph)
    split_bias(model.graph)
    drop_unread_positions(model.graph, max_length)
    quantize_embeddings(model.graph)
    quantize_products(model.graph, measure_ranges(model, calibration))
    drop_unused(model.graph)
    save(model, folder)


def require_exportable(source: Path) -> None:
    """Refuse a model that this module cannot turn into a graph.

    Raises:
        ModelError: it is not a DistilBERT; the message says how to turn it into one.
    """
    kind = AutoConfig.from_pretrained(source, trust_remote_code=False).model_type
    if kind != "distilbert":
        raise ModelError(
            f"{source} is of the kind {kind}, and only a DistilBERT can be exported: distil it "
            f"into one with `textclf train --teachers {source} …`"
        )


def _export_fp32(source: Path, folder: Path, task: str) -> None:
    """Write the graph as `optimum` exports it, in fp32.

    Its log lines and warnings concern its own code: deprecated calls, packages it could use.
    """
    with _quiet():
        main_export(
            str(source),
            folder,
            task=task,
            library_name="transformers",
            do_validation=False,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def fuse(file: Path, config: DistilBertConfig) -> ModelProto:
    """Read an exported graph and fuse each attention and each activation into one node.

    Raises:
        RuntimeError: onnxruntime does not recognise what this version of `optimum` exports.
    """
    options = FusionOptions("bert")
    options.enable_embed_layer_norm = False  # would hide what is changed below
    options.enable_skip_layer_norm = False  # slower than the two nodes it replaces
    options.enable_bias_skip_layer_norm = False
    options.use_multi_head_attention = True  # leaves its products outside, over all texts at once
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
    attentions = len(find_attentions(model.graph))
    if attentions != config.n_layers:
        raise RuntimeError(f"found {attentions} attentions in {config.n_layers} layers")
    if MICROSOFT not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    return model


def drop_mask(graph: GraphProto) -> None:
    """Let every attention see every token, so that `input_ids` is the only input."""
    for attention in find_attentions(graph):
        del attention.input[MASK:]
    inputs = [value for value in graph.input if value.name != "attention_mask"]
    del graph.input[:]
    graph.input.extend(inputs)
    drop_unused(graph)


def keep_first_token(graph: GraphProto) -> None:
    """Let the last attention query the first token only; all that follows is (texts, 1, dim)."""
    nodes = list(graph.node)
    attention = find_attentions(graph)[-1]
    query = next(node for node in nodes if attention.input[0] in node.output)
    states = query.input[0]
    add_weights(graph, "first", np.array([0]))
    gather = helper.make_node("Gather", [states, "first"], [f"{states}_first"], axis=1)
    graph.node.insert(nodes.index(query), gather)
    after = nodes[nodes.index(attention) + 1 :]
    for node in (query, *after):  # the residual connection carries the states past the attention
        rename_input(node, states, f"{states}_first")


def add_mean_head(graph: GraphProto, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Add the linear head of a model that classifies the mean of its tokens, at norm 1.

    Args:
        graph: an encoder without an attention mask; its output is (texts, tokens, dim).
        weights: those of the head, by their name in the model.
    """
    states = graph.output[0].name
    add_weights(graph, "tokens_axis", np.array([1]))
    add_weights(graph, "classifier.weight", weights["classifier.weight"])
    add_weights(graph, "classifier.bias", weights["classifier.bias"])
    head = ["features", "classifier.weight", "classifier.bias"]
    graph.node.extend(
        [
            helper.make_node("ReduceMean", [states, "tokens_axis"], ["mean"], keepdims=0),
            helper.make_node("LpNormalization", ["mean"], ["features"], axis=-1, p=2),
            helper.make_node("Gemm", head, ["logits"], transB=1),
        ]
    )
    shape: list[str | int | None] = ["batch_size", len(weights["classifier.bias"])]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape))


def split_bias(graph: GraphProto) -> None:
    """Give queries, keys and values a bias each, which the product before can then add."""
    for attention in find_attentions(graph):
        bias = take_weights(graph, attention.input[BIAS])
        del attention.input[BIAS:]
        for number, part in enumerate(np.split(bias, len(attention.input))):
            name = attention.input[number]
            add_weights(graph, f"{name}_bias", part)
            attention.input[number] = f"{name}_biased"
            addition = helper.make_node("Add", [name, f"{name}_bias"], [f"{name}_biased"])
            graph.node.insert(list(graph.node).index(attention), addition)


def drop_unread_positions(graph: GraphProto, max_length: int) -> None:
    """Keep the position embeddings of texts as long as the tokenizer lets them be."""
    table = find_embedding(graph, "position_embeddings.weight").input[0]
    add_weights(graph, table, take_weights(graph, table)[:max_length])


def save(model: ModelProto, folder: Path) -> None:
    """Write a graph, and into a second file the weights that onnxruntime repacks for the CPU.

    onnxruntime maps that file and releases it once the weights are packed, which takes two thirds
    of the time of reading them out of `model.onnx`. Weights that it does not repack, such as the
    embeddings, would stay mapped as long as the model serves: a change of the file would change
    the answers.
    """
    packed = {node.input[1] for node in model.graph.node if node.op_type == INTEGER_PRODUCT}
    for tensor in model.graph.initializer:
        if tensor.name in packed:
            set_external_data(tensor, WEIGHTS)
    (folder / WEIGHTS).write_bytes(b"")  # onnx appends, and would make a file for its owner alone
    onnx.save(model, folder / MODEL)
