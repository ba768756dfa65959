from collections import Counter
from pathlib import Path

import onnx
import onnxruntime
import torch

from tests.unit.training.export.conftest import Exported
from training.export.graph import write_graph
from training.export.nodes import ATTENTION, INTEGER_PRODUCT


def test_a_graph_answers_like_its_model(exported: Exported) -> None:
    # GIVEN texts that the model tells apart
    inputs = exported.token_ids
    with torch.no_grad():
        expected = exported.model(torch.from_numpy(inputs)).logits.numpy()
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
