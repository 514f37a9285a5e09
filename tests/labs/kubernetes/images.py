"""The images every node of the lab has: the sandbox's, and a small system for pods that do something."""

import shutil
import subprocess
from pathlib import Path

from labs.kubernetes.oci import write_archive

PAUSE = "lab.local/pause:1"
BUSYBOX = "lab.local/busybox:1"


def own_images(folder: Path, programs: Path):
    """Their archives, written into `folder`."""
    folder.mkdir()
    return [pause(folder, programs), busybox(folder)]


def pause(folder: Path, programs: Path) -> Path:
    root = folder / "pause"
    root.mkdir()
    shutil.copy2(programs / "pause", root / "pause")
    return write_archive(folder / "pause.tar", PAUSE, root, ["/pause"])


def busybox(folder: Path) -> Path:
    """Debian's static busybox with a link for each of its commands."""
    root = folder / "busybox"
    for name in ("bin", "etc", "tmp", "root"):
        (root / name).mkdir(parents=True)
    program = shutil.copy2(shutil.which("busybox") or "/bin/busybox", root / "bin/busybox")
    names = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in set(names) - {"busybox"}:
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    return write_archive(folder / "busybox.tar", BUSYBOX, root, ["/bin/sh"])
