"""All that a daemon started, however it hid: a cgroup of version 2 is inherited and can't be left by accident.

Slurm moves jobs between cgroups of version 1 only, so this holds with its own cgroup plugins too. No controller is
switched on: the cgroup only tells who belongs together.
"""

from pathlib import Path

from labs.slurm.waiting import LabError, until


def mount_point() -> Path:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, mode, *_ = line.split()
        if kind == "cgroup2" and mode.split(",")[0] == "rw":
            return Path(place)
    raise LabError("the Slurm lab needs a writable cgroup2 file system, to find every process that a job left")


def remove_cgroups(top: Path):
    """A cgroup and those below it, of either version, once their last process has ended.

    A killed process is in no list any more while the kernel still takes its memory apart; until then they are busy.
    """
    def removed():
        try:
            for folder in sorted((entry for entry in top.rglob("*") if entry.is_dir()), reverse=True):
                folder.rmdir()  # the files in it are the kernel's
            top.rmdir()
        except OSError:
            return False
        return True

    until(f"{top} has no processes", removed)


class Family:
    """A cgroup by its path below the mount point, for one lab or one of its daemons."""

    def __init__(self, name: str):
        self.folder = mount_point() / name

    def make(self):
        self.folder.mkdir(parents=True, exist_ok=True)

    def entering(self, argv) -> list[str]:
        """The same command, run as a member; the process stays the same through it."""
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.folder / "cgroup.procs"), *map(str, argv)]

    def members(self) -> list[int]:
        found = []
        for file in [self.folder / "cgroup.procs", *self.folder.rglob("cgroup.procs")]:
            try:
                found += map(int, file.read_text().split())
            except OSError:
                pass  # removed while we looked
        return sorted(set(found))

    def freeze(self, frozen: bool):
        (self.folder / "cgroup.freeze").write_text("1" if frozen else "0")

    def end(self):
        """Every member is killed at once, and gone when this returns."""
        if self.folder.exists():
            (self.folder / "cgroup.kill").write_text("1")
            events = self.folder / "cgroup.events"
            until(f"the processes of {self.folder.name} are gone", lambda: "populated 0" in events.read_text())

    def remove(self):
        """After end()."""
        if self.folder.exists():
            remove_cgroups(self.folder)
