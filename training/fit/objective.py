"""What a training step makes smaller: the label's loss and, beside it, the group's."""

import copy
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import DistilBertForSequenceClassification


class Objective(torch.nn.Module):
    """A classifier and, beside its own head, one that tells a text's group.

    Texts of one group (the headlines of one story) share a label. To tell their story apart from
    thousands of others takes far more of a text than to tell its label from a few, so each text
    teaches the encoder more (multi-task learning, Caruana 1997,
    https://doi.org/10.1023/A:1007379606734).
    """

    def __init__(
        self,
        model: DistilBertForSequenceClassification,
        groups: int,
        group_loss: float,
        label_smoothing: float,
    ) -> None:
        super().__init__()
        self.model = model
        self.group_head = torch.nn.Linear(model.config.dim, groups) if group_loss else None
        self.group_loss = group_loss
        self.label_smoothing = label_smoothing

    def forward(self, inputs: Tensor, mask: Tensor, targets: Tensor, groups: Tensor) -> Tensor:
        """The mean loss of a batch.

        Args:
            inputs: token ids, shape (texts, tokens).
            mask: 1 for a token, 0 for padding, of the same shape.
            targets: the probability each label should get, shape (texts, labels).
            groups: the number of each text's group, shape (texts,).
        """
        output = self.model(inputs, mask, output_hidden_states=self.group_head is not None)
        loss = cross_entropy(output.logits.float(), targets, label_smoothing=self.label_smoothing)
        if self.group_head is not None:
            scores = self.group_head(output.hidden_states[-1][:, 0])
            loss = loss + self.group_loss * cross_entropy(scores.float(), groups)
        return loss

    def classifiers(
        self, labels_of_groups: NDArray[np.int64], labels: Sequence[str]
    ) -> Iterator[DistilBertForSequenceClassification]:
        """What was learnt, as one classifier for each head.

        The second has an output a group, named by the group's label, and a label is as probable
        as all of its groups. It knows the stories it was trained on, which is worth much where
        the texts to come are of the same ones, and nothing where they are not.
        """
        yield self.model
        if self.group_head is not None and set(labels_of_groups) == set(range(len(labels))):
            names = [labels[label] for label in labels_of_groups]
            yield _grouped(self.model, self.group_head, names)


def _grouped(
    model: DistilBertForSequenceClassification, head: torch.nn.Linear, names: Sequence[str]
) -> DistilBertForSequenceClassification:
    """A classifier of a head on the first token's state, each output named by a label.

    DistilBERT's head has a layer with a ReLU before it. Here that layer passes the state
    through, lifted above the least value that can come out of a layer norm; the head's bias
    takes the lift off again.
    """
    grouped, outputs = copy.deepcopy(model), copy.deepcopy(head)
    norm = grouped.distilbert.transformer.layer[-1].output_layer_norm
    lift = (norm.weight.abs() * math.sqrt(norm.weight.numel()) + norm.bias.abs()).max().data
    torch.nn.init.eye_(grouped.pre_classifier.weight)
    torch.nn.init.constant_(grouped.pre_classifier.bias, lift)
    ranks = model.config.label2id
    order = sorted(range(len(names)), key=lambda group: ranks[names[group]])  # as labels are
    outputs.weight.data = outputs.weight.data[order]
    outputs.bias.data = outputs.bias.data[order] - lift * outputs.weight.data.sum(dim=1)
    grouped.classifier = outputs
    grouped.num_labels = len(names)
    grouped.config.id2label = {index: names[group] for index, group in enumerate(order)}
    grouped.config.label2id = {name: index for index, name in grouped.config.id2label.items()}
    return grouped
