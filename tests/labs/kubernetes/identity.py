"""Which process is meant, so that a number that was given to another process is never ended."""

import os
import signal
from pathlib import Path


def boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def fields(pid: int):
    """The fields of /proc/PID/stat from the state on; the name before them may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def identity(pid: int) -> dict:
    """Number, start time in ticks and boot: together no other process ever has them."""
    return {"pid": pid, "started": int(fields(pid)[19]), "boot": boot()}


def lives(known: dict) -> bool:
    """Whether that very process runs; one that only waits to be reaped does not."""
    try:
        now = fields(known["pid"])
    except (FileNotFoundError, ProcessLookupError):
        return False
    return now[0] not in "ZX" and int(now[19]) == known["started"] and boot() == known["boot"]


def send(known: dict, number: int) -> bool:
    """Signals that very process: the descriptor is opened before it is looked at, so it cannot change between."""
    try:
        handle = os.pidfd_open(known["pid"])
    except ProcessLookupError:
        return False
    try:
        if lives(known):
            signal.pidfd_send_signal(handle, number)
            return True
        return False
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def child_of(pid: int):
    """The first child's number, or None while there is none."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(children[0]) if children else None
