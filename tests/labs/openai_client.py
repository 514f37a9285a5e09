"""The official npm client at the versions of its lock file, for checks written with it."""

import os
import shutil
import subprocess
from pathlib import Path

from conftest import REPOSITORY

PROGRAMS = REPOSITORY / "tests/gateway/openai"


def run_check(folder: Path, program: str, endpoint: str, key: str, **environment) -> str:
    """What one of the programs prints; a failed check is the caller's failure."""
    node = shutil.which("node")
    assert node, "node is not installed; tools/setup --tests installs it"
    place = folder / "openai"
    shutil.copytree(PROGRAMS, place, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=place, check=True, timeout=240)
    done = subprocess.run([node, program], cwd=place, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "BASE_URL": endpoint, "API_KEY": key, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
