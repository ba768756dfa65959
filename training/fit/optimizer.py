"""How the weights follow the gradients: AdamW, its learning rate, the mean of the weights."""

from collections.abc import Callable

import torch
from torch import Tensor

from training.fit.settings import Settings

Weights = tuple[Tensor, ...] | list[Tensor]


def make_adamw(model: torch.nn.Module, settings: Settings) -> torch.optim.AdamW:
    """Make an AdamW (Loshchilov & Hutter 2019) that decays matrices, not biases and norms."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def count_warm_up(total: int, settings: Settings) -> int:
    """Return how many of the steps warm up."""
    return max(1, round(settings.warmup * total))


def get_learning_rate(step: int, total: int, settings: Settings) -> float:
    """Return the learning rate of a step: linear warm-up, then linear decay."""
    warm = count_warm_up(total, settings)
    return settings.learning_rate * min((step + 1) / warm, (total - step) / (total - warm + 1))


def make_averaging(decay: float) -> Callable[[Weights, Weights, Tensor | int], None]:
    """Make the function that updates the mean of the weights after a step.

    The mean is exponential, and follows faster in the first steps. At any step it is about as good
    as the weights would be after the learning rate has decayed (Polyak & Juditsky 1992), and it
    lies in a flatter place, so it does better on other texts (Izmailov et al. 2018,
    https://arxiv.org/abs/1803.05407).
    """

    @torch.no_grad()
    def update(mean: Weights, weights: Weights, updates: Tensor | int) -> None:
        share = min(decay, (1 + int(updates)) / (10 + int(updates)))
        torch._foreach_lerp_(mean, weights, 1 - share)

    return update
