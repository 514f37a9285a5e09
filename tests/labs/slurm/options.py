"""What a lab may be asked for."""

import json
from dataclasses import asdict, dataclass, field

NODES_MAX = 64  # of one host; the ports of a slot are laid out for it


@dataclass(frozen=True)
class Partition:
    """One PartitionName line. `nodes` counts from the first node; None is all of them."""

    name: str
    nodes: int | None = None
    default: bool = False
    settings: dict = field(default_factory=dict)


PARTITIONS = (
    Partition("batch", default=True, settings={"DefaultTime": "5", "MaxTime": "60"}),
    Partition("debug", nodes=2, settings={"MaxTime": "10"}),
)

# Settings by which a dead node is seen as down after 10 s instead of 30; a busy machine may then see one too many.
IMPATIENT = {"SlurmdTimeout": 3, "MessageTimeout": 5}


@dataclass(frozen=True)
class Options:
    """The shape of a lab. What is off costs nothing."""

    nodes: int = 4
    gpus: int = 2  # of each node; device files without a driver behind them
    cpus: int = 4
    memory_mb: int = 8000
    accounting: bool = False  # slurmdbd with a MariaDB of its own
    rest: bool = False  # slurmrestd with JWT
    cgroups: bool = False  # jobs are held to their memory and devices
    namespaces: bool = False  # each node has its own network and host name
    release: str = ""  # of Debian, whose Slurm it is: "trixie"; none: this machine's
    partitions: tuple = PARTITIONS
    settings: dict = field(default_factory=dict)  # of slurm.conf, in place of the lab's own
    extra_lines: tuple = ()  # at the end of slurm.conf

    def __post_init__(self):
        if not 1 <= self.nodes <= NODES_MAX:
            raise ValueError(f"nodes is {self.nodes}; 1 to {NODES_MAX} are possible")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Options":
        said = json.loads(text)
        said["partitions"] = tuple(Partition(**partition) for partition in said["partitions"])
        return Options(**{**said, "extra_lines": tuple(said["extra_lines"])})
