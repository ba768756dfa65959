from typing import Literal

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper
from safetensors.numpy import load_file

from tests.unit.training.export.conftest import Exported
from training.export.nodes import INTEGER_PRODUCT, add_weights
from training.export.quantize import choose_embedding_bits, quantize_embeddings

WORDS = "distilbert.embeddings.word_embeddings.weight"


@pytest.fixture
def weights(exported: Exported) -> dict[str, NDArray[np.generic]]:
    """The weights and constants of the graph, by name."""
    graph = onnx.load(exported.graph).graph
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


@pytest.fixture
def products(exported: Exported) -> list[NodeProto]:
    """The integer products of the graph."""
    nodes = onnx.load(exported.graph).graph.node
    return [node for node in nodes if node.op_type == INTEGER_PRODUCT]


def test_weights_fit_in_seven_bits(
    products: list[NodeProto], weights: dict[str, NDArray[np.generic]]
) -> None:
    # GIVEN the weights of all products WHEN their greatest values are taken
    greatest = [abs(weights[product.input[1]].astype(int)).max() for product in products]
    # THEN each uses all of the seven bits that no CPU saturates on
    assert greatest == [63] * len(products)


def test_activations_have_fixed_ranges(
    products: list[NodeProto], weights: dict[str, NDArray[np.generic]]
) -> None:
    # GIVEN the products WHEN their scales and zero points are looked up
    for product in products:
        scale, zero = weights[product.input[2]], weights[product.input[4]]
        # THEN both are constants of the graph
        assert scale.item() > 0
        assert zero.dtype == np.uint8


def test_embeddings_fit_in_four_bits(
    exported: Exported, weights: dict[str, NDArray[np.generic]]
) -> None:
    # GIVEN the word embeddings of the model
    exact = load_file(exported.folder / "model.safetensors")[WORDS]
    # WHEN the two halves of each byte of the graph are taken apart
    packed = weights[f"{WORDS}_uint4"].astype(np.uint8)
    values = np.hstack([packed & 15, packed >> 4]).astype(float) - 8
    # THEN they are the embeddings, up to rounding
    assert weights[f"{WORDS}_uint4"].dtype == np.uint8
    assert packed.shape == (exact.shape[0], exact.shape[1] // 2)
    error = np.square(values * weights[f"{WORDS}_scale"].astype(float) - exact).mean()
    assert error < np.square(exact).mean() / 50


def make_lookup(table: NDArray[np.float32]) -> onnx.ModelProto:
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])
    states = helper.make_tensor_value_info("states", TensorProto.FLOAT, None)
    gather = helper.make_node("Gather", ["words", "input_ids"], ["states"])
    graph = helper.make_graph([gather], "graph", [ids], [states])
    add_weights(graph, "words", table)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(
    ("huge", "is_own", "bits"), [(1600, False, 8), (1599, False, 4), (1600, True, 4)]
)
def test_embeddings_have_few_bits_in_our_own_graph_or_if_there_are_very_many(
    huge: int, is_own: bool, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a table of 1,600 values
    monkeypatch.setattr("training.export.quantize.HUGE_TABLE", huge)
    model = make_lookup(np.zeros((50, 32), np.float32))
    # WHEN the bits are chosen THEN only a table of another encoder that is not huge has many
    assert choose_embedding_bits(model.graph, is_own=is_own) == bits


@pytest.mark.parametrize("bits", [4, 8])
def test_embeddings_stay_what_they_were_up_to_a_step(bits: Literal[4, 8]) -> None:
    # GIVEN a table of embeddings
    table = np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32)
    model = make_lookup(table)
    # WHEN it is quantized and read
    quantize_embeddings(model.graph, bits)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (states,) = session.run(None, {"input_ids": np.arange(50)[np.newaxis]})
    # THEN a row is what it was, up to a step of its own
    steps = np.abs(table).max(axis=1, keepdims=True) / 2 ** (bits - 1)
    assert np.abs(states[0] - table).max() > 0
    assert (np.abs(states[0] - table) <= steps * 1.02).mean() > 0.98
    assert {tensor.data_type for tensor in model.graph.initializer} >= {TensorProto.UINT8}
