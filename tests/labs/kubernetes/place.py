"""A lab's place on this machine: a number from which directory, addresses and ports follow."""

import fcntl
import json
import os
import socket
import time
from contextlib import contextmanager
from pathlib import Path

from labs.debian import CACHE
from labs.kubernetes.identity import boot, identity, lives
from labs.kubernetes.leftovers import remove

BASE = CACHE / "labs" / "kubernetes"
MOST = 16
PORTS = {"etcd": 0, "etcd-peer": 1, "apiserver": 2}


class Place:
    def __init__(self, number: int):
        self.number = number
        self.folder = BASE / str(number)
        self.bridge = f"sustk8s{number}"

    def port(self, name: str) -> int:
        """Below the range from which the kernel takes ports for others, so that a restart finds it free."""
        return 24000 + 10 * self.number + PORTS[name]

    def address(self, node: int) -> str:
        """Of a node on the lab's bridge; 0 is this machine."""
        return f"10.78.{self.number}.{10 + node if node else 1}"

    def pod_range(self, node: int) -> str:
        return f"10.{128 + self.number}.{node}.0/24"

    def is_free(self) -> bool:
        """Whether nothing on this machine has our bridge's name or our ports."""
        if Path(f"/sys/class/net/{self.bridge}").exists():
            return False
        for name in PORTS:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", self.port(name)))
                except OSError:
                    return False
        return True

    def owned(self) -> bool:
        """Whether somebody still wants this lab: the process that made it, or a person until `down`."""
        try:
            owner = json.loads((self.folder / "owner.json").read_text())
        except FileNotFoundError:
            return False
        return owner["boot"] == boot() if owner["kept"] else lives(owner)

    def own(self, kept: bool):
        for name in ("run", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        owner = {**identity(os.getpid()), "kept": kept, "since": time.time()}
        (self.folder / "owner.json").write_text(json.dumps(owner))


@contextmanager
def registry():
    """Held while places are claimed or removed, by all labs of this user."""
    BASE.mkdir(parents=True, exist_ok=True)
    with open(BASE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def places():
    """Every place that has a directory."""
    return [Place(int(folder.name)) for folder in sorted(BASE.glob("[0-9]*"))]


def sweep():
    """Removes what labs left whose process was killed. Called with the registry held."""
    for place in places():
        if not place.owned():
            remove(place)


def claim(kept=False) -> Place:
    """A place that is nobody else's until release(); leftovers of the dead are removed first."""
    with registry():
        sweep()
        for number in range(MOST):
            place = Place(number)
            if not place.folder.exists() and place.is_free():
                place.own(kept)
                return place
    raise AssertionError(f"{MOST} labs run already; tools/lab kubernetes status")


def release(place: Place):
    with registry():
        remove(place)
