"""clang-tidy on every source.

A file's verdict is kept under the hash of all that it could see.
"""

import hashlib
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / "build/asan"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sust/tidy"


def reach(file, seen):
    """The file and every project header that it includes, directly or not."""
    if file in seen or not file.exists():
        return seen
    seen.add(file)
    for line in file.read_text().splitlines():
        if line.startswith('#include "'):
            reach(REPOSITORY / "src" / line.split('"')[1], seen)
    return seen


def key(file):
    digest = hashlib.sha256((REPOSITORY / ".clang-tidy").read_bytes())
    for part in sorted(reach(file, set())):
        digest.update(str(part.relative_to(REPOSITORY)).encode() + part.read_bytes())
    return digest.hexdigest()


def judged(file):
    """None if clean, otherwise what clang-tidy said."""
    kept = CACHE / key(file)
    if kept.exists():
        return None
    done = subprocess.run(["clang-tidy-14", "--quiet", "-p", str(BUILD), str(file)], capture_output=True, text=True)
    if done.returncode == 0:
        CACHE.mkdir(parents=True, exist_ok=True)
        kept.touch()
        return None
    return done.stdout[:3000]


@pytest.mark.timeout(3600)
def test_clang_tidy_finds_nothing():
    commands = json.loads((BUILD / "compile_commands.json").read_text())
    files = sorted({Path(entry["file"]) for entry in commands
                    if "/src/" in entry["file"] and not entry["file"].endswith(("_test.cpp", "_fuzz.cpp"))})
    assert files
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert [said for said in pool.map(judged, files) if said] == []
