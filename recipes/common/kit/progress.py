"""How far a stage is: one JSON line per update, for the controller and for people who follow."""

import json
import os
import time
from pathlib import Path

# People read these lines as they come; more than one a second is noise.
PERIOD_SECONDS = 1.0
# The stage's log is read afterwards: a long run must not fill it.
LOG_PERIOD_SECONDS = 10.0


class Progress:
    """Appends to progress.jsonl, a line whole and at once; now and then also to the stage's log."""

    def __init__(self, path: Path, stage: str, steps: int, clock=time.monotonic):
        self._stage, self._steps, self._clock = stage, steps, clock
        self._file = _open_after_last_line(path)
        self._started = self._written = clock()
        self._logged = None
        self._first_step = None
        self._tokens = 0

    def update(self, step: int, loss: float, tokens: int) -> None:
        """Count a finished step and say so if it is the first, the last, or a second has passed."""
        now = self._clock()
        first = self._first_step is None
        if first:
            self._first_step = step - 1
        self._tokens += tokens
        if first or step == self._steps or now - self._written >= PERIOD_SECONDS:
            self._write(step, loss, now)

    def _write(self, step, loss, now):
        seconds_per_step = (now - self._started) / (step - self._first_step)
        line = {
            "stage": self._stage,
            "step": step,
            "steps": self._steps,
            "loss": round(loss, 4),
            "tokens_per_second": round(self._tokens / max(now - self._written, 1e-6)),
            "eta_seconds": round(seconds_per_step * (self._steps - step), 1),
        }
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._logged is None or step == self._steps or now - self._logged >= LOG_PERIOD_SECONDS:
            print(f"step {step}/{self._steps}  loss {line['loss']:.3f}  {line['tokens_per_second']} tokens/s  "
                  f"{line['eta_seconds']:.0f} s left", flush=True)
            self._logged = now
        self._written, self._tokens = now, 0


def _open_after_last_line(path: Path):
    """Open for appending; a line that an ended writer left unfinished is closed first."""
    file = open(path, "a+b")
    if file.tell() > 0:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
    file.close()
    return open(path, "a", encoding="utf-8")
