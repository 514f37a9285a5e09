"""Which examples a step sees: a pure function of seed and step.

Nothing about the order is stored, so a resumed run can't differ from an uninterrupted one.
"""

import random
from functools import lru_cache


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Whole batches only; a data set smaller than one batch is one batch."""
    return max(1, count // batch_size)


def batch(seed: int, step: int, count: int, batch_size: int) -> list[int]:
    """The example numbers of a step (counted from 0); every epoch has its own shuffle."""
    epoch, position = divmod(step, steps_per_epoch(count, batch_size))
    shuffled = _shuffled(seed, epoch, count)
    return shuffled[position * batch_size:(position + 1) * batch_size]


@lru_cache(maxsize=2)
def _shuffled(seed: int, epoch: int, count: int) -> list[int]:
    numbers = list(range(count))
    generator(seed, "epoch", epoch).shuffle(numbers)
    return numbers


def generator(seed: int, purpose: str, number: int) -> random.Random:
    """A generator of its own for each purpose, so that one never shifts another."""
    return random.Random(f"{seed} {purpose} {number}")
