"""The training data as padded batches."""

import json
from pathlib import Path

import torch

from kit.chat import ChatFormat, Example
from kit.faults import InvalidInput
from kit.model import IGNORED

# A person mends a few lines at a time.
REPORTED = 20


def read(path: Path, chat: ChatFormat, context: int) -> list[Example]:
    """Tokenize every line; all lines that can't be learned from are named together."""
    examples, errors = [], []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                examples.append(_example(line, chat, context))
            except (ValueError, KeyError, TypeError) as error:
                errors.append(f"line {number}: {error}")
    if errors:
        shown = "\n  ".join(errors[:REPORTED])
        raise InvalidInput(f"{path.name}: {len(errors)} bad lines; check the data with "
                           f"`sust data check`\n  {shown}")
    if not examples:
        raise InvalidInput(f"{path.name} has no examples; add at least one")
    return examples


def _example(line: str, chat: ChatFormat, context: int) -> Example:
    example = chat.example(json.loads(line))
    if len(example.tokens) > context:
        raise ValueError(f"{len(example.tokens)} tokens, the base reads {context}: shorten it")
    if not any(example.scored[1:]):
        raise ValueError("no answer to learn: add an assistant message")
    return example


def pad(examples: list[Example], filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets, shifted by one; targets that are not to be learned are IGNORED."""
    width = max(len(example.tokens) for example in examples) - 1
    inputs = torch.full((len(examples), width), filler)
    targets = torch.full((len(examples), width), IGNORED)
    for row, example in enumerate(examples):
        length = len(example.tokens) - 1
        tokens, scored = torch.tensor(example.tokens), torch.tensor(example.scored)
        inputs[row, :length] = tokens[:-1]
        targets[row, :length] = torch.where(scored, tokens, IGNORED)[1:]
    return inputs, targets
