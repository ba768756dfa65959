import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize
from transformers import DistilBertConfig, DistilBertForSequenceClassification, DistilBertModel

from training.fit.encoder import EncoderClassifier
from training.fit.objective import NO_GROUP, Batch, Objective, pool
from training.fit.settings import Settings
from training.fit.text_model import TextModel

INPUTS = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1]])
MASK = torch.ones_like(INPUTS)
LABELS = torch.tensor([0, 1])
TARGETS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
GROUPS = torch.tensor([4, 0])
BATCH = Batch(INPUTS, MASK, TARGETS, GROUPS)
CONFIG = {"vocab_size": 5, "dim": 8, "hidden_dim": 16, "n_layers": 1, "n_heads": 2}


@pytest.fixture
def model() -> DistilBertForSequenceClassification:
    """Two labels, random weights, no dropout."""
    torch.manual_seed(0)
    config = DistilBertConfig(**CONFIG)
    config.id2label, config.label2id = {0: "dull", 1: "bright"}, {"dull": 0, "bright": 1}
    return DistilBertForSequenceClassification(config).eval()


def make_objective(model: TextModel, state_size: int = 0, **changes: object) -> Objective:
    """Make an objective for five groups."""
    values = {"data": "d", "output": "o", "teachers": "t", **changes}
    return Objective(model, Settings.model_validate(values), 5, state_size)


def test_without_further_losses_only_the_label_counts(
    model: DistilBertForSequenceClassification,
) -> None:
    # GIVEN no weight for groups or states WHEN the loss is computed
    objective = make_objective(model)
    # THEN it is the model's own, and there is no further head
    expected = model(INPUTS, MASK, labels=LABELS).loss
    assert objective(*BATCH).item() == pytest.approx(expected.item())
    assert objective.group_head is None
    assert objective.state_head is None


def test_the_group_adds_its_weighted_loss(model: DistilBertForSequenceClassification) -> None:
    # GIVEN a head that finds each of five groups equally likely
    objective = make_objective(model, group_loss=0.5)
    assert objective.group_head is not None
    torch.nn.init.zeros_(objective.group_head.weight)
    torch.nn.init.zeros_(objective.group_head.bias)
    # WHEN the loss is computed
    loss = objective(*BATCH)
    # THEN half of log 5 is added to the loss of the label
    alone = model(INPUTS, MASK, labels=LABELS).loss
    assert loss.item() == pytest.approx(alone.item() + 0.5 * math.log(5))
    # ... and half of that if one of the two texts has no group
    loss = objective(*BATCH._replace(groups=torch.tensor([4, NO_GROUP])))
    assert loss.item() == pytest.approx(alone.item() + 0.25 * math.log(5))


def test_groups_are_told_apart_by_the_state_that_the_head_reads() -> None:
    # GIVEN a model that classifies the mean of its tokens, of which the last one is padding
    torch.manual_seed(0)
    encoder = DistilBertModel(DistilBertConfig(**CONFIG))
    model = EncoderClassifier(encoder, ["dull", "bright"], "mean").eval()
    objective = make_objective(model, group_loss=0.5)
    assert objective.group_head is not None
    mask = torch.tensor([[1, 1, 1, 0]] * 2)
    # WHEN the loss is computed
    loss = objective.eval()(*BATCH._replace(mask=mask))
    # THEN the groups are predicted from that mean
    output = model(INPUTS, mask, output_hidden_states=True)
    scores = objective.group_head(output.hidden_states[-1][:, :3].mean(dim=1))
    expected = cross_entropy(output.logits, LABELS) + 0.5 * cross_entropy(scores, GROUPS)
    assert loss.item() == pytest.approx(expected.item())


def test_texts_without_a_group_teach_nothing_about_groups(
    model: DistilBertForSequenceClassification,
) -> None:
    objective = make_objective(model, group_loss=0.5)
    loss = objective(*BATCH._replace(groups=torch.full((2,), NO_GROUP)))
    expected = model(INPUTS, MASK, labels=LABELS).loss
    assert loss.item() == pytest.approx(expected.item())


def test_the_encoder_learns_from_the_groups(model: DistilBertForSequenceClassification) -> None:
    # GIVEN the same texts in different groups
    objective = make_objective(model, group_loss=0.5)
    weight = model.distilbert.embeddings.word_embeddings.weight
    losses = [objective(*BATCH._replace(groups=groups)) for groups in (GROUPS, GROUPS.flip(0))]
    # WHEN the gradients are computed THEN they pull the embeddings in different directions
    one, other = (torch.autograd.grad(loss, weight)[0] for loss in losses)
    assert not torch.allclose(one, other)


def test_answers_of_teachers_are_compared_at_their_temperature(
    model: DistilBertForSequenceClassification,
) -> None:
    # GIVEN targets of which 0.7 come from teachers, at temperature 3
    objective = make_objective(model, distillation_temperature=3)
    softened = 0.7 * torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    # WHEN the loss is computed
    loss = objective(*BATCH._replace(targets=0.3 * TARGETS, softened=softened))
    # THEN it is that of the labels, and 9 times that of the answers of student and teachers at 3
    logits = model(INPUTS, MASK).logits
    log_probabilities = torch.log_softmax(logits / 3, dim=1)
    expected = 0.3 * cross_entropy(logits, LABELS) - 9 * (softened * log_probabilities).sum() / 2
    assert loss.item() == pytest.approx(expected.item())


@pytest.mark.parametrize(("sign", "distance"), [(1, 0.0), (-1, 2.0)])
def test_a_state_adds_its_distance_from_that_of_the_teachers(
    sign: int, distance: float, model: DistilBertForSequenceClassification
) -> None:
    # GIVEN states of teachers that are the student's as projected, or point the other way
    objective = make_objective(model, state_size=3, embedding_loss=0.5)
    assert objective.state_head is not None
    hidden = model(INPUTS, MASK, output_hidden_states=True).hidden_states[-1]
    states = sign * 7 * objective.state_head(pool(model, hidden, MASK)).detach()
    # WHEN the loss is computed
    loss = objective(*BATCH._replace(states=states.half()))
    # THEN half of one minus the cosine is added
    alone = model(INPUTS, MASK, labels=LABELS).loss
    assert loss.item() == pytest.approx(alone.item() + 0.5 * distance, abs=1e-4)


def test_a_text_that_no_teacher_answered_adds_no_distance(
    model: DistilBertForSequenceClassification,
) -> None:
    # GIVEN no states of teachers
    objective = make_objective(model, state_size=3, embedding_loss=0.5)
    # WHEN the loss is computed THEN it is that of the labels
    loss = objective(*BATCH._replace(states=torch.zeros(2, 3)))
    assert loss.item() == pytest.approx(model(INPUTS, MASK, labels=LABELS).loss.item())


def test_the_encoder_learns_from_the_states(model: DistilBertForSequenceClassification) -> None:
    # GIVEN random states of teachers
    objective = make_objective(model, state_size=3, embedding_loss=0.5)
    weight = model.distilbert.embeddings.word_embeddings.weight
    torch.manual_seed(1)
    losses = [objective(*BATCH._replace(states=torch.randn(2, 3))) for _ in range(2)]
    # WHEN the gradients are computed THEN they pull the embeddings in different directions
    one, other = (torch.autograd.grad(loss, weight)[0] for loss in losses)
    assert not torch.allclose(one, other)


def test_a_pooled_state_is_what_the_head_reads(model: DistilBertForSequenceClassification) -> None:
    # GIVEN hidden states, and a text whose last token is padding
    states, mask = torch.randn(2, 4, 8), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    means = EncoderClassifier(DistilBertModel(DistilBertConfig(**CONFIG)), ["a", "b"], "mean")

    def assert_pooled(found: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(found, normalize(expected, dim=-1))

    # WHEN they are pooled THEN a DistilBERT's own head reads the first, others the mean
    assert_pooled(pool(model, states, mask), states[:, 0])
    assert_pooled(
        pool(means, states, mask), torch.stack([states[0].mean(dim=0), states[1, :3].mean(dim=0)])
    )


SEVERAL: dict[str, Any] = {
    "task": "t",
    "text_column": "x",
    "label_column": "y",
    "label_separator": ";",
}


def test_each_of_several_labels_has_its_own_cross_entropy(
    model: DistilBertForSequenceClassification,
) -> None:
    # GIVEN a text with both labels, and one with none: first "applies", then "does not"
    labels = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    batch = BATCH._replace(targets=torch.hstack([labels, 1 - labels]))
    # WHEN the loss is computed THEN it is the mean over all labels of all texts
    expected = binary_cross_entropy_with_logits(model(INPUTS, MASK).logits, labels)
    found = make_objective(model, **SEVERAL)(*batch)
    assert found.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("several", [{}, SEVERAL], ids=["one label", "several labels"])
def test_outcomes_count_by_their_weights(
    several: dict[str, Any], model: DistilBertForSequenceClassification
) -> None:
    # GIVEN two labels of which the second counts three times as much, whatever the first says
    weights = torch.tensor([1.0, 3.0] * (2 if several else 1))
    targets = torch.hstack([TARGETS, 1 - TARGETS]) if several else TARGETS
    plain = make_objective(model, **several)
    values = {"data": "d", "output": "o", "teachers": "t", **several}
    weighted = Objective(model, Settings.model_validate(values), 5, weights=weights)
    # WHEN the loss is computed
    loss = weighted(*BATCH._replace(targets=targets))
    # THEN it is the sum of each outcome's own loss, times its weight
    parts = [plain(*BATCH._replace(targets=targets * one)) for one in torch.eye(len(weights))]
    expected = sum(float(weight) * part.item() for weight, part in zip(weights, parts, strict=True))
    assert loss.item() == pytest.approx(expected)
    # ... and the weights are not part of what is saved
    assert weighted.state_dict().keys() == plain.state_dict().keys()


def test_what_a_teacher_says_of_several_labels_is_compared_at_its_temperature(
    model: DistilBertForSequenceClassification,
) -> None:
    # GIVEN half of the targets from a teacher that is asked at a temperature of 2
    labels, taught = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([[0.7, 0.4]] * 2)
    targets = [torch.hstack([each, 1 - each]) / 2 for each in (labels, taught)]
    batch = BATCH._replace(targets=targets[0], softened=targets[1])
    # WHEN the loss is computed THEN both parts count half, the second times the square
    logits = model(INPUTS, MASK).logits
    of_labels = binary_cross_entropy_with_logits(logits, labels)
    of_teacher = binary_cross_entropy_with_logits(logits / 2, taught)
    found = make_objective(model, **SEVERAL, distillation_temperature=2.0)(*batch)
    assert found.item() == pytest.approx((of_labels / 2 + 4 * of_teacher / 2).item())
