import math

import pytest
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from training.fit.objective import Objective

INPUTS = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1]])
MASK = torch.ones_like(INPUTS)
LABELS = torch.tensor([0, 1])
TARGETS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
GROUPS = torch.tensor([4, 0])


@pytest.fixture
def model() -> DistilBertForSequenceClassification:
    """Two labels, random weights, no dropout."""
    torch.manual_seed(0)
    config = DistilBertConfig(vocab_size=5, dim=8, hidden_dim=16, n_layers=1, n_heads=2)
    config.id2label, config.label2id = {0: "dull", 1: "bright"}, {"dull": 0, "bright": 1}
    return DistilBertForSequenceClassification(config).eval()


def test_without_a_weight_for_groups_only_the_label_counts(
    model: DistilBertForSequenceClassification,
) -> None:
    # GIVEN no weight for groups WHEN the loss is computed
    loss = Objective(model, 5, 0.0, 0.0)(INPUTS, MASK, TARGETS, GROUPS)
    # THEN it is the model's own, and there is no second head
    assert loss.item() == pytest.approx(model(INPUTS, MASK, labels=LABELS).loss.item())
    assert Objective(model, 5, 0.0, 0.0).group_head is None


def test_the_group_adds_its_weighted_loss(model: DistilBertForSequenceClassification) -> None:
    # GIVEN a head that finds each of five groups equally likely
    objective = Objective(model, 5, 0.5, 0.0)
    assert objective.group_head is not None
    torch.nn.init.zeros_(objective.group_head.weight)
    torch.nn.init.zeros_(objective.group_head.bias)
    # WHEN the loss is computed
    loss = objective(INPUTS, MASK, TARGETS, GROUPS)
    # THEN half of log 5 is added to the loss of the label
    alone = model(INPUTS, MASK, labels=LABELS).loss
    assert loss.item() == pytest.approx(alone.item() + 0.5 * math.log(5))


def test_the_encoder_learns_from_the_groups(model: DistilBertForSequenceClassification) -> None:
    # GIVEN the same texts in different groups
    objective = Objective(model, 5, 0.5, 0.0)
    weight = model.distilbert.embeddings.word_embeddings.weight
    losses = [objective(INPUTS, MASK, TARGETS, groups) for groups in (GROUPS, GROUPS.flip(0))]
    # WHEN the gradients are computed THEN they pull the embeddings in different directions
    one, other = (torch.autograd.grad(loss, weight)[0] for loss in losses)
    assert not torch.allclose(one, other)
