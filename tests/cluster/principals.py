"""Users of this machine whose jobs a `sustd` of root runs."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from labs.slurm.users import JOB_USERS, as_user, ensure_users

ALICE, BOB = JOB_USERS


@contextlib.contextmanager
def within_reach(build):
    """The programs where every user can execute them, wherever the clone lies."""
    folder = Path(tempfile.mkdtemp(prefix="sust-bin-"))
    try:
        folder.chmod(0o755)
        shutil.copytree(build / "bin", folder / "bin", ignore=lambda _, names: [n for n in names if "_" in n])
        (folder / "share").symlink_to(build / "share")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def listed(root):
    """[local] of backends.toml for an installation at `root`, in a folder that the users may pass through."""
    ensure_users()
    root.parent.chmod(0o711)
    return f'[local]\nprincipals = ["{ALICE}", "{BOB}"]\njobs = "{spool(root)}"\n'


def spool(root):
    return root.parent / f"spool-{root.name}"


def as_(user, *words):
    return subprocess.run([*as_user(user), *map(str, words)], capture_output=True, text=True, timeout=120)


def can_be_others():
    return os.geteuid() == 0
