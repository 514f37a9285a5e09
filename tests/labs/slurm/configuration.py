"""The files of etc/: what Slurm reads. Times are as short as they can be, so that tests needn't wait for them."""

import os
import secrets
import socket
import stat
from pathlib import Path

from labs.slurm.options import Options, Partition
from labs.slurm.slots import Slot

CLUSTER = "lab"
GPU_MAJOR = 240  # of the range for local use: no driver answers; with /dev/null's the device cgroup would close that
GPUS_MAX = 16

SCHEDULER = {
    "sched_min_interval": 0, "sched_interval": 1, "batch_sched_delay": 0, "requeue_setup_env_fail": None,
    "bf_interval": 1, "bf_resolution": 1, "bf_window": 60, "bf_min_age_reserve": 0,
}

HOOK = """#!/bin/sh
# {what} of a job on a node: tells that it ran, and fails where the lab was asked to let it fail.
echo "{what} job=$SLURM_JOB_ID node=$SLURMD_NODENAME user=$SLURM_JOB_USER gpus=$SLURM_JOB_GPUS" >>"{lab}/log/hooks.log"
read -r status 2>/dev/null <"{lab}/run/{what}.$SLURMD_NODENAME" || status=0
exit "$status"
"""


class Configuration:
    """Writes what a lab of these options in this slot needs, before its daemons start."""

    def __init__(self, slot: Slot, options: Options, programs):
        self.slot = slot
        self.options = options
        self.programs = programs
        self.lab = slot.directory
        self.host = socket.gethostname().split(".")[0]
        prefix = slot.cgroup_1_prefix() if options.cgroups else "n"
        self.nodes = [f"{prefix}{number}" for number in range(1, options.nodes + 1)]

    @property
    def file(self) -> Path:
        return self.lab / "etc/slurm.conf"

    def controller_address(self) -> str:
        return f"{self.slot.subnet()}.1" if self.options.namespaces else "127.0.0.1"

    def node_address(self, number: int) -> str:
        return f"{self.slot.subnet()}.{10 + number}" if self.options.namespaces else "127.0.0.1"

    def write(self):
        for folder in ("etc", "log", "run", "dev", "spool/slurmctld", *(f"spool/{node}" for node in self.nodes)):
            (self.lab / folder).mkdir(parents=True)
        (self.lab / "scratch").mkdir()
        for folder in ("etc", "log", "run", "dev"):
            (self.lab / folder).chmod(0o755)  # whatever the umask: other users' clients read them
        (self.lab / "scratch").chmod(0o1777)  # where jobs of any user write
        self.secret("munge.key", 128)
        self.secret("jwt.key", 32)
        for what in ("prolog", "epilog"):
            self.text(what, HOOK.format(what=what, lab=self.lab), 0o755)
        self.text("gres.conf", "".join(map(self.gpu_line, enumerate(self.nodes, 1))))
        self.text("cgroup.conf", self.cgroup_conf())
        self.text("slurm.conf", self.slurm_conf())

    @property
    def completions(self) -> Path:
        """What `sacct -c` reads."""
        return self.lab / "log/jobcomp.txt"

    def text(self, name: str, text: str, mode=0o644):
        file = self.lab / "etc" / name
        file.write_text(text)
        file.chmod(mode)

    def secret(self, name: str, size: int):
        file = self.lab / "etc" / name
        file.touch(mode=0o600)
        file.write_bytes(secrets.token_bytes(size))

    def gpu_line(self, numbered) -> str:
        """Makes the node's device files too."""
        number, node = numbered
        for gpu in range(self.options.gpus):
            file = self.lab / f"dev/{node}-gpu{gpu}"
            os.mknod(file, 0o666 | stat.S_IFCHR, os.makedev(GPU_MAJOR, number * GPUS_MAX + gpu))
            file.chmod(0o666)
        files = f"{self.lab}/dev/{node}-gpu[0-{self.options.gpus - 1}]"
        return f"NodeName={node} Name=gpu File={files}\n" if self.options.gpus else ""

    def cgroup_conf(self) -> str:
        lines = ["CgroupPlugin=cgroup/v1", "CgroupMountpoint=/sys/fs/cgroup"]
        if self.options.cgroups:
            lines += ["ConstrainCores=no", "ConstrainRAMSpace=yes", "ConstrainDevices=yes"]
        return "\n".join(lines) + "\n"

    def slurm_conf(self) -> str:
        settings = {**self.programs.settings(), **self.daemons(), **self.authentication(), **self.times(), **self.scheduling(),
                    **self.accounting(), **self.options.settings}
        lines = [f"{key}={value}" for key, value in settings.items()]
        lines += [self.node_line(number, node) for number, node in enumerate(self.nodes, 1)]
        lines += map(self.partition_line, self.options.partitions)
        return "\n".join([*lines, *self.options.extra_lines]) + "\n"

    def daemons(self) -> dict:
        """Root runs them, as on a real cluster: jobs are started as their users."""
        return {
            "ClusterName": CLUSTER,
            "SlurmctldHost": f"{self.host}({self.controller_address()})",
            "SlurmctldPort": self.slot.port("slurmctld"),
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "StateSaveLocation": self.lab / "spool/slurmctld",
            "SlurmdSpoolDir": self.lab / "spool/%n",
            "SlurmctldPidFile": self.lab / "run/slurmctld.pid",
            "SlurmdPidFile": self.lab / "run/%n.pid",
            "SlurmctldLogFile": self.lab / "log/slurmctld.log",
            "SlurmdLogFile": self.lab / "log/%n.log",
            "Prolog": self.lab / "etc/prolog",
            "Epilog": self.lab / "etc/epilog",
            "PrologFlags": "Alloc",
            "ProctrackType": "proctrack/cgroup" if self.options.cgroups else "proctrack/linuxproc",
            "TaskPlugin": "task/cgroup" if self.options.cgroups else "task/none",
            "MpiDefault": "none",
            "MailProg": "/bin/true",
            "PropagateResourceLimits": "NONE",
        }

    def authentication(self) -> dict:
        # A requeued job waits until its old credential has expired: 5 s instead of two minutes.
        return {
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.lab}/run/munge.sock,cred_expire=5",
            "CredType": "cred/munge",
            "AuthAltTypes": "auth/jwt",
            "AuthAltParameters": f"jwt_key={self.lab}/etc/jwt.key",
        }

    @staticmethod
    def times() -> dict:
        return {"SlurmdTimeout": 10, "SlurmctldTimeout": 10, "MessageTimeout": 10, "TCPTimeout": 2, "KillWait": 5,
                "UnkillableStepTimeout": 10, "EpilogMsgTime": 0, "InactiveLimit": 0, "MinJobAge": 300}

    @staticmethod
    def scheduling() -> dict:
        parameters = ",".join(key if value is None else f"{key}={value}" for key, value in SCHEDULER.items())
        return {
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": parameters,
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "DefMemPerNode": 500,
            "GresTypes": "gpu",
            "ReturnToService": 2,  # a node that was down serves again when it registers
            "SlurmdParameters": "config_overrides",  # nodes may claim more than this host has
        }

    def accounting(self) -> dict:
        finished = {"JobCompType": "jobcomp/filetxt", "JobCompLoc": self.completions}
        if not self.options.accounting:
            return {**finished, "AccountingStorageType": "accounting_storage/none",
                    "JobAcctGatherType": "jobacct_gather/none"}
        return {
            **finished,
            "AccountingStorageType": "accounting_storage/slurmdbd",
            "AccountingStorageHost": "127.0.0.1",
            "AccountingStoragePort": self.slot.port("slurmdbd"),
            "AccountingStoragePass": self.lab / "run/munge.sock",  # slurmdbd's client doesn't read AuthInfo
            "AccountingStorageEnforce": "associations,limits,qos",
            "AccountingStorageTRES": "gres/gpu",
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": 1,
        }

    def node_line(self, number: int, node: str) -> str:
        options = self.options
        gres = f" Gres=gpu:{options.gpus}" if options.gpus else ""
        return (f"NodeName={node} NodeHostname={node if options.namespaces else self.host} "
                f"NodeAddr={self.node_address(number)} Port={self.slot.port(str(number))} CPUs={options.cpus} "
                f"RealMemory={options.memory_mb}{gres} Feature=hpc,rack{(number - 1) // 2}")

    def partition_line(self, partition: Partition) -> str:
        names = ",".join(self.nodes[:partition.nodes])
        more = "".join(f" {key}={value}" for key, value in partition.settings.items())
        return (f"PartitionName={partition.name} Nodes={names} Default={'YES' if partition.default else 'NO'}"
                f"{more} State=UP")
