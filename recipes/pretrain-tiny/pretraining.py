"""One step of pre-training, and its state."""

import torch
from torch import nn

from kit import optimizer
from kit.chat import Example
from kit.compute import Compute
from kit.model import IGNORED, Llama

# The rate rises over the first steps and falls linearly over the second half.
WARM_UP_STEPS = 20
DECAY_FROM = 0.5
GRADIENT_NORM = 1.0


class Pretraining:
    """Trains all weights on one long stream of tokens; a kit.loop.Trainee."""

    def __init__(self, model: Llama, examples: list[Example], parameters: dict, compute: Compute):
        torch.manual_seed(parameters["seed"])
        initialise(model)
        self._model = model.to(compute.device)
        self._tokens, self._targets = _stream(examples)
        self._parameters, self._compute = parameters, compute
        self._names = {parameter: name for name, parameter in model.named_parameters()}
        self._optimizers = _optimizers(self._names, parameters)

    def step(self, number: int) -> tuple[float, int]:
        """Reads the next windows of the stream, which starts again at its end."""
        for each in self._optimizers.values():
            optimizer.set_rate(each, self._rate(number))
        inputs, targets = self._batch(number)
        with self._compute.autocast():
            loss = self._model.loss(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._optimizers["others"].param_groups[0]["params"],
                                       GRADIENT_NORM)
        for each in self._optimizers.values():
            each.step()
            each.zero_grad()
        return loss.item(), inputs.numel()

    def tensors(self) -> dict:
        weights = {name: parameter for parameter, name in self._names.items()}
        states = {group: optimizer.to_tensors(each, self._names)
                  for group, each in self._optimizers.items()}
        return {"weights": weights, **states}

    def restore(self, tensors: dict) -> None:
        with torch.no_grad():
            for parameter, name in self._names.items():
                parameter.copy_(tensors["weights"][name])
        for group, each in self._optimizers.items():
            optimizer.from_tensors(each, self._names, tensors[group])

    def _batch(self, number):
        rows, width = self._parameters["batch_size"], self._parameters["window"]
        start = number * rows * width % (len(self._tokens) - rows * width)
        cut = slice(start, start + rows * width)
        return (self._tokens[cut].view(rows, width).to(self._compute.device),
                self._targets[cut].view(rows, width).to(self._compute.device))

    def _rate(self, number):
        steps = self._parameters["steps"]
        left = (steps - number) / (steps * (1 - DECAY_FROM))
        return min(1.0, (number + 1) / WARM_UP_STEPS, left)


def initialise(model: Llama) -> None:
    """Start values by width; what adds to the residual stream starts smaller in deeper models."""
    for name, parameter in model.named_parameters():
        if parameter.dim() != 2:
            continue
        deviation = 0.8 * parameter.shape[1] ** -0.5
        if "embed" in name:
            deviation = 0.02
        elif "o_proj" in name or "down_proj" in name:
            deviation = 0.5 * (parameter.shape[1] * model.config.layers) ** -0.5
        nn.init.normal_(parameter, std=deviation)


def _optimizers(names, parameters):
    """Muon for matrices, AdamW for the rest: fewer steps to the same loss than AdamW alone."""
    matrices = [p for p, name in names.items() if p.dim() == 2 and "embed" not in name]
    others = [p for p, name in names.items() if p.dim() != 2 or "embed" in name]
    return {
        "matrices": torch.optim.Muon(matrices, lr=parameters["matrix_learning_rate"],
                                     weight_decay=0.01, adjust_lr_fn="original"),
        "others": torch.optim.AdamW(others, lr=parameters["learning_rate"], betas=(0.9, 0.95),
                                    weight_decay=0),
    }


def _stream(examples):
    """Inputs and, one further, the targets that count."""
    tokens = torch.tensor([token for example in examples for token in example.tokens])
    scored = torch.tensor([counts for example in examples for counts in example.scored])
    return tokens[:-1], torch.where(scored, tokens, IGNORED)[1:]
