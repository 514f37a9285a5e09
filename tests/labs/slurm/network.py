"""Nodes with networks of their own: one bridge on the host, and a network namespace for each node."""

import subprocess

from labs.slurm.configuration import Configuration
from labs.slurm.waiting import LabError


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"ip {' '.join(map(str, words))}: {done.stderr}")


class Network:
    """Made before the daemons start; the slot removes it by its names."""

    def __init__(self, configuration: Configuration):
        self.configuration = configuration
        self.slot = configuration.slot
        self.hosts = configuration.lab / "etc/hosts"

    def make(self):
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for address, name in self.names())]
        self.hosts.write_text("\n".join(lines) + "\n")
        bridge = self.slot.bridge()
        ip("link", "add", bridge, "type", "bridge")
        ip("addr", "add", f"{self.configuration.controller_address()}/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number in range(1, len(self.configuration.nodes) + 1):
            self.make_node(number)

    def names(self):
        yield self.configuration.controller_address(), self.configuration.host
        for number, node in enumerate(self.configuration.nodes, 1):
            yield self.configuration.node_address(number), node

    def make_node(self, number: int):
        space, outside = self.slot.namespace(number), self.outside(number)
        ip("netns", "add", space)
        ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("link", "set", outside, "master", self.slot.bridge(), "up")
        ip("-n", space, "addr", "add", f"{self.configuration.node_address(number)}/24", "dev", "eth0")
        for link in ("eth0", "lo"):
            ip("-n", space, "link", "set", link, "up")
        ip("-n", space, "route", "add", "default", "via", self.configuration.controller_address())

    def outside(self, number: int) -> str:
        """The host's end of a node's cable; a name has 15 characters at most."""
        return f"sust-s{self.slot.number}-{number}"

    def cut(self, number: int):
        ip("link", "set", self.outside(number), "down")

    def mend(self, number: int):
        ip("link", "set", self.outside(number), "up")

    def inside(self, number: int, argv) -> list[str]:
        """The command on that node: its network, its host name, its /etc/hosts.

        nsenter and not `ip netns exec`, which puts another /sys in place and with it hides the cgroups.
        """
        enter = 'hostname "$0" && mount --bind "$1" /etc/hosts && shift && exec "$@"'
        return ["nsenter", f"--net=/run/netns/{self.slot.namespace(number)}", "unshare", "--uts", "--mount",
                "/bin/sh", "-c", enter, self.configuration.nodes[number - 1], str(self.hosts), *argv]
