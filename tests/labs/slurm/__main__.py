"""`tools/lab slurm`: a lab for people, which stays until it is taken down."""

import argparse
import os
import sys
from pathlib import Path

from labs.slurm import slots
from labs.slurm.lab import SlurmLab
from labs.slurm.options import Options
from labs.slurm.users import JOB_USERS
from labs.slurm.waiting import LabError

# The lab itself lies where other users may go and sockets have short paths; a home has neither for sure.
LINK = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sust/labs/slurm"

USE = """export SLURM_CONF={conf} PATH={path}
    sinfo                                    # its nodes
    srun -N2 -l hostname                     # as root; or as a user without privileges:
    setpriv --reuid {user} --regid {user} --init-groups srun id
    cd {scratch}            # where every user may write
    tail {log}/slurmctld.log
tools/lab slurm down                         # ends it, with every job"""


def kept() -> SlurmLab | None:
    """The lab that `up` started."""
    return SlurmLab.attach(LINK.resolve()) if (LINK / "options.json").exists() else None


def up(options: Options) -> int:
    if kept() and kept().controller.alive():
        print("it is up already, with the options that it was started with", file=sys.stderr)
    else:
        down()
        lab = SlurmLab(options, kept=True)
        LINK.parent.mkdir(parents=True, exist_ok=True)
        LINK.symlink_to(lab.directory)
    lab = kept()
    print(USE.format(conf=lab.configuration.file, path=lab.programs.path, user=JOB_USERS[0], scratch=lab.scratch, log=lab.directory / "log"))
    if lab.rest:
        print(f"slurmrestd: {lab.rest.address}/slurm/; a token: scontrol token username=NAME lifespan=3600")
    return 0


def down() -> int:
    """Works too where the directory is gone, after a reboot."""
    if LINK.is_symlink():
        slots.give_back(slots.Slot(int(os.readlink(LINK).rpartition("/")[2])))
        LINK.unlink()
    return 0


def status() -> int:
    lab = kept()
    if not lab:
        print("no Slurm lab; tools/lab slurm up")
        return 1
    daemons = lab.daemons()
    for daemon in daemons:
        print(f"{daemon.name:12} {f'process {daemon.pid()}' if daemon.alive() else 'not running'}")
    if lab.controller.alive():
        for node in lab.nodes:
            print(f"{node.name:12} {node.state()}, {lab.options.gpus} GPUs, reason: {node.reason()}")
    print(f"export SLURM_CONF={lab.configuration.file}")
    return 0 if all(daemon.alive() for daemon in daemons) else 1


def options_of(said: argparse.Namespace) -> Options:
    return Options(nodes=said.nodes, gpus=said.gpus, accounting=said.accounting, rest=said.rest,
                   cgroups=said.cgroups, namespaces=said.namespaces, release=said.release)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/lab slurm", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    starting = verbs.add_parser("up", help="start it and print how to use it")
    starting.add_argument("--nodes", type=int, default=4)
    starting.add_argument("--gpus", type=int, default=2, help="of each node; nothing is behind them")
    starting.add_argument("--accounting", action="store_true", help="slurmdbd with a MariaDB of its own")
    starting.add_argument("--rest", action="store_true", help="slurmrestd with JWT")
    starting.add_argument("--cgroups", action="store_true", help="hold jobs to their memory and devices")
    starting.add_argument("--namespaces", action="store_true", help="a network and a host name for each node")
    starting.add_argument("--release", default="", help="a Debian whose Slurm it is, like trixie; else this machine's")
    verbs.add_parser("down", help="end it, with every job")
    verbs.add_parser("status", help="its daemons and nodes")
    said = parser.parse_args()
    try:
        return {"up": lambda: up(options_of(said)), "down": down, "status": status}[said.verb]()
    except (LabError, ValueError) as trouble:
        print(f"tools/lab slurm: {trouble}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
