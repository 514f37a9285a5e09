"""Slurm's programs: those of this machine, or those of another Debian release that run here beside them."""

import os
import shutil
import subprocess
from pathlib import Path

from labs.debian import extract, kept
from labs.slurm.rest import VERSION
from labs.slurm.waiting import LabError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES = ("slurm-client", "slurmctld", "slurmd", "slurmrestd", "slurmdbd", "slurm-wlm-jwt-plugin", "munge")
# By the names `slurmd` and `slurmctld`: started as slurmd-wlm, Debian's Slurm ignores the Gres of its node.
NAMES = ("munged", "munge", "sacct", "sacctmgr", "sbatch", "scancel", "scontrol", "sinfo", "slurmctld", "slurmd",
         "slurmdbd", "slurmrestd", "slurmstepd", "squeue", "srun")


class Installed:
    """The programs of this machine."""

    path = PATH  # of the lab's daemons and clients
    rest = (VERSION, f"db{VERSION}"), VERSION  # slurmrestd's plugins, the database's last, and its newest version

    def make(self):
        pass

    def argv(self, name: str) -> list[str]:
        found = shutil.which(name, path=PATH)
        if not found:
            raise LabError(f"no program {name}; tools/setup --tests")
        return [found]

    def settings(self) -> dict:
        """Of slurm.conf."""
        return {}


class Foreign:
    """Those of another release, in a folder that every user may read, as a cache in a home is not.

    No system is entered: each program has the release's own loader and libraries by its ELF header, and whatever it
    starts, jobs among them, is this machine's again.
    """

    rest = ("slurmctld", "slurmdbd"), "v0.0.42"

    def __init__(self, release: str, folder: Path):
        self.release = release
        self.folder = folder
        self.path = f"{folder}:{PATH}"

    @property
    def libraries(self) -> Path:
        return self.folder / "lib"

    @property
    def plugins(self) -> Path:
        return self.libraries / "slurm-wlm"

    def make(self):
        root = kept(f"slurm-{self.release}", self.make_root)
        self.plugins.mkdir(parents=True)
        for folder in (self.folder, self.libraries, self.plugins):
            folder.chmod(0o755)  # whatever the umask
        for place, target in ((system_of(root), self.libraries), (plugins_of(root), self.plugins)):
            for file in place.glob("*.so*"):
                if not file.is_dir():
                    lend(file, target / file.name)
        for name in NAMES:
            shutil.copy2(next(file for place in ("usr/sbin", "usr/bin") for file in
                              (root / place / name, root / place / f"{name}-wlm") if file.exists()), self.folder / name)
        # A DT_RPATH counts for what the program's libraries and plugins need, too.
        patch("--force-rpath", "--set-rpath", f"{self.libraries}:{self.plugins}", "--set-interpreter",
              next(self.libraries.glob("ld-linux*.so.*")), *(self.folder / name for name in NAMES))

    def make_root(self, folder: Path):
        extract(self.release, PACKAGES, folder)
        # Their own paths are those of this machine's Slurm, and come before those of the program.
        patch("--remove-rpath", *plugins_of(folder).glob("*.so"))

    def argv(self, name: str) -> list[str]:
        more = ["-d", str(self.folder / "slurmstepd")] if name == "slurmd" else []
        return [str(self.folder / name), *more]

    def settings(self) -> dict:
        return {"PluginDir": self.plugins}


def system_of(root: Path) -> Path:
    return next(root.glob("usr/lib/*-linux-gnu"))


def plugins_of(root: Path) -> Path:
    return system_of(root) / "slurm-wlm"


def patch(*words):
    done = subprocess.run(["patchelf", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"patchelf: {done.stderr}")


def lend(source: Path, target: Path):
    """A second name of the file, or a copy on another file system."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def programs_of(release: str, lab: Path):
    return Foreign(release, lab / "programs") if release else Installed()
