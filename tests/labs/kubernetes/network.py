"""The wires of a lab: one bridge on this machine, one cable to each node, a range of addresses for each node's pods."""

import subprocess
from pathlib import Path


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(map(str, words))}: {done.stderr}"


def make_bridge(place):
    ip("link", "add", place.bridge, "type", "bridge")
    ip("address", "add", f"{place.address(0)}/24", "dev", place.bridge)
    ip("link", "set", place.bridge, "up")


def cable(place, node: int) -> str:
    """The name of a node's cable on this machine's side."""
    return f"{place.bridge}n{node}"


def unplug(cable_or_bridge: str):
    """The kernel would take a dead node's cable away too, but some time later, when its name is wanted again."""
    subprocess.run(["ip", "link", "delete", cable_or_bridge], capture_output=True)


def unplug_all(bridge: str):
    """Every cable of a lab and its bridge."""
    for link in sorted(Path("/sys/class/net").glob(f"{bridge}n*")):
        unplug(link.name)
    unplug(bridge)


def plug(place, node: int, process: int, others):
    """Connects the network namespace of `process`.

    There is no default route: a name server or a cloud's metadata is unreachable at once instead of
    after a time-out, which Go programs would wait for.
    """
    name = cable(place, node)
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", process)
    ip("link", "set", name, "master", place.bridge, "up")
    lines = ["link set lo up", f"address add {place.address(node)}/24 dev eth0", "link set eth0 up"]
    lines += [f"route add {place.pod_range(other)} via {place.address(other)}" for other in others]
    done = subprocess.run(["nsenter", "--target", str(process), "--net", "ip", "-batch", "-"],
                          input="\n".join(lines) + "\n", capture_output=True, text=True)
    assert done.returncode == 0, f"network of node {node}: {done.stderr}"
    ip("route", "replace", place.pod_range(node), "via", place.address(node), "dev", place.bridge)


def set_cable(place, node: int, state: str):
    """up or down; down is a network that lost the node, which itself goes on."""
    assert Path(f"/sys/class/net/{cable(place, node)}").exists(), f"node {node} is lost, it has no cable"
    ip("link", "set", cable(place, node), state)
