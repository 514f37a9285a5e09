"""An optimizer's state as named tensors, so that a checkpoint needs no pickled objects."""

import torch


def to_tensors(optimizer: torch.optim.Optimizer, names: dict) -> dict[str, torch.Tensor]:
    """`names` maps each parameter to its name; the keys are KEY:NAME."""
    return {f"{key}:{names[parameter]}": tensor
            for parameter, state in optimizer.state.items() for key, tensor in state.items()}


def from_tensors(optimizer: torch.optim.Optimizer, names: dict, tensors: dict) -> None:
    """The inverse of to_tensors, on the parameters' own devices."""
    parameters = {name: parameter for parameter, name in names.items()}
    for label, tensor in tensors.items():
        key, _, name = label.partition(":")
        if name in parameters:
            device = parameters[name].device if tensor.dim() else tensor.device
            optimizer.state[parameters[name]][key] = tensor.to(device)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's learning rate from the one it was made with."""
    for group in optimizer.param_groups:
        group.setdefault("full_lr", group["lr"])
        group["lr"] = group["full_lr"] * factor
