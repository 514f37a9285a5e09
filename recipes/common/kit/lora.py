"""Low-rank adaptation: a frozen linear layer plus a small trained product of two matrices."""

import math

import torch.nn.functional as F
from torch import nn

from kit.faults import InvalidInput


class LoraLinear(nn.Module):
    """y = W x + scale * B A x; B starts at zero, so tuning starts from the base model exactly."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float):
        super().__init__()
        self.base = base
        self.lora_A = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.lora_B = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        self.scale = alpha / rank
        self.enabled = True
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x):
        y = self.base(x)
        if not self.enabled:
            return y
        return y + self.scale * F.linear(F.linear(x, self.lora_A), self.lora_B)


def attach(model: nn.Module, targets: list[str], rank: int, alpha: float) -> dict[str, LoraLinear]:
    """Freeze the model and wrap the layers whose last name is a target; returns them by name."""
    model.requires_grad_(False)
    wrapped = {}
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last in targets:
            wrapped[name] = LoraLinear(layer, rank, alpha)
            setattr(model.get_submodule(parent), last, wrapped[name])
    _refuse_missing(targets, wrapped)
    return wrapped


def enable(layers: dict[str, LoraLinear], enabled: bool) -> None:
    """Switch between the tuned model and the untouched base."""
    for layer in layers.values():
        layer.enabled = enabled


def _refuse_missing(targets, wrapped):
    found = {name.rpartition(".")[2] for name in wrapped}
    missing = sorted(set(targets) - found)
    if missing:
        raise InvalidInput(f"parameter targets: the base has no linear layer named {missing[0]!r}")
