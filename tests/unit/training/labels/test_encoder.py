from dataclasses import replace

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tqdm import tqdm

from inference.model.bundle import Bundle, read_verified
from inference.model.windows import Windows
from tests.conftest import SAMPLE_MODEL
from training.labels.encoder import BundleEncoder, EncoderError, find_state


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_verified(SAMPLE_MODEL)


def make_graph(nodes: list[onnx.NodeProto], output: str) -> onnx.GraphProto:
    value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, None)
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [1], [1.0]) for name in ("w", "b")]
    return helper.make_graph(nodes, "graph", [ids], [value], weights)


def test_texts_about_the_same_thing_have_states_that_point_the_same_way(bundle: Bundle) -> None:
    # GIVEN two texts about health, and one about business
    texts = ["Flu shots cut hospital stays", "New vaccine against measles", "Shares fall on Monday"]
    # WHEN the encoder of the shipped bundle reads them
    states = BundleEncoder(bundle).encode(texts)
    # THEN the first two are nearer to each other than to the third
    normal = states / np.linalg.norm(states, axis=1, keepdims=True)
    assert states.shape == (3, 384)
    assert normal[0] @ normal[1] > max(normal[0] @ normal[2], normal[1] @ normal[2])


def test_the_state_of_a_text_does_not_depend_on_the_other_texts(bundle: Bundle) -> None:
    encoder = BundleEncoder(bundle)
    alone = encoder.encode(["Shares fall on Monday"])
    together = encoder.encode(["Flu", "Shares fall on Monday", "A much longer text about nothing"])
    assert together[1] == pytest.approx(alone[0], abs=1e-5)


def test_a_text_that_is_longer_than_the_model_reads_is_cut(bundle: Bundle) -> None:
    encoder = BundleEncoder(bundle)
    long, longer = "word " * 500, "word " * 501
    assert encoder.encode([long])[0] == pytest.approx(encoder.encode([longer])[0])


def test_progress_counts_windows_in_whole_numbers(bundle: Bundle) -> None:
    # GIVEN a bundle that reads windows of 14 wordpieces, and texts of one and of three of them
    windows = {"schema_version": 3, "max_length": 16, "windows": Windows.make(4, 3)}
    encoder = BundleEncoder(
        replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, **windows))
    )
    texts = ["word", "word " * 36]
    with tqdm(total=len(texts), disable=False) as bar:
        # WHEN they are read THEN the bar ends at four windows, not at a fraction
        encoder._encode(texts, bar)
        assert (str(bar.n), str(bar.total)) == ("4", "4")


def test_the_state_is_what_the_head_reads() -> None:
    # GIVEN a graph whose head is a hidden layer and a linear one
    graph = make_graph(
        [
            helper.make_node("ReduceMean", ["input_ids"], ["mean"]),
            helper.make_node("Gemm", ["mean", "w", "b"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "w", "b"], ["logits"]),
        ],
        "logits",
    )
    # WHEN the state is looked for THEN it is what comes before the hidden layer
    assert find_state(graph) == "mean"


def test_a_graph_without_a_head_is_refused_with_the_way_out() -> None:
    graph = make_graph([helper.make_node("Softmax", ["input_ids"], ["logits"])], "logits")
    with pytest.raises(EncoderError, match="--features words"):
        find_state(graph)
