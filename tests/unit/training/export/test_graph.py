from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import MPNetConfig

from tests.unit.training.export.conftest import Exported
from training.export.graph import require_exportable, write_graph
from training.export.nodes import ATTENTION, INTEGER_PRODUCT
from training.fit import text_model
from training.fit.text_model import ModelError


@pytest.mark.parametrize("kind", ["exported", "exported_mean"])
def test_a_graph_answers_like_its_model(kind: str, request: pytest.FixtureRequest) -> None:
    # GIVEN texts that the model tells apart
    exported: Exported = request.getfixturevalue(kind)
    inputs = exported.token_ids
    expected = text_model.compute_logits(exported.model, inputs.tolist(), torch.device("cpu"))
    assert expected.std() > 0.2
    # WHEN its graph reads them
    (logits,) = onnxruntime.InferenceSession(exported.graph).run(None, {"input_ids": inputs})
    # THEN integers change the answers far less than another text does
    assert (logits - expected).std() < expected.std() / 5


def test_a_layer_has_one_attention_one_activation_and_six_products(exported: Exported) -> None:
    # GIVEN a graph of three layers WHEN its nodes are counted
    nodes = onnx.load(exported.graph, load_external_data=False).graph.node
    kinds = Counter(node.op_type for node in nodes)
    # THEN the nodes are fused, and every product adds its own bias
    assert kinds[ATTENTION] == kinds["Gelu"] == 3
    assert kinds[INTEGER_PRODUCT] == 6 * 3 + 1
    assert kinds["Add"] == 2 * 3 + 1  # residual connections; the position embeddings


def test_the_mean_of_all_tokens_is_classified_with_the_same_integer_products(
    exported_mean: Exported,
) -> None:
    # GIVEN the graph of a model that classifies the mean WHEN its nodes are counted
    nodes = onnx.load(exported_mean.graph, load_external_data=False).graph.node
    kinds = Counter(node.op_type for node in nodes)
    # THEN all layers are fused and computed in integers, and only the small head is not
    assert kinds[ATTENTION] == kinds["Gelu"] == 3
    assert kinds[INTEGER_PRODUCT] == 6 * 3
    assert kinds["Add"] == 2 * 3 + 1
    assert kinds["MatMul"] == 0
    assert [node.op_type for node in nodes][-3:] == ["ReduceMean", "LpNormalization", "Gemm"]


@pytest.mark.parametrize("kind", ["exported", "exported_mean"])
def test_the_other_texts_of_a_list_change_no_answer(
    kind: str, request: pytest.FixtureRequest
) -> None:
    # GIVEN a graph, and 64 texts of one length
    exported: Exported = request.getfixturevalue(kind)
    session = onnxruntime.InferenceSession(exported.graph)
    # WHEN it reads them together and one by one
    (together,) = session.run(None, {"input_ids": exported.token_ids})
    alone = [session.run(None, {"input_ids": ids[None]})[0][0] for ids in exported.token_ids]
    # THEN the answers are the same, up to the rounding of the last sums
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_only_a_distilbert_can_be_exported(tmp_path: Path) -> None:
    # GIVEN a trained model of another kind
    MPNetConfig().save_pretrained(tmp_path)
    # WHEN it is to be exported THEN the error says what to do
    with pytest.raises(
        ModelError, match=rf"kind mpnet, .* `textclf train --teachers {tmp_path} …`"
    ):
        require_exportable(tmp_path)


def test_the_last_attention_alone_queries_only_the_first_token(exported: Exported) -> None:
    # GIVEN a graph that shows the inputs of its attentions, and texts of 12 tokens
    shown = onnx.load(exported.graph)
    attentions = [node for node in shown.graph.node if node.op_type == ATTENTION]
    names = [name for attention in attentions for name in attention.input[:3]]
    shown.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    # WHEN it reads them
    session = onnxruntime.InferenceSession(shown.SerializeToString())
    states = session.run(names, {"input_ids": exported.token_ids})
    # THEN only the last queries are of one token
    assert [part.shape[1] for part in states] == [12, 12, 12, 12, 12, 12, 1, 12, 12]


def test_positions_that_no_text_reaches_are_left_out(exported: Exported, tmp_path: Path) -> None:
    # GIVEN a model of 64 positions WHEN its graph is written for texts of 16 wordpieces
    write_graph(exported.folder, tmp_path, 16, [[2, 3]])
    # THEN it has 16 position embeddings
    graph = onnx.load(tmp_path / "model.onnx").graph
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    assert sizes["distilbert.embeddings.position_embeddings.weight"] == (16, 128)


def test_the_second_file_holds_the_weights_that_onnxruntime_repacks_and_no_others(
    exported: Exported,
) -> None:
    # GIVEN a graph without the weights in the second file
    graph = onnx.load(exported.graph, load_external_data=False).graph
    packed = {node.input[1] for node in graph.node if node.op_type == INTEGER_PRODUCT}
    # WHEN the missing weights are listed
    external = {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data}
        for tensor in graph.initializer
        if tensor.external_data
    }
    # THEN they are those of the integer products, which a running model never reads again
    assert external.keys() == packed
    assert {place["location"] for place in external.values()} == {"model.onnx.data"}


def test_the_same_model_gives_the_same_bytes(exported: Exported, tmp_path: Path) -> None:
    # GIVEN a graph WHEN it is written again
    write_graph(exported.folder, tmp_path, 64, exported.token_ids.tolist())
    # THEN both files are equal
    for name in ("model.onnx", "model.onnx.data"):
        assert (tmp_path / name).read_bytes() == (exported.folder / name).read_bytes()
