from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import FNetConfig

from tests import tiny_encoders
from tests.unit.training.export.conftest import Exported
from training.export.graph import require_exportable, write_graph
from training.export.nodes import ATTENTION, INTEGER_PRODUCT
from training.fit import text_model
from training.fit.base_model import load_pretrained
from training.fit.encoder import Pooling
from training.fit.exportable import FUSED
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


def test_a_kind_that_has_no_export_is_refused_with_the_way_out(tmp_path: Path) -> None:
    # GIVEN a trained model of such a kind
    FNetConfig().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").touch()
    # WHEN it is to be exported THEN the error says what to do
    with pytest.raises(
        ModelError, match=rf"kind, fnet. .* `textclf train --teachers {tmp_path} …`"
    ):
        require_exportable(tmp_path)


@pytest.mark.parametrize("kind", ["exported", "exported_mean"])
def test_a_distilbert_has_nothing_to_note(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    # GIVEN a DistilBERT WHEN its graph is written
    exported: Exported = request.getfixturevalue(kind)
    written = write_graph(exported.folder, tmp_path, 16, [[2, 3]])
    # THEN it is fused, in integers, and its manifest is as it always was
    assert written.fused
    assert written.to_json() == {}


@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("kind", ["roberta", "camembert", "mpnet", "albert"])
def test_a_graph_of_another_kind_answers_like_its_model(
    kind: str, pooling: Pooling, tmp_path: Path
) -> None:
    # GIVEN an encoder whose graph is fused, or one whose is not
    base = getattr(tiny_encoders, f"write_{kind}")(tmp_path)
    model, tokenizer = load_pretrained(str(base), ["a", "b", "c"], pooling=pooling)
    torch.nn.init.normal_(model.classifier.weight)
    tokenizer.enable_truncation(40)
    text_model.save(model, tokenizer, base)
    # WHEN its graph is written, and reads texts of many lengths
    random = np.random.default_rng(0)
    texts = [[0, *random.integers(5, 500, n).tolist(), 2] for n in range(1, 38)]
    written = write_graph(base, base, 40, texts)
    session = onnxruntime.InferenceSession(base / "model.onnx")
    logits = np.concatenate([session.run(None, {"input_ids": np.array([ids])})[0] for ids in texts])
    # THEN its answers are the model's, and no more positions are kept than texts can have
    expected = text_model.compute_logits(model, texts, torch.device("cpu"))
    assert written.fused == (kind in FUSED)
    assert (logits - expected).std() < expected.std() / 5
    graph = onnx.load(base / "model.onnx").graph
    positions = [one for one in graph.initializer if "position_embeddings" in one.name]
    assert [one.dims[0] for one in positions] == [40 + 2]


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
