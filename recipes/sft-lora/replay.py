"""Base text that is learned beside the task, so that the model keeps what it knew."""

from pathlib import Path

import torch

from kit import documents, order
from kit.chat import ChatFormat
from kit.faults import InvalidInput

FILE = "data/replay.jsonl.xz"


class Replay:
    """Draws windows of base text; which ones depends on seed and step alone."""

    def __init__(self, tokens: torch.Tensor, windows: int, length: int, seed: int):
        self._tokens, self._windows, self._length, self._seed = tokens, windows, length, seed

    @staticmethod
    def of(base: Path, parameters: dict, chat: ChatFormat, context: int) -> "Replay | None":
        """The replay that the parameters ask for, or None if they ask for none."""
        if parameters["replay_windows"] == 0:
            return None
        length = parameters["replay_tokens"]
        if length > context:
            raise InvalidInput(
                f"parameter replay_tokens: {length} exceeds the base's context of {context}")
        tokens = documents.stream(_records(base), chat)
        if len(tokens) <= length:
            raise InvalidInput(f"{FILE} has {len(tokens)} tokens, a window needs {length + 1}: "
                               "add text or lower replay_tokens")
        return Replay(tokens, parameters["replay_windows"], length, parameters["seed"])

    def draw(self, step: int) -> torch.Tensor:
        """Rows of length + 1 tokens: inputs and the targets one further."""
        generator = order.generator(self._seed, "replay", step)
        last = len(self._tokens) - self._length - 1
        starts = [generator.randint(0, last) for _ in range(self._windows)]
        return torch.stack([self._tokens[s:s + self._length + 1] for s in starts])


def _records(base):
    path = base / FILE
    if not path.exists():
        raise InvalidInput(
            f"parameter replay_windows: the base has no replay text; add {FILE} (text like that of "
            "its pre-training, one JSON record a line) to the model directory and import it again, "
            "or set replay_windows=0 and accept that it forgets")
    return documents.read(path)
