"""Encoders of many kinds and tokenizers: trained, evaluated, exported and served."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from inference.model.explanation import find_hiding_token
from tests import tiny_encoders
from tests.conftest import HEADLINES
from tests.scripts import make_texts, write_texts
from textclf.app import main
from training.export.nodes import ATTENTION, INTEGER_PRODUCT
from training.labels.encoder import BundleEncoder

QUICK = ["--epochs", "4", "--learning-rate", "2e-3", "--batch-size", "16", "--evaluations", "1"]
QUICK += ["--precision", "fp32", "--averaging", "0.9", "--max-length", "60"]
TEXTS = [text for text, _ in make_texts()]
LINES = ["Shares fall on Monday", "Flu shots cut hospital stays", "A film about nothing at all"]

# How each is written, the pooling of its head, and whether its attentions are fused.
KINDS: dict[str, tuple[Callable[[Path], Path], str, bool]] = {
    "roberta": (tiny_encoders.write_roberta, "first", True),
    "mpnet": (tiny_encoders.write_mpnet, "mean", False),
    "electra": (tiny_encoders.write_electra, "first", True),
    "modernbert": (tiny_encoders.write_modernbert, "mean", False),
    "xlm-roberta": (lambda folder: tiny_encoders.write_xlm_roberta(folder, TEXTS), "mean", True),
    "deberta-v2": (lambda folder: tiny_encoders.write_deberta(folder, TEXTS), "first", False),
}
MULTILINGUAL = ("xlm-roberta", "deberta-v2")


# The modules of ModernBERT and DeBERTa compile with what torch has deprecated.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_of_any_kind_is_trained_exported_and_served(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an encoder with random weights, and texts that its tokenizer reads
    write, pooling, fused = KINDS[kind]
    data = ["--data", str(HEADLINES), "--max-rows", "240"]
    if kind in MULTILINGUAL:
        columns = ["--text-column", "text", "--label-column", "topic"]
        data = ["--task", "topics", "--data", str(write_texts(tmp_path / "texts.csv")), *columns]
    model, texts = tmp_path / "model", TEXTS[:6] if kind in MULTILINGUAL else LINES
    base = write(tmp_path)
    # WHEN it is trained, evaluated and exported
    options = ["--base-model", str(base), "--pooling", pooling, "--output", str(model)]
    assert main(["train", *data, *QUICK, *options]) == 0
    trained = capsys.readouterr().out
    assert main(["evaluate", str(model)]) == 0
    assert main(["export", str(model), "--allow-worse"]) == 0
    exported = capsys.readouterr().out
    # THEN both say beforehand and afterwards if it is slow to serve
    assert ("not fused" in trained, "not fused" in exported) == (not fused, not fused)
    # AND the bundle passed the gate, and is in integers
    bundle = read_verified(model / "bundle")
    quantization = bundle.manifest.quantization
    assert quantization.get("fused") is (None if fused else False)
    assert quantization["max_change"] < 0.1
    graph = onnx.load(bundle.folder / "model.onnx", load_external_data=False).graph
    operators = [node.op_type for node in graph.node]
    assert operators.count(ATTENTION) == (3 if fused else 0)
    assert operators.count(INTEGER_PRODUCT) >= 3 * 4
    assert [value.name for value in graph.input] == ["input_ids"]
    # AND answers do not depend on the other texts of a list
    classifier = Classifier.load(bundle)
    together, alone = classifier.predict(texts), [classifier.predict([text])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert list(one.probabilities.values()) == pytest.approx(
            list(other.probabilities.values()), abs=1e-4
        )
    # AND its words are explained, hidden by its own mask token
    token = "[MASK]" if kind == "electra" else "<mask>"
    assert find_hiding_token(classifier._tokenizer) == classifier._tokenizer.token_to_id(token)
    capsys.readouterr()
    uri = str(bundle.folder)
    assert main(["explain", texts[0], "--model-uri", uri, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["explanation"]
    # AND `labels` represents texts by what the head reads
    states = BundleEncoder(bundle).encode(texts)
    assert states.shape == (len(texts), 32)
    assert np.linalg.norm(states, axis=1) == pytest.approx(1, abs=1e-3)


def test_a_vocabulary_other_than_a_berts_is_never_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = str(tiny_encoders.write_roberta(tmp_path))
    options = ["--data", str(HEADLINES), "--output", str(tmp_path / "model"), "--base-model", base]
    assert main(["train", *options, "--vocabulary", "300"]) == 1
    assert "--vocabulary: only the vocabulary of a BERT" in capsys.readouterr().err
