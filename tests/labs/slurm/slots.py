"""A slot is a lab's share of the machine: directory, ports, network, names. Labs that live at once have different ones.

Slots are kept in one place for the machine, as ports are the machine's too. A slot says who holds it, so that the
next lab that starts cleans up after a holder that was killed.
"""

import fcntl
import json
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labs.slurm.family import Family, remove_cgroups
from labs.slurm.identity import identity
from labs.slurm.options import NODES_MAX
from labs.slurm.waiting import LabError

PLACE = Path("/tmp/sust-slurm")  # short, as a Unix socket's path has at most 107 bytes; open to the labs' users
SLOTS = 32
PORTS_FIRST = 21000  # below the range that the kernel gives to outgoing connections
PORTS_EACH = 100
CGROUP_1 = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Slot:
    number: int

    @property
    def directory(self) -> Path:
        return PLACE / str(self.number)

    @property
    def memory(self) -> Path:
        """A directory without a disk behind it, for a lab that needs one."""
        return Path(f"/dev/shm/sust-slurm-{self.number}")

    @property
    def family(self) -> Family:
        return Family(f"sust-slurm-{self.number}")

    def port(self, what: str) -> int:
        """Of a daemon by its name; nodes by their number."""
        first = PORTS_FIRST + self.number * PORTS_EACH
        named = {"slurmctld": 0, "slurmdbd": NODES_MAX + 1, "slurmrestd": NODES_MAX + 2}
        return first + (named[what] if what in named else int(what))

    def subnet(self) -> str:
        return f"10.77.{self.number}"

    def bridge(self) -> str:
        return f"sust-slurm-{self.number}"  # 15 characters at most

    def namespace(self, node: int) -> str:
        return f"sust-slurm-{self.number}-{node}"

    def cgroup_1_prefix(self) -> str:
        """Slurm names its cgroups after the node, so nodes that use them are named after the slot."""
        return f"n{self.number}x"


@contextmanager
def registry():
    """Held while slots are taken, given back or cleaned."""
    PLACE.mkdir(exist_ok=True)
    if PLACE.is_symlink() or PLACE.stat().st_uid != os.geteuid():
        raise LabError(f"{PLACE} belongs to somebody else; the labs of this machine are kept there")
    PLACE.chmod(0o755)  # whatever the umask
    with open(PLACE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def holder_file(number: int) -> Path:
    return PLACE / f"{number}.json"


def take(kept: bool) -> Slot:
    """A free slot with an empty directory. One that is kept stays when this process ends."""
    with registry():
        for file in PLACE.glob("*.json"):
            if abandoned(file):
                clear(Slot(int(file.stem)))
        for slot in map(Slot, range(SLOTS)):
            if not holder_file(slot.number).exists() and ports_are_free(slot):
                me = {"kept": kept, "pid": os.getpid(), "identity": identity(os.getpid())}
                holder_file(slot.number).write_text(json.dumps(me))
                slot.directory.mkdir()
                slot.directory.chmod(0o755)
                return slot
    raise LabError(f"all {SLOTS} slots of {PLACE} are in use")


def give_back(slot: Slot):
    with registry():
        clear(slot)


def abandoned(file: Path) -> bool:
    holder = json.loads(file.read_text())
    return not holder["kept"] and identity(holder["pid"]) != holder["identity"]


def ports_are_free(slot: Slot) -> bool:
    for what in ["slurmctld", "slurmdbd", "slurmrestd", *map(str, range(1, NODES_MAX + 1))]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", slot.port(what)))
            except OSError:
                return False
    return True


def clear(slot: Slot):
    """Nothing of the slot is left on the machine; works from names alone, as the lab may have died half made."""
    slot.family.end()
    slot.family.remove()
    for controller in CGROUP_1.iterdir():
        for top in controller.glob(f"slurm_{slot.cgroup_1_prefix()}*"):
            remove_cgroups(top)
    remove_network(slot)
    for folder in (slot.directory, slot.memory):
        if folder.exists():
            shutil.rmtree(folder)
    holder_file(slot.number).unlink(missing_ok=True)


def remove_network(slot: Slot):
    for place in Path("/run/netns").glob(slot.namespace(0).removesuffix("0") + "*"):
        subprocess.run(["ip", "netns", "del", place.name], check=True)
    if (Path("/sys/class/net") / slot.bridge()).exists():
        subprocess.run(["ip", "link", "del", slot.bridge()], check=True)
