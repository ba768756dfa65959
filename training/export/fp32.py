"""The fp32 graph that `optimum` exports, read with what onnxruntime can fuse of it."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import main_export
from transformers import PretrainedConfig

from inference.model.bundle import MODEL
from training.export.nodes import MICROSOFT, drop_unused, find_attentions

# Each would merge products and biases in a way that `training/export/quantize.py` cannot read.
KEEP_PRODUCTS = ["MatMulAddFusion", "MatMulBNFusion", "GemmTransposeFusion"]
LOG_ERRORS = 3  # of onnxruntime


def export_fp32(source: Path, folder: Path, task: str) -> None:
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


def fuse(file: Path, config: PretrainedConfig, *, attentions: bool) -> ModelProto:
    """Read an exported graph and fuse activations, and attentions that are as BERT's.

    Args:
        file: the graph.
        config: of the model.
        attentions: whether to fuse attentions, too.
    """
    options = FusionOptions("bert")
    options.enable_attention = attentions
    options.enable_rotary_embeddings = False  # takes minutes to find none in a DeBERTa
    options.enable_embed_layer_norm = False  # would hide what is changed later
    options.enable_skip_layer_norm = False  # slower than the two nodes it replaces
    options.enable_bias_skip_layer_norm = False
    options.use_multi_head_attention = True  # leaves its products outside, over all texts at once
    options.enable_bias_gelu = False  # an integer product adds a bias at no cost
    with _quiet():
        fused = optimize_model(
            str(file),
            "bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            optimization_options=options,
            opt_level=0,
        )
    model: ModelProto = fused.model
    if MICROSOFT not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    return model


def is_fused(model: ModelProto, config: PretrainedConfig) -> bool:
    """Tell whether the attention of every layer is one node."""
    layers: int = config.num_hidden_layers
    return len(find_attentions(model.graph)) == layers


def fix_inputs(model: ModelProto) -> None:
    """Let `input_ids` be the only input: every token counts, and is of the first segment.

    That holds because only texts of equal length are served together, and no pairs of texts.
    """
    graph = model.graph
    constants = {"attention_mask": 1, "token_type_ids": 0}
    for name in [value.name for value in graph.input if value.name in constants]:
        value = helper.make_tensor(name, TensorProto.INT64, [1], [constants[name]])
        graph.node.insert(
            0, helper.make_node("ConstantOfShape", ["ids_shape"], [name], value=value)
        )
    graph.node.insert(0, helper.make_node("Shape", ["input_ids"], ["ids_shape"]))
    inputs = [value for value in graph.input if value.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)
    drop_unused(graph)


def fold_constants(model: ModelProto) -> ModelProto:
    """Compute what does not depend on the text, which onnxruntime would do at every start."""
    with tempfile.TemporaryDirectory() as temporary:
        file, folded = Path(temporary) / MODEL, Path(temporary) / "folded.onnx"
        onnx.save(model, file)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        options.log_severity_level = LOG_ERRORS
        onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"], disabled_optimizers=KEEP_PRODUCTS
        )
        return onnx.load(folded)
