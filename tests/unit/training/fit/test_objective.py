import math

import numpy as np
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


def test_the_label_counts_alone_where_no_weight_is_given_to_the_group(
    model: DistilBertForSequenceClassification,
) -> None:
    # GIVEN no weight for groups WHEN the loss is taken
    loss = Objective(model, 5, 0.0, 0.0)(INPUTS, MASK, TARGETS, GROUPS)
    # THEN it is the model's own, and there is nothing beside the model to learn
    assert loss.item() == pytest.approx(model(INPUTS, MASK, labels=LABELS).loss.item())
    assert Objective(model, 5, 0.0, 0.0).group_head is None


def test_the_group_adds_its_weighted_loss(model: DistilBertForSequenceClassification) -> None:
    # GIVEN a head that finds every one of five groups equally likely
    objective = Objective(model, 5, 0.5, 0.0)
    assert objective.group_head is not None
    torch.nn.init.zeros_(objective.group_head.weight)
    torch.nn.init.zeros_(objective.group_head.bias)
    # WHEN the loss is taken
    loss = objective(INPUTS, MASK, TARGETS, GROUPS)
    # THEN to the label's loss comes half of log 5
    alone = model(INPUTS, MASK, labels=LABELS).loss
    assert loss.item() == pytest.approx(alone.item() + 0.5 * math.log(5))


def test_the_encoder_learns_from_the_groups(model: DistilBertForSequenceClassification) -> None:
    # GIVEN the same texts of other groups
    objective = Objective(model, 5, 0.5, 0.0)
    weight = model.distilbert.embeddings.word_embeddings.weight

    losses = [objective(INPUTS, MASK, TARGETS, groups) for groups in (GROUPS, GROUPS.flip(0))]
    # WHEN each loss is followed back THEN the embeddings are drawn elsewhere
    one, other = (torch.autograd.grad(loss, weight)[0] for loss in losses)
    assert not torch.allclose(one, other)


def test_each_head_makes_a_classifier_of_the_labels(
    model: DistilBertForSequenceClassification,
) -> None:
    # GIVEN five groups of two labels
    objective = Objective(model, 5, 0.5, 0.0)
    assert objective.group_head is not None
    # WHEN what was learnt is asked for
    own, grouped = objective.classifiers(np.array([1, 0, 1, 0, 1]), ["dull", "bright"])
    # THEN there is the model, and one with an output a group, those of a label side by side
    assert own is model
    assert list(grouped.config.id2label.values()) == ["dull", "dull", "bright", "bright", "bright"]
    first = model.distilbert(INPUTS, MASK)[0][:, 0]
    expected = objective.group_head(first)[:, [1, 3, 0, 2, 4]]
    torch.testing.assert_close(grouped(INPUTS, MASK).logits, expected, atol=1e-4, rtol=1e-4)


def test_groups_that_lack_a_label_make_no_classifier(
    model: DistilBertForSequenceClassification,
) -> None:
    heads = Objective(model, 5, 0.5, 0.0).classifiers(np.zeros(5, np.int64), ["dull", "bright"])
    assert len(list(heads)) == 1
