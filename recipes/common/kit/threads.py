"""How many threads a step uses, by how much the machine leaves to us.

Threads of one step wait for each other many times. Where other work shares the cores, each such
wait lasts until the scheduler gives the slower thread its turn: on two cores with a load of twelve,
two threads were measured 17 times slower than one. So a starved process uses one thread until the
machine is calm again.
"""

import os
import time
from pathlib import Path

import torch

PERIOD_SECONDS = 2.0
# Shares of the time in which we could have run but were made to wait.
STARVED, CALM = 0.25, 0.05


def at_start(wanted: int) -> int:
    """One thread on a busy machine: a pool that never starts never gets in the way."""
    return 1 if os.getloadavg()[0] > (os.cpu_count() or 1) else wanted


class Threads:
    """Call `adapt` after every step; it acts at most once in PERIOD_SECONDS."""

    def __init__(self, wanted: int, now: int, waited=None, clock=time.monotonic):
        self._wanted, self._now = wanted, now
        self._waited, self._clock = waited or seconds_waited, clock
        # Periods of calm until all threads are tried again; doubled each time that was a mistake.
        self._patience = self._calm_left = 1
        self._mark()

    def adapt(self) -> int:
        """The number of threads from the next step on."""
        passed = self._clock() - self._time
        if self._wanted > 1 and passed >= PERIOD_SECONDS:
            self._judge((self._waited() - self._wait) / passed)
            self._mark()
        return self._now

    def _judge(self, share):
        if share > STARVED and self._now > 1:
            self._patience *= 2
            self._use(1)
        elif share > CALM:
            self._calm_left = self._patience
        elif self._now < self._wanted:
            self._calm_left -= 1
            if self._calm_left <= 0:
                self._use(self._wanted)

    def _use(self, count):
        torch.set_num_threads(count)
        self._now, self._calm_left = count, self._patience

    def _mark(self):
        self._time, self._wait = self._clock(), self._waited()


def seconds_waited(path: Path = Path("/proc/self/schedstat")) -> float:
    """How long the main thread was ready but did not run; 0 where the kernel does not say."""
    try:
        return int(path.read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
