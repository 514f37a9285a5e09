"""Run one stage's program: its specification in, an exit status out."""

import os
import signal
import sys

from kit.faults import StageFault, Stopped
from kit.spec import Spec


def run(program):
    """Call `program(spec)` and leave with the status that the controller understands."""
    signal.signal(signal.SIGTERM, _stop_now)
    try:
        program(Spec.load(os.environ))
    except StageFault as fault:
        print(f"{type(fault).__name__.lower()}: {fault}", file=sys.stderr, flush=True)
        sys.exit(fault.status)


def _stop_now(_number, _frame):
    """Leave even as process 1 of a namespace, where the kernel ignores an unhandled SIGTERM."""
    raise Stopped("SIGTERM before the first step")


class StopRequest:
    """Turns SIGTERM into a flag, so that a training step is never cut in the middle."""

    def __init__(self):
        self.asked = False
        signal.signal(signal.SIGTERM, self._remember)

    def _remember(self, _number, _frame):
        self.asked = True
