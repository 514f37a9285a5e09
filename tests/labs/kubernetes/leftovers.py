"""Nothing of a lab stays: processes, the bridge, cgroups, mounts, files. Safe on a lab in any state."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

from conftest import wait_for
from labs.kubernetes.identity import lives, send
from labs.kubernetes.network import unplug_all

CGROUPS = Path("/sys/fs/cgroup")
# containerd's namespace for Kubernetes, which is also the name of its cgroup.
NAMESPACE = "k8s.io"


def remove(place):
    """Ends what the lab's identity files name, then takes away what it made. `place` is claimed by us."""
    end_processes(place.folder)
    unplug_all(place.bridge)
    remove_cgroups(place.folder)
    unmount(place.folder)
    shutil.rmtree(place.folder)


def end_processes(folder: Path):
    """Nodes go with their first process: the kernel ends every process of its namespace."""
    known = [json.loads(file.read_text()) for file in sorted(folder.glob("run/*.json"))]
    for process in known:
        send(process, signal.SIGKILL)
    wait_for(f"the processes of {folder} to end", lambda: not any(map(lives, known)), 30)


def remove_cgroups(folder: Path):
    """A container's cgroups outlive a SIGKILL of its node; they are named by its id and empty."""
    for node in folder.glob("node*"):
        remove_cgroups_of_node(node)


def remove_cgroups_of_node(node: Path):
    """Those of the containers that its containerd ran when it ended, as its state says."""
    for task in node.glob(f"run/containerd/io.containerd.runtime.v2.task/{NAMESPACE}/*"):
        for group in [*CGROUPS.glob(f"*/{NAMESPACE}/{task.name}"), *CGROUPS.glob(f"{NAMESPACE}/{task.name}")]:
            wait_for(f"{group} to be empty", lambda: removed(group), 20)
    for parent in [*CGROUPS.glob(f"*/{NAMESPACE}"), *CGROUPS.glob(NAMESPACE)]:
        try:
            parent.rmdir()
        except OSError:
            pass  # another node has containers


def removed(group: Path) -> bool:
    """Removes a cgroup, the ones beneath it first."""
    try:
        for inner in sorted((entry for entry in group.rglob("*") if entry.is_dir()), reverse=True):
            inner.rmdir()
        group.rmdir()
        return True
    except FileNotFoundError:
        return True
    except OSError:
        return False


def unmount(folder: Path):
    """A node's mounts die with it; should one be left here, deleting through it would be worse than failing."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    for mounted in sorted((line.split()[4] for line in lines), reverse=True):
        if mounted.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mounted], check=True)
