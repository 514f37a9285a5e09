"""Who may write into a run's directory.

The controller gives every attempt a larger epoch and writes it to the lease file. An attempt that
was thought dead may still be running, so every result becomes visible only under the file's lock
and only while the file still names the writer's own epoch.
"""

import fcntl
import json
import os
from contextlib import contextmanager
from pathlib import Path

from kit.faults import Fenced


class Lease:
    """The right of one attempt to publish; held for the moment of a rename."""

    def __init__(self, path: Path, epoch: int):
        self.path = path
        self.epoch = epoch

    @contextmanager
    def held(self):
        """Hold the lock while the lease is ours; raise Fenced if it belongs to another epoch."""
        with self._locked() as file:
            holder = _epoch_in(file)
            if holder != self.epoch:
                raise Fenced(f"epoch {holder} holds the lease {self.path}; this is {self.epoch}")
            yield

    @contextmanager
    def _locked(self):
        """Lock the file that the path names now: it may be replaced while we wait for the lock."""
        while True:
            with self._opened() as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if _is_current(file, self.path):
                    yield file
                    return

    def _opened(self):
        try:
            return open(self.path, encoding="utf-8")
        except FileNotFoundError as error:
            raise Fenced(f"nobody holds the lease {self.path}: the file is gone") from error


def _is_current(file, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _epoch_in(file):
    try:
        return json.load(file)["epoch"]
    except (ValueError, KeyError, TypeError) as error:
        raise Fenced(f"the lease {file.name} can't be read: {error}") from error
