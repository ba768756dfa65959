"""The ONNX graph that is served: in int8, fused where possible, indifferent to the other texts.

That of a DistilBERT differs from what `optimum` exports in five ways:

- Attention and the feed-forward activations are one node each (onnxruntime's own fusion). The
  products for queries, keys and values stay outside, so that each runs once over the tokens of
  all texts, and every product adds its bias on the way.
- There is no attention mask: only texts of equal length are served together.
- If the label is read from the first token alone, the last layer is computed for that one only;
  its keys and values come from all tokens. If it is read from the mean of all tokens, that mean
  and the head are added here.
- Positions that no text reaches are left out.
- Weights and activations are integers, see `training/export/quantize.py`.

Other encoders have the same input, head and integers. If onnxruntime does not recognise their
attentions, these stay the nodes that `optimum` exports. A few channels of their activations may be
computed in fp32, see `training/export/outliers.py`.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper
from onnx.external_data_helper import set_external_data
from safetensors.numpy import load_file
from transformers import AutoConfig, PretrainedConfig

from inference.model.bundle import MODEL, WEIGHTS
from training.export.fp32 import export_fp32, fix_inputs, fold_constants, fuse, is_fused
from training.export.nodes import (
    INTEGER_PRODUCT,
    add_weights,
    drop_unused,
    find_attentions,
    find_embedding,
    rename_input,
    take_weights,
)
from training.export.outliers import split_outliers
from training.export.quantize import (
    EMBEDDING_BITS,
    choose_embedding_bits,
    describe_scheme,
    measure_channels,
    quantize_embeddings,
    quantize_products,
)
from training.fit import encoder
from training.fit.exportable import FUSED, OWN_GRAPH, TRIED, explain_why_not
from training.fit.text_model import ModelError

BIAS, MASK = 3, 4  # the numbers of an attention's inputs, after queries, keys and values


@dataclass(frozen=True)
class Written:
    """What became of a model's graph."""

    fused: bool  # whether each attention is one node
    embedding_bits: int
    fp32_channels: int  # of activations that do not fit into 8 bits

    def to_json(self) -> dict[str, bool | int | str]:
        """Return what a manifest stores: nothing, if all is as in a DistilBERT."""
        facts: dict[str, bool | int | str] = {}
        if self.embedding_bits != EMBEDDING_BITS:
            facts["weights"] = describe_scheme(self.embedding_bits)
        if not self.fused:
            facts["fused"] = False
        if self.fp32_channels:
            facts["fp32_channels"] = self.fp32_channels
        return facts


def write_graph(
    source: Path, folder: Path, max_length: int, calibration: Sequence[Sequence[int]]
) -> Written:
    """Write the int8 `model.onnx` and `model.onnx.data` of a model.

    Args:
        source: a folder that `transformers` loads.
        folder: where to write.
        max_length: the most tokens that a text can have.
        calibration: token ids of training texts, which give the range of each activation.
    """
    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    try:
        model = _export(source, config)
    except Exception as error:  # of any class, from torch, onnx or optimum
        if config.model_type in TRIED:
            raise
        reason = str(error).partition("\n")[0]
        kind = config.model_type
        raise _explain_refusal(source, f"the export of a {kind} failed ({reason})") from error
    fused = is_fused(model, config)
    drop_mask(model.graph)
    fix_inputs(model)
    if encoder.read_pooling(source) == "first":
        keep_first_token(model.graph)
    if hasattr(config, encoder.POOLING):
        add_mean_head(model.graph, load_file(source / encoder.WEIGHTS))
    split_bias(model.graph)
    if not fused:
        model = fold_constants(model)
    drop_unread_positions(model.graph, max_length + _count_unused_positions(config))
    is_own = config.model_type == OWN_GRAPH
    bits = choose_embedding_bits(model.graph, is_own=is_own)
    quantize_embeddings(model.graph, bits)
    channels = measure_channels(model, calibration)
    outliers = {} if is_own else split_outliers(model.graph, channels)
    ranges = {name: one.choose_range(outliers.get(name, ())) for name, one in channels.items()}
    quantize_products(model.graph, ranges)
    drop_unused(model.graph)
    save(model, folder)
    return Written(fused, bits, sum(map(len, outliers.values())))


def _export(source: Path, config: PretrainedConfig) -> ModelProto:
    """Export a model in fp32, with the attentions of all layers fused, or of none.

    Raises:
        RuntimeError: onnxruntime does not recognise the attentions that this version of `optimum`
            exports of a kind that is fused.
    """
    pools = hasattr(config, encoder.POOLING)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export_fp32(source, folder, "feature-extraction" if pools else "text-classification")
        model = fuse(folder / MODEL, config, attentions=config.model_type in FUSED)
    if config.model_type in FUSED and not is_fused(model, config):
        found = len(find_attentions(model.graph))
        raise RuntimeError(f"found {found} attentions in {config.num_hidden_layers} layers")
    return model


def require_exportable(source: Path) -> None:
    """Refuse a model that this module cannot turn into a graph.

    Raises:
        ModelError: the message says why, and what to do instead.
    """
    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    if reason := explain_why_not(config, (source / encoder.WEIGHTS).stat().st_size):
        raise _explain_refusal(source, reason)


def _explain_refusal(source: Path, reason: str) -> ModelError:
    return ModelError(
        f"{source} cannot be exported: {reason}. Distil it into a model that can, with "
        f"`textclf train --teachers {source} …`"
    )


def drop_mask(graph: GraphProto) -> None:
    """Let every attention see every token."""
    for attention in find_attentions(graph):
        del attention.input[MASK:]


def keep_first_token(graph: GraphProto) -> None:
    """Let the last attention query the first token only; all that follows is (texts, 1, dim).

    Where attentions are not fused, the last layer is computed for all tokens, and cut then.
    """
    if not find_attentions(graph):
        states, first = graph.output[0].name, f"{graph.output[0].name}_first"
        add_weights(graph, "first", np.array([0]))
        graph.node.append(helper.make_node("Gather", [states, "first"], [first], axis=1))
        graph.output[0].name = first
        return
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


def _count_unused_positions(config: PretrainedConfig) -> int:
    """Count the rows of the position embeddings that come before that of the first token.

    A RoBERTa counts positions from the number after its padding's, as fairseq did. A BERT does not,
    and keeps a few rows too many.
    """
    return 0 if config.model_type == OWN_GRAPH else (config.pad_token_id or 0) + 1


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
    node = find_embedding(graph, "position_embeddings.weight")
    if node is not None:  # some encoders compute positions, or know only distances
        table = node.input[0]
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
