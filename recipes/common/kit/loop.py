"""The training loop that all recipes share: resume, step, report, checkpoint, obey SIGTERM."""

import sys
from typing import Protocol

from kit.checkpoint import Checkpoints
from kit.faults import Stopped
from kit.progress import Progress
from kit.stage import StopRequest
from kit.threads import Threads

# Single losses jump; the reported one follows with a memory of about ten steps.
SMOOTHING = 0.9


class Trainee(Protocol):
    """What is trained. `step` counts from 0 and depends on nothing but the state and the number."""

    def step(self, number: int) -> tuple[float, int]:
        """Do one step; returns its loss and how many tokens it read."""

    def tensors(self) -> dict:
        """The state as groups of named tensors."""

    def restore(self, tensors: dict) -> None:
        """The inverse of tensors."""


def train(trainee: Trainee, steps: int, checkpoints: Checkpoints, every: int,
          progress: Progress, stop: StopRequest, threads: Threads) -> None:
    """Bring the trainee to `steps` finished steps, whatever was done before."""
    done = saved = _resume(trainee, checkpoints)
    loss = None
    while done < steps and not stop.asked:
        latest, tokens = trainee.step(done)
        done += 1
        loss = latest if loss is None else SMOOTHING * loss + (1 - SMOOTHING) * latest
        progress.update(done, loss, tokens)
        threads.adapt()
        if done % every == 0:
            checkpoints.save(done, trainee.tensors())
            saved = done
    if saved < done:
        checkpoints.save(done, trainee.tensors())
    if stop.asked and done < steps:
        raise Stopped(f"SIGTERM after step {done} of {steps}; the checkpoint is written")


def _resume(trainee, checkpoints) -> int:
    checkpoint = checkpoints.newest()
    if checkpoint is None:
        return 0
    trainee.restore(checkpoint.tensors)
    print(f"going on after step {checkpoint.step}", file=sys.stderr, flush=True)
    return checkpoint.step
