"""The shipped environment images, built once by the real `sust image build` and lent to tests."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

IMAGES = ("llama-cpp", "trainer")


def cache_folder(repository: Path) -> Path:
    """Named by the build files, so that a changed file is a new build."""
    text = b"".join((repository / "images" / f"{name}.toml").read_bytes() for name in IMAGES)
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return home / "sust" / "lab-images" / hashlib.sha256(text).hexdigest()[:16]


def ensure_images(build: Path, repository: Path) -> Path:
    root = cache_folder(repository)
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "lock", "w") as lock:  # parallel test workers build once
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in IMAGES:
            if not (root / f"{name}.built").exists():
                subprocess.run([build / "bin/sust", "--root", root, "image", "build",
                                repository / "images" / f"{name}.toml"], check=True, timeout=1500)
                (root / f"{name}.built").touch()
    return root


def lend_images(lab: Path, root: Path):
    """Hard links of the lab's store: the same bytes under another root, at no cost."""
    target = root / "data" / "store"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(lab / "data" / "store", target, copy_function=os.link, dirs_exist_ok=True)
    except (OSError, shutil.Error):  # another file system
        shutil.copytree(lab / "data" / "store", target, dirs_exist_ok=True)
    # Files that change must be the root's own.
    shutil.copy2(lab / "data/store/index.json", target / "index.json.own")
    os.replace(target / "index.json.own", target / "index.json")
    shutil.rmtree(target / "roots", ignore_errors=True)
