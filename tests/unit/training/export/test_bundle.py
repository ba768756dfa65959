import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import TinyModel
from training.evaluate import evaluation as evaluate
from training.evaluate import metrics
from training.export import bundle as export
from training.export.graph import ATTENTION, INTEGER_PRODUCT, write_graph
from training.fit import distilbert
from training.fit.objective import Objective


@dataclass(frozen=True)
class Written:
    """A model, and what was made of it."""

    model: DistilBertForSequenceClassification
    file: Path
    token_ids: NDArray[np.int64]


@pytest.fixture
def model(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """A copy of the tiny model's folder to spoil."""
    shutil.copytree(tiny_model.folder, tmp_path / "model")
    return tmp_path / "model"


def test_a_bundle_is_verified_by_its_own_version(tiny_model: TinyModel) -> None:
    manifest, version = read_verified(tiny_model.bundle)
    assert read_verified(tiny_model.bundle, version) == (manifest, version)
    assert set(manifest.files) == {file.name for file in tiny_model.bundle.iterdir()} - {
        "manifest.json"
    }


def test_a_manifest_says_how_the_model_was_made_and_how_good_it_is(tiny_model: TinyModel) -> None:
    manifest, _ = read_verified(tiny_model.bundle)
    assert len(manifest.training["dataset_sha256"]) == 64
    assert 0 < manifest.metrics["int8"]["accuracy"] < 1
    assert "accuracy" in manifest.metrics["baseline"]
    assert "embeddings 4 bits" in manifest.quantization["weights"]
    assert sum(manifest.reference["labels"].values()) == pytest.approx(1)
    assert sum(manifest.reference["confidence"]) == pytest.approx(1)


def test_a_manifest_names_no_folder_of_the_machine_that_made_it(tiny_model: TinyModel) -> None:
    text = (tiny_model.bundle / "manifest.json").read_text()
    assert str(tiny_model.folder.parent) not in text


def test_weights_use_seven_bits(tiny_model: TinyModel) -> None:
    # GIVEN the exported graph
    graph = onnx.load(tiny_model.bundle / "model.onnx").graph
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == INTEGER_PRODUCT]
    # WHEN the weights of its matrix products are looked at
    weights = [tensors[n.input[1]].astype(int) for n in products if n.input[1] in tensors]
    # THEN there are such, and none spans more than the 7 bits that no CPU saturates on
    assert weights
    assert all(abs(matrix).max() <= 63 for matrix in weights)


def test_what_onnxruntime_repacks_and_nothing_else_stands_beside_the_graph(
    tiny_model: TinyModel,
) -> None:
    # GIVEN the exported graph, without what stands in other files
    graph = onnx.load(tiny_model.bundle / "model.onnx", load_external_data=False).graph
    packed = {node.input[1] for node in graph.node if node.op_type == INTEGER_PRODUCT}
    # WHEN its weights in files are looked at
    external = {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data}
        for tensor in graph.initializer
        if tensor.external_data
    }
    # THEN they are those of the integer products, which no running model reads from the file
    assert external.keys() == packed
    assert {place["location"] for place in external.values()} == {"model.onnx.data"}


@pytest.fixture(scope="module")
def three_layers(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A model of three layers, random in every weight and bias, and its graph."""
    config = DistilBertConfig.from_pretrained(tiny_base)
    config.n_layers, config.initializer_range = 3, 0.1
    torch.manual_seed(0)
    model = DistilBertForSequenceClassification(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.5)
    tokenizer = Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    folder = tmp_path_factory.mktemp("three")
    distilbert.save(model, tokenizer, folder)
    token_ids = np.random.default_rng(0).integers(5, tokenizer.get_vocab_size(), (64, 12))
    write_graph(folder, folder, 64, token_ids.tolist())
    return Written(model, folder / "model.onnx", token_ids)


def test_a_graph_answers_as_its_model(three_layers: Written) -> None:
    # GIVEN texts that the model tells apart
    inputs = three_layers.token_ids
    with torch.no_grad():
        expected = three_layers.model(torch.from_numpy(inputs)).logits.numpy()
    assert expected.std() > 0.2
    # WHEN its graph reads them
    (found,) = onnxruntime.InferenceSession(three_layers.file).run(None, {"input_ids": inputs})
    # THEN what integers change of its answers is small beside what texts do
    assert (found - expected).std() < expected.std() / 5


def test_what_can_be_one_node_is_one(three_layers: Written) -> None:
    # GIVEN a graph WHEN its nodes are counted
    nodes = onnx.load(three_layers.file, load_external_data=False).graph.node
    kinds = Counter(node.op_type for node in nodes)
    # THEN a layer has an attention, an activation and six products, which add their biases
    assert kinds[ATTENTION] == kinds["Gelu"] == 3
    assert kinds[INTEGER_PRODUCT] == 6 * 3 + 1
    assert kinds["Add"] == 2 * 3 + 1  # what goes around them; the position embeddings


def test_the_last_attention_asks_for_the_first_token_alone(three_layers: Written) -> None:
    # GIVEN a graph and texts of 12 tokens
    shown = onnx.load(three_layers.file)
    attentions = [node for node in shown.graph.node if node.op_type == ATTENTION]
    names = [name for attention in attentions for name in attention.input[:3]]
    shown.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    # WHEN it reads them
    session = onnxruntime.InferenceSession(shown.SerializeToString())
    states = session.run(names, {"input_ids": three_layers.token_ids})
    # THEN the queries of the last attention alone are of one token
    assert [part.shape[1] for part in states] == [12, 12, 12, 12, 12, 12, 1, 12, 12]


def test_embeddings_use_four_bits(tiny_model: TinyModel) -> None:
    # GIVEN the exported graph and the weights it was made of
    graph = onnx.load(tiny_model.bundle / "model.onnx").graph
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    table = "distilbert.embeddings.word_embeddings.weight"
    exact = load_file(tiny_model.folder / "model.safetensors")[table]
    # WHEN the two halves of each word's bytes are taken apart
    packed = tensors[f"{table}_uint4"]
    values = np.hstack([packed & 15, packed >> 4]).astype(float) - 8
    # THEN they are the embeddings, to a seventh of the greatest value or better
    assert packed.dtype == np.uint8
    assert packed.shape == (exact.shape[0], exact.shape[1] // 2)
    error = np.square(values * tensors[f"{table}_scale"] - exact).mean()
    assert error < np.square(exact).mean() / 50


def test_positions_that_no_text_reaches_are_left_out(model: Path) -> None:
    # GIVEN a model of 64 positions WHEN its graph is written for texts of 16 wordpieces
    write_graph(model, model, 16, [[2, 3]])
    # THEN it has 16 position embeddings
    graph = onnx.load(model / "model.onnx").graph
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    assert sizes["distilbert.embeddings.position_embeddings.weight"] == (16, 128)


def test_a_bundle_that_lost_accuracy_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a quantizer gone wrong: the answers of the bundle are turned about
    predict = Classifier.predict
    monkeypatch.setattr(Classifier, "predict", lambda self, texts: predict(self, texts)[::-1])
    # WHEN the model is exported
    code = export.main([str(model), "--output", str(model / "refused")])
    # THEN it is refused with the numbers, and nothing is written
    captured = capsys.readouterr()
    assert code == export.REFUSED
    assert "of labels agree" in captured.out
    assert "refused: int8" in captured.err
    assert not (model / "refused").exists()


@pytest.mark.parametrize(
    ("accuracy_drop", "agreement", "message"),
    [(0.51, 100.0, "loses 0.51 points"), (0.0, 98.49, "agrees with fp32 on 98.49 %")],
)
def test_each_limit_of_the_gate_holds(accuracy_drop: float, agreement: float, message: str) -> None:
    with pytest.raises(export.GateError, match=message):
        export.gate({"accuracy_drop": accuracy_drop, "agreement": agreement})


def test_the_gate_lets_pass_what_is_within_its_limits() -> None:
    export.gate({"accuracy_drop": 0.5, "agreement": 98.5})


def test_a_folder_that_is_no_bundle_is_not_replaced(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main([str(model), "--output", str(model)]) == 1
    assert "is no bundle" in capsys.readouterr().err
    assert (model / "model.safetensors").exists()


def test_a_model_that_is_not_evaluated_is_not_exported(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN weights that changed after the evaluation
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    # WHEN the model is exported THEN it says what to run
    assert export.main([str(model)]) == 1
    assert "run training.evaluate.evaluation" in capsys.readouterr().err


def test_a_folder_without_a_model_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([str(tmp_path)]) == 1
    assert "run training.fit.train first" in capsys.readouterr().err


def test_data_that_changed_is_an_error(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a record of another data set
    record = json.loads((model / "training.json").read_text())
    record["dataset_sha256"] = "0" * 64
    (model / "training.json").write_text(json.dumps(record))
    # WHEN the model is evaluated THEN its figures would not be comparable
    assert evaluate.main([str(model)]) == 1
    assert "has changed since" in capsys.readouterr().err


def test_a_report_shows_the_baseline_beside_both_models(tiny_model: TinyModel) -> None:
    report = (tiny_model.folder / "report.md").read_text()
    for line in ("TF-IDF(1,2) + LinearSVC", "DistilBERT, fp32", "DistilBERT, int8", "## Gate"):
        assert line in report
    for plot in ("confusion.png", "reliability.png"):
        assert (tiny_model.folder / plot).read_bytes().startswith(b"\x89PNG")


def test_a_label_of_several_groups_is_as_probable_as_all_of_them(
    tiny_base: Path, tmp_path: Path
) -> None:
    # GIVEN a model that tells groups apart: one is dull, three are bright
    config = DistilBertConfig.from_pretrained(tiny_base)
    config.id2label = {0: "dull", 1: "bright"}
    config.label2id = {"dull": 0, "bright": 1}
    torch.manual_seed(0)
    both = Objective(DistilBertForSequenceClassification(config), 4, 0.5, 0)
    _, model = both.classifiers(np.array([0, 1, 1, 1]), ["dull", "bright"])
    distilbert.save(model, Tokenizer.from_file(str(tiny_base / "tokenizer.json")), tmp_path)
    # WHEN its graph is written
    token_ids = [[2, 9, 8, 7, 3]]
    write_graph(tmp_path, tmp_path, 64, token_ids)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (logits,) = session.run(None, {"input_ids": np.array(token_ids)})
    # THEN it has an output a label, whose softmax sums the probabilities of the four
    outputs = metrics.softmax(model.eval()(torch.tensor(token_ids)).logits.detach().numpy())
    expected = [outputs[0, 0], outputs[0, 1:].sum()]
    assert metrics.softmax(logits)[0] == pytest.approx(expected, abs=0.01)
    scored = distilbert.logits(model, token_ids, torch.device("cpu"))
    assert metrics.softmax(scored)[0] == pytest.approx(expected, abs=1e-6)
    # AND its head, which takes off again what it lifted, is exact
    nodes = onnx.load(tmp_path / "model.onnx").graph.node
    assert [n.op_type for n in nodes if "classifier.weight" in n.input] == ["Gemm"]
