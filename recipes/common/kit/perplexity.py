"""How surprised a model is by text it has not been trained on: the measure of forgetting."""

import math

import torch

from kit.compute import Compute
from kit.model import Llama

# Long enough for context to matter, short enough for every base; the same for both sides compared.
WINDOW = 256
BATCH = 8


def perplexity(model: Llama, tokens: torch.Tensor, compute: Compute) -> float:
    """exp of the mean loss over all whole windows (one shorter window if there is no whole one)."""
    windows = _windows(tokens, min(WINDOW, model.config.context))
    total = 0.0
    with torch.no_grad(), compute.autocast():
        for start in range(0, len(windows), BATCH):
            rows = windows[start:start + BATCH].to(compute.device)
            total += model.loss(rows[:, :-1], rows[:, 1:]).item() * len(rows)
    return math.exp(total / len(windows))


def _windows(tokens, length):
    length = min(length, len(tokens) - 1)
    starts = range(0, len(tokens) - length, length)
    return torch.stack([tokens[start:start + length + 1] for start in starts])
