import pytest
import torch
from transformers import AlbertConfig, AlbertModel, DistilBertConfig
from transformers import DistilBertForSequenceClassification as DistilBert

from training import tasks
from training.fit.base_model import load_pretrained
from training.fit.encoder import EncoderClassifier
from training.fit.objective import Objective
from training.fit.optimizer import (
    find_rates,
    get_learning_rate,
    make_adamw,
    make_averaging,
    set_learning_rate,
)
from training.fit.settings import Settings
from training.fit.text_model import ModelError

SETTINGS = Settings(data="d", output="o", learning_rate=2e-3, warmup=0.1, weight_decay=0.5)
SMALL = {"vocab_size": 5, "dim": 8, "hidden_dim": 16, "n_heads": 2, "n_layers": 3}


@pytest.fixture
def objective() -> Objective:
    """A DistilBERT of three layers that also learns groups."""
    model = DistilBert(DistilBertConfig(**SMALL))
    return Objective(model, SETTINGS.model_copy(update={"group_loss": 0.5}), groups=3)


def test_the_learning_rate_warms_up_and_decays() -> None:
    rates = [get_learning_rate(step, 100, SETTINGS) for step in range(100)]
    assert rates.index(max(rates)) == 9
    assert max(rates) == 2e-3
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.02 * 2e-3


def test_matrices_decay_and_biases_do_not(objective: Objective) -> None:
    # GIVEN a model WHEN its optimizer is made
    matrices, vectors = make_adamw(objective, SETTINGS).param_groups
    # THEN it has two groups with all parameters, and the rate of both is that of the settings
    assert {p.ndim for p in matrices["params"]} == {2}
    assert {p.ndim for p in vectors["params"]} == {1}
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.5, 0.0)
    count = sum(1 for _ in objective.parameters())
    assert len(matrices["params"]) + len(vectors["params"]) == count
    assert matrices["lr"] == vectors["lr"] == 2e-3


def test_heads_learn_at_a_multiple_of_the_rate(objective: Objective) -> None:
    # GIVEN heads that are to learn ten times as fast
    settings = SETTINGS.model_copy(update={"head_rate_times": 10.0})
    optimizer = make_adamw(objective, settings)
    # WHEN the rate of a step is set
    set_learning_rate(optimizer, 1e-4)
    # THEN that of the heads is ten times as large, for the groups' head too
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert len(rates) == sum(1 for _ in objective.parameters())
    for name, parameter in objective.named_parameters():
        is_encoder = name.startswith("model.distilbert.")
        assert rates[id(parameter)] == pytest.approx(1e-4 if is_encoder else 1e-3), name
    # AND matrices alone decay, as before
    for group in optimizer.param_groups:
        expected = 0.5 if group["params"][0].ndim > 1 else 0.0
        assert group["weight_decay"] == expected


def test_a_layer_learns_at_a_share_of_the_rate_of_the_one_above(objective: Objective) -> None:
    # GIVEN three layers, of which each is to learn half as fast as the one above it
    rates = find_rates(objective, SETTINGS.model_copy(update={"layer_decay": 0.5}))
    # WHEN the rates of parameters are looked up THEN the top layer and the head have the full rate
    layer = "model.distilbert.transformer.layer.{}.ffn.lin1.weight"
    assert [rates[layer.format(number)] for number in range(3)] == [0.25, 0.5, 1.0]
    assert rates["model.classifier.weight"] == rates["group_head.bias"] == 1.0
    assert rates["model.distilbert.embeddings.word_embeddings.weight"] == 0.125


@pytest.mark.parametrize("kind", ["mpnet", "roberta"])
def test_layers_of_other_encoders_are_found(kind: str, request: pytest.FixtureRequest) -> None:
    # GIVEN an encoder whose layers have other names
    folder = str(request.getfixturevalue(kind))
    model, _ = load_pretrained(folder, tasks.NEWS.labels)
    settings = SETTINGS.model_copy(update={"layer_decay": 0.5, "head_rate_times": 4.0})
    # WHEN the rates are found THEN they are those of three layers, the embeddings and the head
    rates = find_rates(Objective(model, settings), settings)
    assert set(rates.values()) == {0.125, 0.25, 0.5, 1.0, 4.0}
    assert rates[f"model.{kind}.encoder.layer.0.output.dense.weight"] == 0.25


def test_layers_that_share_their_weights_have_one_rate() -> None:
    # GIVEN an ALBERT, whose layers are all the same
    config = AlbertConfig(
        vocab_size=5, embedding_size=4, hidden_size=8, num_attention_heads=2, intermediate_size=8
    )
    model = EncoderClassifier(AlbertModel(config), tasks.NEWS.labels, "mean")
    settings = SETTINGS.model_copy(update={"layer_decay": 0.9})
    # WHEN its layers are to learn at different rates THEN that is an error
    with pytest.raises(ModelError, match="--layer-decay: the layers of this albert share"):
        make_adamw(Objective(model, settings), settings)
    assert make_adamw(Objective(model, SETTINGS), SETTINGS)


@pytest.mark.parametrize(("updates", "share"), [(0, 0.1), (2, 0.25), (10_000, 0.9)])
def test_the_mean_of_the_weights_follows_faster_in_the_first_steps(
    updates: int, share: float
) -> None:
    # GIVEN a mean of 1 and weights of 0
    mean = [torch.ones(1)]
    # WHEN the mean is updated
    make_averaging(0.9)(mean, [torch.zeros(1)], updates)
    # THEN it keeps a share of itself, which grows up to the decay
    assert mean[0].item() == pytest.approx(share)
