"""The training loss: that of the labels and, if asked for, of teachers and of groups."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, logsigmoid, normalize

from inference.model.windows import MEAN
from training.fit.encoder import EncoderClassifier
from training.fit.settings import Settings
from training.fit.text_model import TextModel
from training.fit.windows import pool_tensors

NO_GROUP = -100  # of texts that teach nothing about groups


class Batch(NamedTuple):
    """The texts of a step, and what to learn from them."""

    inputs: Tensor  # token ids, (texts, tokens), or (windows, tokens)
    mask: Tensor  # 1 for a token, 0 for padding, of the same shape
    targets: Tensor  # the probability each outcome should get, see Targets; (texts, outcomes)
    groups: Tensor  # the number of each text's group, or NO_GROUP; (texts,)
    # The part of the targets that teachers give, if it is compared at another temperature.
    softened: Tensor | None = None
    states: Tensor | None = None  # the teachers', (texts, size)
    # The number of each window's text, (windows,), if inputs are windows; None: one for each text.
    texts: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        parts: list[Any] = [None if part is None else part.to(device) for part in self]
        return Batch(*parts)


class Objective(torch.nn.Module):
    """A classifier with, during training, further heads that are dropped afterwards.

    - One tells the groups apart. Texts of one group (the headlines of one story) share a label. To
      tell their story from thousands of others takes far more of a text than to choose one of a few
      labels, so each text teaches the encoder more (multi-task learning, Caruana 1997,
      https://doi.org/10.1023/A:1007379606734).
    - One projects the encoder's pooled state to those of the teachers: what a teacher sees in a
      text says more than its few probabilities (FitNets, Romero et al. 2015,
      https://arxiv.org/abs/1412.6550).
    """

    def __init__(
        self,
        model: TextModel,
        settings: Settings,
        groups: int = 0,
        state_size: int = 0,
        weights: Tensor | None = None,
    ) -> None:
        """Add the heads that the settings ask for.

        Args:
            model: the classifier.
            settings: the weights of the losses, and the temperature of distillation.
            groups: how many there are.
            state_size: the size of the teachers' states, one after the other.
            weights: how much each outcome counts, (outcomes,); None: all the same.
        """
        super().__init__()
        self.model = model
        size = model.config.hidden_size
        self.group_head = torch.nn.Linear(size, groups) if settings.group_loss else None
        self.state_head = torch.nn.Linear(size, state_size) if settings.embedding_loss else None
        self.settings = settings
        self.sharpness = MEAN  # of the pooling of windows
        # Not saved: a run that is resumed computes them again, from the same rows.
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, *parts: Tensor) -> Tensor:
        """Return the mean loss of a batch, given as its parts."""
        batch = Batch(*parts)
        has_heads = self.group_head is not None or self.state_head is not None
        output = self.model(batch.inputs, batch.mask, output_hidden_states=has_heads)
        logits = self._pool(output.logits.float(), batch, self.sharpness)
        loss = self._compare(logits, batch.targets)
        if batch.softened is not None:
            # The square keeps the gradients as large as those of the labels (Hinton et al. 2015).
            temperature = self.settings.distillation_temperature
            softened = self._compare(logits / temperature, batch.softened)
            loss = loss + temperature**2 * softened
        if self.group_head is not None:
            states = select_states(self.model, output.hidden_states[-1], batch.mask)
            scores = self.group_head(self._pool(states, batch)).float()
            # A text without a group adds nothing, but counts: so shares of a batch can be averaged.
            total = cross_entropy(scores, batch.groups, ignore_index=NO_GROUP, reduction="sum")
            loss = loss + self.settings.group_loss * total / len(scores)
        if self.state_head is not None and batch.states is not None:
            states = pool(self.model, output.hidden_states[-1], batch.mask)
            states = self.state_head(self._pool(states, batch))
            distance = 1 - cosine_similarity(states.float(), batch.states.float())
            distance = distance * batch.states.any(dim=1)  # zeros: no teacher answered
            loss = loss + self.settings.embedding_loss * distance.mean()
        return loss

    @staticmethod
    def _pool(values: Tensor, batch: Batch, sharpness: float = MEAN) -> Tensor:
        """Return the values of texts, from those of their windows."""
        if batch.texts is None:
            return values
        return pool_tensors(values, batch.texts, len(batch.targets), sharpness)

    def _compare(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of the outputs with the targets."""
        weights: Tensor | None = self.weights  # type: ignore[assignment]
        if self.settings.is_multi_label:
            return binary_cross_entropy(logits, targets if weights is None else weights * targets)
        return cross_entropy(logits, targets, weights)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of outputs that each say whether a label applies.

    Args:
        logits: shape (texts, labels).
        targets: the weights of "applies" for each label, and then those of "does not apply";
            shape (texts, 2 * labels).
    """
    applies, does_not = targets.chunk(2, dim=1)
    return -(applies * logsigmoid(logits) + does_not * logsigmoid(-logits)).mean()


def select_states(model: TextModel, states: Tensor, mask: Tensor) -> Tensor:
    """Return a state for each text: of the last hidden ones, what the model's head reads."""
    if isinstance(model, EncoderClassifier):
        return model.pool(states.float(), mask)
    return states[:, 0]


def pool(model: TextModel, states: Tensor, mask: Tensor) -> Tensor:
    """Return what a model's head reads of its last hidden states, at norm 1: (texts, size)."""
    return normalize(select_states(model, states, mask).float(), dim=-1)
