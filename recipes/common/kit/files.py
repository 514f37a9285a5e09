"""Make results visible whole or not at all: written aside, synced, renamed under the lease."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from kit.lease import Lease

# Results are read by the controller and by engines that run as other users.
FILE_MODE = 0o644


def sha256(path: Path) -> str:
    """Digest of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(value) -> str:
    """Digest of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_json(path: Path):
    """Parse a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value, indent=1) -> None:
    """Write a JSON file that a person can read too."""
    path.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")


def aside(final: Path, lease: Lease) -> Path:
    """An unused path beside `final`, named by the writer's epoch; parents are made."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.parent / f".tmp-{lease.epoch}-{final.name}"
    remove(temporary)
    return temporary


def publish(temporary: Path, final: Path, lease: Lease) -> None:
    """Give a finished file or folder its name, if the lease is still ours."""
    _sync_tree(temporary)
    replaced = aside(final.with_name(final.name + ".replaced"), lease)
    with lease.held():
        if final.is_dir():  # rename can't replace a folder that has content
            os.rename(final, replaced)
        os.rename(temporary, final)
        _sync(final.parent)
    remove(replaced)
    print(f"wrote {final.name}", flush=True)


def remove(path: Path) -> None:
    """Remove a file or a folder; absence is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_tree(path: Path) -> None:
    for entry in sorted(path.rglob("*")) if path.is_dir() else []:
        if entry.is_file():
            entry.chmod(FILE_MODE)
        _sync(entry)
    if path.is_file():
        path.chmod(FILE_MODE)
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
