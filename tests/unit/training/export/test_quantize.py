import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import NodeProto
from safetensors.numpy import load_file

from tests.unit.training.export.conftest import Exported
from training.export.nodes import INTEGER_PRODUCT

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
