"""A node of the lab: its slurmd, and what goes wrong with nodes."""

from labs.slurm.waiting import until


class Node:
    """Belongs to its lab. `slurmd` alone can be stopped, killed or made to hang; the rest concerns the whole node."""

    def __init__(self, lab, number: int):
        self.lab = lab
        self.number = number
        self.name = lab.configuration.nodes[number - 1]
        argv = [*lab.programs.argv("slurmd"), "-D", "-N", self.name, "-f", lab.configuration.file]
        self.slurmd = lab.daemon(self.name, argv, ready=self.serves, wrap=self.inside)

    def inside(self, argv):
        return self.lab.network.inside(self.number, argv) if self.lab.options.namespaces else argv

    def serves(self) -> bool:
        """Listens, and the controller thinks so. The file is written after the socket is made."""
        file = self.lab.directory / f"run/{self.name}.pid"
        listens = file.exists() and file.read_text().strip() == str(self.slurmd.pid())
        return listens and state_is_up(self.state())

    def start(self):
        self.slurmd.start()

    def state(self) -> str:
        """As sinfo says it, like "idle" or "down*"; an asterisk is a node that doesn't answer."""
        return self.lab.out("sinfo", "-h", "-n", self.name, "-o", "%T").partition("\n")[0]

    def reason(self) -> str:
        return self.lab.out("sinfo", "-h", "-n", self.name, "-o", "%E").partition("\n")[0]

    def wait_for(self, *states: str, within=60.0):
        until(f"{self.name} is {' or '.join(states)}", lambda: self.state() in states, within,
              lambda: f"it is {self.state()}")

    def drain(self, reason: str):
        """Somebody else's drain: whoever drains a node gives a reason, and owns it."""
        self.lab.run("scontrol", "update", f"nodename={self.name}", "state=drain", f"reason={reason}")

    def resume(self):
        self.lab.run("scontrol", "update", f"nodename={self.name}", "state=resume")

    def crash(self):
        """As if the power went: slurmd, the steps and the jobs are gone at once."""
        self.slurmd.family.end()
        until(f"{self.name} is gone", lambda: not self.slurmd.alive())

    def freeze(self):
        """Nothing on the node runs, and nothing is closed."""
        self.slurmd.family.freeze(True)

    def thaw(self):
        self.slurmd.family.freeze(False)

    def cut(self):
        """Its cable is pulled; only with namespaces."""
        self.lab.network.cut(self.number)

    def mend(self):
        self.lab.network.mend(self.number)

    def fail(self, hook: str, status=1):
        """From now on `prolog` or `epilog` ends with that status on this node; 0 mends it."""
        (self.lab.directory / f"run/{hook}.{self.name}").write_text(f"{status}\n")


def state_is_up(state: str) -> bool:
    return bool(state) and not state.endswith("*") and not state.startswith(("down", "unknown", "future"))
