"""One step of LoRA tuning, and its state."""

import torch

from kit import lora, optimizer, order
from kit.compute import Compute
from kit.model import Llama

import examples

# The first steps of a fresh optimizer are noisy; the last ones only settle.
WARM_UP_STEPS = 10
LOWEST_RATE = 0.02
# Longer gradients come from freak batches.
GRADIENT_NORM = 1.0


class Tuning:
    """Trains the adapter of a frozen model; a kit.loop.Trainee."""

    def __init__(self, model: Llama, data: list, replay, parameters: dict, compute: Compute):
        torch.manual_seed(parameters["seed"])
        self.targets = parameters["targets"].split(",")
        self.layers = lora.attach(model, self.targets, parameters["rank"], parameters["alpha"])
        self._model = model.to(compute.device)
        self._data, self._replay, self._parameters = data, replay, parameters
        self._compute = compute
        self._names = {p: name for name, p in model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(
            list(self._names), parameters["learning_rate"], betas=(0.9, 0.99), weight_decay=0)
        self.steps = self._planned_steps()

    def step(self, number: int) -> tuple[float, int]:
        """Task loss plus replay loss; the batch is chosen by the step's number."""
        optimizer.set_rate(self._optimizer, self._rate(number))
        with self._compute.autocast():
            loss, tokens = self._loss(number)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self._names), GRADIENT_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss.item(), tokens

    def tensors(self) -> dict:
        return {"adapter": {name: parameter for parameter, name in self._names.items()},
                "optimizer": optimizer.to_tensors(self._optimizer, self._names)}

    def restore(self, tensors: dict) -> None:
        with torch.no_grad():
            for parameter, name in self._names.items():
                parameter.copy_(tensors["adapter"][name])
        optimizer.from_tensors(self._optimizer, self._names, tensors["optimizer"])

    def batch(self, number: int) -> list[int]:
        """The example numbers of a step."""
        p = self._parameters
        return order.batch(p["seed"], number, len(self._data), p["batch_size"])

    def _loss(self, number):
        chosen = [self._data[i] for i in self.batch(number)]
        inputs, targets = examples.pad(chosen, filler=0)
        device = self._compute.device
        loss = self._model.loss(inputs.to(device), targets.to(device))
        tokens = sum(len(example.tokens) for example in chosen)
        if self._replay:
            rows = self._replay.draw(number).to(device)
            loss = loss + self._model.loss(rows[:, :-1], rows[:, 1:])
            tokens += rows.numel()
        return loss, tokens

    def _rate(self, number):
        warm_up = min(1.0, (number + 1) / WARM_UP_STEPS)
        return warm_up * max(LOWEST_RATE, 1 - number / self.steps)

    def _planned_steps(self):
        p = self._parameters
        planned = p["epochs"] * order.steps_per_epoch(len(self._data), p["batch_size"])
        return min(planned, p["max_steps"] or planned)
