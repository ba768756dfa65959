import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

from training import tasks
from training.fit import text_model
from training.fit.base_model import load_pretrained
from training.fit.encoder import EncoderClassifier, Pooling, read_pooling

LABELS = tasks.NEWS.labels
TEXTS = ["Fed holds rates as inflation cools", "x", "Apple unveils new phone"]
CPU = torch.device("cpu")


def load(folder: Path, pooling: Pooling = "mean") -> tuple[EncoderClassifier, list[list[int]]]:
    """Make a classifier of a base model, and the token ids of a few texts."""
    model, tokenizer = load_pretrained(str(folder), LABELS, pooling=pooling)
    assert isinstance(model, EncoderClassifier)
    return model, text_model.encode(tokenizer, TEXTS)


# PyTorch's compiler, which a ModernBERT imports, uses deprecated parts of PyTorch.
MODERNBERT = pytest.param(
    "modernbert", marks=pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
)


@pytest.mark.parametrize("kind", ["mpnet", "roberta", MODERNBERT])
@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_padding_changes_no_answer(
    kind: str, pooling: Pooling, request: pytest.FixtureRequest
) -> None:
    # GIVEN an encoder whose padding has its own number, and texts of different lengths
    model, token_ids = load(request.getfixturevalue(kind), pooling)
    # WHEN they are predicted together, and so padded
    logits = text_model.compute_logits(model, token_ids, CPU)
    # THEN each has the logits that it has alone
    alone = [text_model.compute_logits(model, [ids], CPU)[0] for ids in token_ids]
    np.testing.assert_allclose(logits, alone, atol=1e-6)
    assert abs(logits - logits[0]).max() > 1e-3


def test_the_head_reads_the_mean_of_all_tokens_or_the_first_at_norm_1(mpnet: Path) -> None:
    # GIVEN the last hidden states of a text
    model, token_ids = load(mpnet)
    first, _ = load(mpnet, "first")
    encoder = AutoModel.from_pretrained(mpnet).eval()
    with torch.no_grad():
        states = encoder(torch.tensor(token_ids[:1])).last_hidden_state[0]
    # WHEN features are computed for both kinds of pooling THEN they are those states' directions
    mean = text_model.compute_features(model, token_ids, CPU)[0]
    np.testing.assert_allclose(mean, states.mean(0) / states.mean(0).norm(), atol=1e-6)
    alone = text_model.compute_features(first, token_ids, CPU)[0]
    np.testing.assert_allclose(alone, states[0] / states[0].norm(), atol=1e-6)


@pytest.mark.parametrize("kind", ["mpnet", "roberta", MODERNBERT])
def test_the_last_hidden_state_is_the_one_that_the_head_reads(
    kind: str, request: pytest.FixtureRequest
) -> None:
    # GIVEN an encoder, of which a ModernBERT normalises its last state only after listing it
    model, token_ids = load(request.getfixturevalue(kind))
    model.eval()
    inputs = torch.tensor(token_ids[:1])
    # WHEN it lists its hidden states
    with torch.no_grad():
        states = model(inputs, torch.ones_like(inputs), output_hidden_states=True).hidden_states
    # THEN the last one, pooled, is what the head reads
    pooled = model.extract_features(states[-1], torch.ones_like(inputs))
    features = text_model.compute_features(model, token_ids[:1], CPU)
    np.testing.assert_allclose(pooled.numpy(), features, atol=1e-6)


def test_bf16_products_leave_the_head_in_fp32(mpnet: Path) -> None:
    # GIVEN a model whose products are computed in bf16, which has three digits
    model, token_ids = load(mpnet)
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([1.001, 1.002, 1.003, 1.004]))
        model.classifier.weight.zero_()
    # WHEN it predicts THEN its logits have more
    logits = text_model.compute_logits(model, token_ids, CPU, torch.bfloat16)
    np.testing.assert_allclose(logits[0], [1.001, 1.002, 1.003, 1.004], rtol=1e-6)


def test_a_saved_model_is_a_folder_of_its_encoder(mpnet: Path, tmp_path: Path) -> None:
    # GIVEN a saved model
    model, _ = load(mpnet)
    model.save_pretrained(tmp_path)
    # WHEN `transformers` loads the encoder from the folder THEN its weights are those of the model
    encoder = AutoModel.from_pretrained(tmp_path)
    for name, weights in model.base_model.state_dict().items():
        assert torch.equal(encoder.state_dict()[name], weights), name
    assert read_pooling(tmp_path) == "mean"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_weights_of_half_precision_are_trained_and_loaded_in_fp32(
    mpnet: Path, tmp_path: Path
) -> None:
    # GIVEN a base model that was saved in half precision
    AutoModel.from_pretrained(mpnet).half().save_pretrained(tmp_path / "half")
    for file in mpnet.glob("tokenizer*"):
        (tmp_path / "half" / file.name).write_bytes(file.read_bytes())
    # WHEN a classifier is made of it, saved and loaded
    model, _ = load(tmp_path / "half")
    model.save_pretrained(tmp_path)
    again = EncoderClassifier.load(str(tmp_path), AutoConfig.from_pretrained(tmp_path))
    # THEN all is in fp32, and nothing was rounded on the way
    for name, weights in model.state_dict().items():
        assert weights.dtype == torch.float32
        assert torch.equal(again.state_dict()[name], weights), name


def test_weights_of_another_shape_are_an_error(mpnet: Path, tmp_path: Path) -> None:
    # GIVEN a folder whose configuration is of another model than its weights
    model, _ = load(mpnet)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 16}))
    # WHEN it is loaded THEN the error says what does not fit
    with pytest.raises(ValueError, match=r"model\.safetensors does not fit config\.json"):
        EncoderClassifier.load(str(tmp_path), AutoConfig.from_pretrained(tmp_path))


def test_the_layer_that_pools_for_other_tasks_is_dropped(roberta: Path, tmp_path: Path) -> None:
    # GIVEN a RoBERTa, which has one WHEN a classifier is made of it and saved
    assert AutoModel.from_pretrained(roberta).pooler is not None
    model, _ = load(roberta)
    model.save_pretrained(tmp_path)
    # THEN there are no weights that no answer depends on
    assert not [name for name in load_file(tmp_path / "model.safetensors") if "pooler" in name]
