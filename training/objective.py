"""What a training step makes smaller: the label's loss and, beside it, the group's."""

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, relu
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
        model = self.model  # its own forward pass would not give the features
        first = model.distilbert(inputs, mask)[0][:, 0]
        features = model.dropout(relu(model.pre_classifier(first)))
        logits = model.classifier(features).float()
        loss = cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        if self.group_head is not None:
            loss = loss + self.group_loss * cross_entropy(self.group_head(features).float(), groups)
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
            order = np.argsort(labels_of_groups, kind="stable")  # outputs in the labels' order
            grouped = copy.deepcopy(self.model)
            grouped.classifier = copy.deepcopy(self.group_head)
            for parameter in grouped.classifier.parameters():
                parameter.data = parameter.data[order]
            names = [labels[label] for label in labels_of_groups[order]]
            grouped.num_labels = len(names)
            grouped.config.id2label = dict(enumerate(names))
            grouped.config.label2id = {name: index for index, name in enumerate(names)}
            yield grouped
