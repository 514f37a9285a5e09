"""Waiting with a deadline, for a lab that people use without pytest too."""

import time


class LabError(RuntimeError):
    """The lab could not do what was asked; the message says what and shows the program's own words."""


def until(what, look, within=30.0, said=lambda: ""):
    """Calls `look` until it returns something true, and returns that; `said` is asked for words after a failure."""
    end = time.monotonic() + within
    pause = 0.01
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise LabError(f"not within {within} s: {what}\n{said()}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
