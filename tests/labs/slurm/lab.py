"""A real Slurm cluster on this host, without systemd, as root."""

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from labs.slurm import slots
from labs.slurm.configuration import Configuration
from labs.slurm.daemon import Daemon
from labs.slurm.database import Database
from labs.slurm.family import Family, mount_point
from labs.slurm.network import Network
from labs.slurm.node import Node, state_is_up
from labs.slurm.options import Options
from labs.slurm.programs import PATH, programs_of
from labs.slurm.rest import Rest
from labs.slurm.users import as_user, ensure_users
from labs.slurm.waiting import LabError, until

PROGRAMS = ("munged", "slurmctld", "slurmd", "setpriv", "useradd")


def why_impossible() -> str | None:
    """What a test says when it is skipped here."""
    if os.geteuid() != 0:
        return "the Slurm lab must be root: its jobs run as other users"
    absent = [program for program in PROGRAMS if not shutil.which(program, path=PATH)]
    if absent:
        return f"not installed: {', '.join(absent)}; tools/setup --tests"
    try:
        mount_point()
    except LabError as trouble:
        return str(trouble)
    return None


class SlurmLab:
    """munged, slurmctld and slurmds of one slot, with slurmdbd and slurmrestd where asked for.

        with SlurmLab(Options(nodes=2)) as lab:
            job = lab.submit("hostname", "-N2", user="sust-lab-a")

    `environment` is what a Slurm client needs. A lab is used by one thread; close() leaves nothing behind.
    """

    def __init__(self, options=Options(), kept=False):
        reason = why_impossible()
        if reason:
            raise LabError(reason)
        ensure_users()
        self.bind(slots.take(kept), options)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @classmethod
    def attach(cls, directory: Path) -> "SlurmLab":
        """The lab that another process started and kept there."""
        lab = cls.__new__(cls)
        lab.bind(slots.Slot(int(directory.name)), Options.from_json((directory / "options.json").read_text()))
        return lab

    def bind(self, slot: slots.Slot, options: Options):
        self.slot = slot
        self.options = options
        self.directory = slot.directory
        self.programs = programs_of(options.release, self.directory)
        self.configuration = Configuration(slot, options, self.programs)
        self.environment = {"SLURM_CONF": str(self.configuration.file)}
        self.network = Network(self.configuration)
        self.munged = self.daemon("munged", self.munged_argv(), ready=(self.directory / "run/munge.sock").exists)
        self.controller = self.daemon("slurmctld", [*self.programs.argv("slurmctld"), "-D", "-f", self.configuration.file],
                                      ready=self.controller_answers)
        self.nodes = [Node(self, number) for number in range(1, options.nodes + 1)]
        self.database = Database(self) if options.accounting else None
        self.rest = Rest(self) if options.rest else None

    def munged_argv(self):
        run = self.directory / "run"
        return [*self.programs.argv("munged"), "--foreground", "--force", f"--key-file={self.directory}/etc/munge.key",
                f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid", f"--seed-file={run}/munged.seed",
                f"--log-file={self.directory}/log/munged.log"]

    def daemon(self, name, argv, environment=(), **options) -> Daemon:
        """For the parts of the lab."""
        return Daemon(name, argv, self.directory, self.slot.family,
                      {"PATH": self.programs.path, **self.environment, **dict(environment)}, **options)

    def daemons(self) -> list[Daemon]:
        """All that run while the lab is up."""
        return [self.munged, *([self.database.mariadbd, self.database.slurmdbd] if self.database else []),
                self.controller, *(node.slurmd for node in self.nodes), *([self.rest.slurmrestd] if self.rest else [])]

    def start(self):
        self.programs.make()
        self.configuration.write()
        (self.directory / "options.json").write_text(self.options.to_json())
        if self.options.namespaces:
            self.network.make()
        self.munged.start()
        if self.database:
            self.database.start()
        self.controller.start()
        for node in self.nodes:
            node.slurmd.launch()
        self.wait_until_up()
        if self.rest:
            self.rest.start()

    def wait_until_up(self, within=60.0):
        """Every node serves."""
        def look():
            listed = [line.split() for line in self.out("sinfo", "-h", "-N", "-o", "%N %T").splitlines()]
            return len({node for node, state in listed if state_is_up(state)}) == len(self.nodes)

        until("all nodes are up", look, within, lambda: self.controller.log_end() + self.nodes[0].slurmd.log_end())

    def controller_answers(self) -> bool:
        if self.run("scontrol", "ping", check=False).returncode != 0:
            return False
        # slurmctld makes it 0644 when it starts; `sacct -c` opens it for writing even to read, and users ask too.
        self.configuration.completions.chmod(0o666)
        return True

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    @property
    def scratch(self) -> Path:
        """Where every user may write; clients run here, so the output of jobs lands here."""
        return self.directory / "scratch"

    def argv(self, *words, user=None) -> list[str]:
        """A command as that user, or as root. It ends with the lab if it hasn't ended before."""
        clients = Family(f"{self.slot.family.folder.name}/clients")
        clients.make()
        return clients.entering([*(as_user(user) if user else []), *words])

    def client_environment(self, more=()) -> dict:
        return {"PATH": self.programs.path, "HOME": str(self.scratch), "LANG": "C.UTF-8", **self.environment, **dict(more)}

    def run(self, *words, user=None, check=True, timeout=60, environment=(), **options):
        """A command to its end; with check, its failure is a LabError that shows what was printed."""
        done = subprocess.run(self.argv(*words, user=user), capture_output=True, text=True, timeout=timeout,
                              env=self.client_environment(environment), **{"cwd": self.scratch, **options})
        if check and done.returncode != 0:
            raise LabError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def out(self, *words, **options) -> str:
        return self.run(*words, **options).stdout.strip()

    def submit(self, script: str, *options, user=None, **more) -> int:
        """The number of a batch job of these shell lines."""
        said = self.out("sbatch", "--parsable", *options, user=user, input=f"#!/bin/sh\n{script}\n", **more)
        return int(said.split(";")[0])

    def job(self, number: int) -> dict:
        """What scontrol says of a job; empty if it knows none."""
        said = self.run("scontrol", "-o", "show", "job", number, check=False)
        return dict(re.findall(r"(?:^| )([A-Za-z][\w:/]*)=(\S*)", said.stdout)) if said.returncode == 0 else {}

    def wait_for_job(self, number: int, *states: str, within=60.0) -> dict:
        """Until it is in one of the states, like RUNNING or COMPLETED."""
        until(f"job {number} is {' or '.join(states)}", lambda: self.job(number).get("JobState") in states, within,
              lambda: f"{self.job(number)}\n{self.controller.log_end()}")
        return self.job(number)

    def output(self, number: int) -> str:
        return (self.scratch / f"slurm-{number}.out").read_text()

    def wait_until_saved(self, number: int):
        """A killed controller knows this job again. It writes changes only every 5 s; what is younger is lost."""
        mark = secrets.token_hex(8).encode()
        self.run("scontrol", "update", f"jobid={number}", f"comment={mark.decode()}")
        until(f"job {number} is saved", lambda: mark in (self.directory / "spool/slurmctld/job_state").read_bytes())

    def save_state(self) -> Path:
        """A copy of all that the controller knows by now, for go_back(). It writes everything only as it stops."""
        copy = self.directory / f"spool/saved-{len(list((self.directory / 'spool').glob('saved-*')))}"
        self.controller.stop()
        shutil.copytree(self.directory / "spool/slurmctld", copy)
        self.controller.start()
        return copy

    def go_back(self, copy: Path):
        """The controller forgets what came after the copy, so it gives the numbers of those jobs again."""
        self.controller.kill()
        shutil.rmtree(self.directory / "spool/slurmctld")
        shutil.copytree(copy, self.directory / "spool/slurmctld")
        self.controller.start()

    def close(self):
        slots.give_back(self.slot)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
