"""The training loss: that of the labels and, if asked for, that of the groups."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import DistilBertForSequenceClassification


class Objective(torch.nn.Module):
    """A classifier with, during training, a second head that tells the groups apart.

    Texts of one group (the headlines of one story) share a label. To tell their story from
    thousands of others takes far more of a text than to choose one of a few labels, so each text
    teaches the encoder more (multi-task learning, Caruana 1997,
    https://doi.org/10.1023/A:1007379606734). The second head is dropped after training.
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
        """Return the mean loss of a batch.

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
