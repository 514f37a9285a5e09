"""The users of the labs: without a login, made once, and shared by all labs of the machine."""

import pwd
import subprocess

from labs.slurm.slots import registry
from labs.slurm.waiting import LabError

JOB_USERS = ("sust-lab-a", "sust-lab-b")
SERVICE_USER = "sust-lab-service"  # of what refuses to be root: slurmrestd, MariaDB


def ensure_users():
    with registry():  # parallel labs make them once
        for name in (*JOB_USERS, SERVICE_USER):
            try:
                pwd.getpwnam(name)
            except KeyError:
                add(name)


def add(name: str):
    done = subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                           "--shell", "/usr/sbin/nologin", name], capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"no user {name}: {done.stderr}")


def as_user(name: str) -> list[str]:
    """In front of a command: it runs as that user with that user's groups."""
    return ["setpriv", "--reuid", name, "--regid", name, "--init-groups", "--"]
