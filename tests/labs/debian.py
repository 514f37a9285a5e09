"""Debians that are kept in the cache: 12 with nothing but its base system, entered as a machine of its own, and
programs of 13."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sust"


def debian_sources():
    listed = [Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")]
    return [file for file in listed if file.exists()]


def mirror() -> str:
    """Where this machine gets its packages from."""
    return subprocess.run(["sed", "-n", r"s/^URIs: *\([^ ]*\).*/\1/p;s/^deb [^h]*\(http[^ ]*\).*/\1/p",
                           *map(str, debian_sources())], capture_output=True, text=True).stdout.split()[0]


def kept(name: str, make) -> Path:
    """The root of that name; make(folder) fills it where there is none, once for all who ask at the same time."""
    root = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            building = CACHE / f"{name}.making"
            shutil.rmtree(building, ignore_errors=True)  # of one who was killed
            began = time.monotonic()
            print(f"making {root}", file=sys.stderr)
            make(building)
            building.rename(root)
            print(f"made in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return root


def bare_root() -> Path:
    """The packages of Priority: required, made once."""
    return kept("bare-bookworm", lambda folder: subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", folder, mirror()], check=True, capture_output=True,
        timeout=900))


def extract(release: str, packages, folder: Path):
    """The files of these packages of another release, and of all that they need; nothing of it is configured."""
    done = subprocess.run(["mmdebstrap", "--mode=root", "--variant=extract", f"--include={','.join(packages)}",
                           "--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\"",
                           release, folder, mirror()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"mmdebstrap: {done.stdout[-2000:]}")


class Machine:
    """A copy of the bare root under its own mount and process namespaces; it ends with its command.

    The root is pivoted to, not chrooted: the kernel refuses user namespaces inside a chroot.
    """

    def __init__(self, root: Path):
        self.root = root
        subprocess.run(["cp", "-a", "--reflink=auto", bare_root(), root], check=True)
        for file in debian_sources():
            shutil.copy2(file, self.inside(file))
        shutil.copy2("/etc/resolv.conf", self.inside("/etc/resolv.conf"))
        # What a site gives its machines: its own certificates, and npm the knowledge of them.
        for certificate in Path("/usr/local/share/ca-certificates").glob("*.crt"):
            shutil.copy2(certificate, self.inside(certificate))
        self.inside("/usr/etc/npmrc").write_text("cafile=/etc/ssl/certs/ca-certificates.crt\n")

    def inside(self, path) -> Path:
        place = self.root / str(path).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def run(self, command: str, user="root", log=None, timeout=3600, shared=None):
        """A shell command in a login of `user`; `shared`: {directory of this machine: where it is seen}."""
        enter = [
            "set -e",
            f"mount --bind {self.root} {self.root}",
            f"cd {self.root}",
            "mkdir -p old proc sys dev tmp",
            "mount -t proc proc proc",
            "mount -t sysfs sysfs sys",
            "mount --rbind /dev dev",
            "mount -t tmpfs -o mode=1777 tmpfs dev/shm",
        ]
        for place, seen in (shared or {}).items():
            self.inside(seen).mkdir(parents=True, exist_ok=True)
            enter.append(f"mount --bind {place} {self.inside(seen)}")
        # The shell stays, because the first process has to collect what others leave behind.
        enter += ["pivot_root . old", "umount -l old", "cd /", "set +e", f'su -l {user} -c "$1"', "exit $?"]
        out = open(log, "ab") if log else None
        try:
            return subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", "\n".join(enter),
                                   "enter", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=out or subprocess.PIPE, text=True, timeout=timeout,
                                  env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
        finally:
            if out:
                out.close()
