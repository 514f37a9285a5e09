"""Which process is meant: a number alone may by now be somebody else's."""

import os
import signal
from pathlib import Path


def identity(pid: int) -> str | None:
    """Differs for any two processes, over reboots too; None if there is no such process, or only its remains."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, started = after_name[0], after_name[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if state in "ZX" else f"{boot}:{started}"


def send(pid: int, known_as: str, number: int) -> bool:
    """Signals the process that is known as that, and no other; false if it is gone."""
    try:
        handle = os.pidfd_open(pid)  # from here on the number can't change its owner
    except ProcessLookupError:
        return False
    try:
        if identity(pid) != known_as:
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
