"""How the weights follow the gradients: AdamW, its learning rate, the mean of the weights."""

from collections.abc import Callable

import torch
from torch import Tensor

from training.fit.objective import Objective
from training.fit.settings import Settings
from training.fit.text_model import ModelError

TIMES = "times"  # of a group of parameters: how many times the learning rate it learns at

Weights = tuple[Tensor, ...] | list[Tensor]


def make_adamw(objective: Objective, settings: Settings) -> torch.optim.AdamW:
    """Make an AdamW (Loshchilov & Hutter 2019) that decays matrices, not biases and norms.

    Raises:
        ModelError: the layers are to learn at different rates, but are all one layer.
    """
    times = find_rates(objective, settings)
    groups = [
        {
            "params": [p for name, p in parameters if times[name] == rate],
            "weight_decay": weight_decay,
            TIMES: rate,
        }
        for weight_decay, parameters in (
            (
                settings.weight_decay,
                [(n, p) for n, p in objective.named_parameters() if p.ndim > 1],
            ),
            (0.0, [(n, p) for n, p in objective.named_parameters() if p.ndim == 1]),
        )
        for rate in dict.fromkeys(times[name] for name, _ in parameters)
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def find_rates(objective: Objective, settings: Settings) -> dict[str, float]:
    """Return how many times the learning rate each parameter learns at, by its name.

    Heads are new, so they may learn faster. Lower layers, whose knowledge is the most general, may
    learn slower than the upper ones (Howard & Ruder 2018, https://arxiv.org/abs/1801.06146).

    Raises:
        ModelError: the layers are to learn at different rates, but are all one layer.
    """
    encoder = f"model.{objective.model.base_model_prefix}."
    rates: dict[str, float] = {}
    for name, _ in objective.named_parameters():
        is_head = not name.startswith(encoder)
        rates[name] = settings.head_rate_times if is_head else 1.0
    if settings.layer_decay < 1:
        layers, count = _find_layers(objective)
        for name in rates:
            if name.startswith(layers):
                number = int(name.removeprefix(layers).partition(".")[0])
                rates[name] = settings.layer_decay ** (count - 1 - number)
            elif name.startswith(f"{encoder}embeddings."):
                rates[name] = settings.layer_decay**count
    return rates


def _find_layers(objective: Objective) -> tuple[str, int]:
    """Return what the names of the layers' parameters begin with, and how many layers there are."""
    count = objective.model.config.num_hidden_layers
    for name, module in objective.model.named_modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return f"model.{name}.", count
    kind = objective.model.config.model_type
    raise ModelError(f"--layer-decay: the layers of this {kind} share their weights, give 1")


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step, from which each group has its own."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[TIMES]


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
